//! Marketo as a destination.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::client::Client;
use super::config::{self, Config, TYPE};
use super::encode::CALL;
use super::errors;
use super::held::{Held, time_to};
use super::lookup::{self, Seen};
use super::options::{Api, Deletion, EMAIL, ID, Options};
use super::removal::IDS;
use super::session::LeadSession;
use super::sheet::FILE;
use crate::contract::{
    AccountId, Bulk, Calls, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, FieldValue, Load,
    Lookup, Normaliser, QuotaOwner, RateLimit, RunContext, Session, Target, Traffic, Value, Verb, folded,
};
use crate::http::{Patience, Policy, Setup};
use crate::registry::{Limits, Settings};

/// What an instance has for all who use it together (`marketo-integration-best-practices.md`); half of it is advised, which the
/// connection's `limits` can say.
const START_RATE: RateLimit = RateLimit { requests: 100, per: Duration::from_secs(20) };

/// Half of the ten calls at once that an instance has for all, as advised.
const IN_FLIGHT: usize = 5;

/// Imports of one sync at work at once: an instance works on two, and has places for ten.
const IMPORTS: usize = 2;

/// Changes from which on imports are worth their wait: so many take 34 calls.
const MANY: u64 = 10_000;

/// Requests of an import, about: its file, and questions for its end.
const CALLS: u64 = 6;

/// An import that takes longer is left to a later run.
const LONGEST_IMPORT: Duration = Duration::from_secs(3600);

/// A call whose answer was lost is taken to have ended after so long.
const LOST_CALL: Duration = Duration::from_secs(60);

/// Midnight of this zone begins the day of an instance's calls (`error-codes.md`, 607).
const ZONE: &str = "America/Chicago";

/// A Marketo instance, by one of its custom services.
pub struct Marketo {
    client: Client,
    limits: Limits,
    sandbox: bool,
    patience: Patience,
    /// So long a call may go on whose answer was lost.
    pub(super) lost_call: Duration,
    /// Until then calls that runs before this one left without an answer may go on.
    lost_until: Mutex<Option<Timestamp>>,
}

impl Marketo {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for settings that cannot be meant.
    pub fn new(settings: &Settings) -> Result<Self, ConnectorError> {
        Self::with_policy(settings, Policy::default())
    }

    /// With other times and attempts than the usual ones.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_policy(settings: &Settings, policy: Policy) -> Result<Self, ConnectorError> {
        Self::of(settings, policy, Config::read(settings)?)
    }

    pub(super) fn of(settings: &Settings, policy: Policy, config: Config) -> Result<Self, ConnectorError> {
        let limits = config::limits(settings);
        // An emulator on this machine has done with a call when its answer leaves.
        let lost_call = if config.base_url.is_loopback() { Duration::ZERO } else { LOST_CALL };
        let setup = Setup {
            vendor: errors::VENDOR,
            owner: config.owner,
            limits: limits.clone(),
            start_rate: Some(START_RATE),
            in_flight: IN_FLIGHT,
            base_url: config.base_url,
            credentials: config.credentials,
            ca_file: config.ca_file,
            policy,
        };
        let client = Client { http: settings.client(TYPE, setup)? };
        let patience =
            Patience { first: policy.first_pause, longest: policy.longest_pause, whole: LONGEST_IMPORT };
        let lost_until = Mutex::default();
        Ok(Marketo { client, limits, sandbox: settings.sandbox, patience, lost_call, lost_until })
    }

    /// The instance's own name, `123-abc-456`, by its address.
    fn instance(&self) -> String {
        let host = self.client.http.host().to_ascii_lowercase();
        host.strip_suffix(".mktorest.com").map_or(host.clone(), str::to_owned)
    }

    /// Waits for calls that an earlier run left: one of them may still make the lead that is looked for.
    async fn quiet(&self) {
        let until = *self.lost_until.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = until.and_then(|until| time_to(until, Timestamp::now())) {
            tracing::info!(
                seconds = wait.as_secs(),
                "leads are looked for once calls of an earlier run have ended"
            );
            tokio::time::sleep(wait).await;
        }
    }

    /// Who is there and not on the list that belongs to it was not put on it, whoever made it: that it is done is not known.
    async fn doubt_unlisted(&self, list: u64, answers: &mut [Lookup]) -> Result<(), ConnectorError> {
        let mut found: Vec<(usize, String)> = Vec::new();
        for (at, answer) in answers.iter().enumerate() {
            if let Lookup::Found { remote_id } = answer {
                found.push((at, remote_id.clone()));
            }
        }
        for part in found.chunks(IDS) {
            let ids: Vec<&str> = part.iter().map(|(_, id)| id.as_str()).collect();
            let on = self.client.on_list(list, &ids).await?;
            for ((at, _), is_on) in part.iter().zip(on) {
                if !is_on {
                    answers[*at] = Lookup::Unclear;
                }
            }
        }
        Ok(())
    }
}

/// What a mapping with these options can do.
fn verbs(options: &Options) -> &'static [Verb] {
    match (options.key == ID, options.list.is_some()) {
        // Marketo gives the ids, so no lead can be made with one.
        (true, false) => &[Verb::Update, Verb::Delete],
        (true, true) => &[Verb::Update, Verb::Delete, Verb::Join, Verb::Leave],
        (false, false) => &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete],
        (false, true) => &Verb::ALL,
    }
}

/// What Marketo can do with leads, under these options and limits.
fn capabilities_of(options: &Options, limits: &Limits) -> Capabilities {
    let in_flight = |usual: usize| limits.concurrency.unwrap_or(usual).max(1);
    let import = Bulk {
        from: if options.api == Api::Import { 0 } else { MANY },
        batch_rows: FILE.0,
        batch_bytes: FILE.1,
        // More calls at once do not make an instance work on more imports.
        in_flight: in_flight(IMPORTS).min(IMPORTS),
        requests: CALLS,
        together: None,
    };
    let has_imports = options.api != Api::Leads && options.key != ID;
    Capabilities {
        verbs: verbs(options),
        batch_rows: CALL.0,
        batch_bytes: Some(CALL.1),
        in_flight: in_flight(IN_FLIGHT),
        rate: Some(limits.requests.unwrap_or(START_RATE)),
        deletes: match options.deletion {
            Deletion::Lead => DeleteKind::Hard,
            Deletion::Unsubscribe => DeleteKind::Archive,
        },
        // The files of an import name rows, and nothing names its leads' ids row by row.
        remote_ids: options.api != Api::Import,
        partial_answers: true,
        members_only: true,
        bulk: has_imports.then_some(import),
        ..Capabilities::BLANK
    }
}

/// What leads can do that have a list to be on.
pub(super) fn all_of(limits: &Limits) -> Capabilities {
    capabilities_of(&Options { list: Some(1), ..Options::usual() }, limits)
}

#[async_trait]
impl Destination for Marketo {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        let options = Options::read(target)?;
        let all = capabilities_of(&options, &self.limits);
        // Who is on a list is no matter of imports.
        let is_list = options.list.is_some() && options.api == Api::Auto && target.members_only().is_ok();
        Ok(if is_list { Capabilities { bulk: None, ..all } } else { all })
    }

    fn quota(&self) -> QuotaOwner {
        self.client.http.owner().clone()
    }

    fn daily_budget(&self) -> Option<u64> {
        self.client.http.daily_budget()
    }

    fn calls(&self, target: &Target, Load { verb, rows, .. }: Load) -> Option<Vec<Calls>> {
        let options = Options::read(target).ok()?;
        let own = match verb == Verb::Upsert && options.imports(usize::try_from(rows).unwrap_or(usize::MAX)) {
            true => Calls { requests: CALLS, narrow: None },
            false => Calls::of(rows, CALL.0),
        };
        let is_listed = matches!(verb, Verb::Create | Verb::Upsert | Verb::Update) && options.list.is_some();
        Some([own].into_iter().chain(is_listed.then(|| Calls::of(rows, IDS))).collect())
    }

    fn normaliser(&self, _target: &Target, field: &str) -> Option<Normaliser> {
        (field == EMAIL).then_some(folded as Normaliser)
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        // First, so that this call, too, counts in the account's own day.
        self.client.http.set_zone(ZONE).await;
        self.client.usage().await?;
        Ok(AccountId(if self.sandbox {
            "sandbox".to_owned()
        } else {
            format!("marketo:{}", self.instance())
        }))
    }

    async fn catalog(&self, target: &Target) -> Result<Catalog, ConnectorError> {
        let options = Options::read(target)?;
        if let Some(list) = options.list {
            self.client.list(list).await?;
        }
        self.client.catalog().await
    }

    async fn look_up(
        &self,
        target: &Target,
        keys: &[Vec<FieldValue>],
    ) -> Result<Vec<Lookup>, ConnectorError> {
        let options = Options::read(target)?;
        let text = |fields: &Vec<FieldValue>| match fields.first().map(|field| &field.value) {
            None | Some(Value::Null) => String::new(),
            Some(value) => value.to_string(),
        };
        let texts: Vec<String> = keys.iter().map(text).collect();
        let asked: Vec<&str> =
            texts.iter().map(String::as_str).filter(|text| !text.trim().is_empty()).collect();
        self.quiet().await;
        let mut seen = lookup::find(&self.client, &options.key, &asked).await?.into_iter();
        let answer = |text: &String| match (!text.trim().is_empty()).then(|| seen.next()).flatten() {
            Some(Seen::One(remote_id)) => Lookup::Found { remote_id },
            Some(Seen::Absent) => Lookup::Absent,
            Some(Seen::Several(_) | Seen::Refused(_)) | None => Lookup::Unclear,
        };
        let mut answers: Vec<Lookup> = texts.iter().map(answer).collect();
        if let Some(list) = options.list {
            self.doubt_unlisted(list, &mut answers).await?;
        }
        Ok(answers)
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let options = Options::read(target)?;
        tracing::debug!(run = context.run_id, sync = context.sync, "session opened");
        let held = Held::new(context.unsettled, self.lost_call);
        {
            let mut until = self.lost_until.lock().unwrap_or_else(PoisonError::into_inner);
            *until = (*until).max(held.lost_until());
        }
        Ok(Box::new(LeadSession {
            client: Client { http: self.client.http.permitted_by(context.permission.clone()) },
            options,
            fields: target.fields.clone(),
            members_only: target.members_only().map_err(|error| error.message),
            permission: context.permission,
            patience: self.patience,
            held,
        }))
    }

    fn traffic(&self) -> Traffic {
        self.client.http.traffic()
    }
}
