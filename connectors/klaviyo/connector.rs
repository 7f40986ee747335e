//! Klaviyo as a destination.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::calls;
use super::client::Client;
use super::config::Config;
use super::import::{BYTES, PROFILES};
use super::lookup::{self, Found};
use super::options::{self, Api, Deletion, Key, Options};
use super::session::{ProfileSession, SINGLE};
use super::{encode, errors};
use crate::contract::{
    AccountId, Bulk, Calls, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, FieldValue, Load,
    Lookup, Normaliser, QuotaOwner, RateLimit, RunContext, Session, Target, Traffic, Value, Verb, folded,
};
use crate::http::{Patience, Policy, Terms};
use crate::registry::{Limits, Settings};

/// For all calls of a key together; Klaviyo counts each endpoint by itself, and those have narrower windows of their own.
const START_RATE: RateLimit = RateLimit { requests: 10, per: Duration::from_secs(1) };

const IN_FLIGHT: usize = 4;

/// Imports of one sync at work at once.
const JOBS: usize = 2;

/// Changes from which on an import is worth its wait: so many single ones take 20 seconds.
const MANY: u64 = 200;

/// An import that takes longer is given up.
const LONGEST_IMPORT: Duration = Duration::from_secs(3600);

/// A Klaviyo account, by one of its keys.
pub struct Klaviyo {
    client: Client,
    limits: Limits,
    sandbox: bool,
    patience: Patience,
}

impl Klaviyo {
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
        let config = Config::read(settings)?;
        let terms = Terms { vendor: errors::VENDOR, start_rate: Some(START_RATE), in_flight: IN_FLIGHT };
        let client =
            Client { http: config.login.sender(settings, terms, policy)?, revision: config.revision };
        let patience =
            Patience { first: policy.first_pause, longest: policy.longest_pause, whole: LONGEST_IMPORT };
        Ok(Klaviyo { client, limits: settings.limits.clone(), sandbox: settings.sandbox, patience })
    }
}

/// What a mapping with these options can do.
fn verbs(options: &Options) -> &'static [Verb] {
    match (options.key, options.list.is_some()) {
        _ if options.subscribe => &[Verb::Join, Verb::Leave],
        // Klaviyo gives the ids, so no profile can be made with one.
        (Key::Id, false) => &[Verb::Update, Verb::Delete],
        (Key::Id, true) => &[Verb::Update, Verb::Delete, Verb::Join, Verb::Leave],
        (_, false) => &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete],
        (_, true) => &Verb::ALL,
    }
}

/// What Klaviyo can do with profiles, under these options and limits.
pub(super) fn capabilities_of(options: &Options, limits: &Limits) -> Capabilities {
    let in_flight = |usual: usize| limits.concurrency.unwrap_or(usual).max(1);
    let import = Bulk {
        from: MANY,
        batch_rows: PROFILES,
        batch_bytes: BYTES,
        in_flight: in_flight(JOBS),
        requests: 1,
        together: None,
    };
    let few = Capabilities {
        verbs: verbs(options),
        batch_rows: SINGLE,
        in_flight: in_flight(IN_FLIGHT),
        rate: Some(limits.requests.unwrap_or(START_RATE)),
        deletes: match options.deletion {
            Deletion::Profile => DeleteKind::Hard,
            Deletion::Suppress => DeleteKind::Archive,
        },
        remote_ids: true,
        partial_answers: true,
        members_only: true,
        ..Capabilities::BLANK
    };
    match options.api {
        Api::Single => few,
        Api::Auto => Capabilities { bulk: Some(import), ..few },
        Api::Import => Capabilities {
            batch_rows: PROFILES,
            batch_bytes: Some(BYTES),
            in_flight: in_flight(JOBS),
            // The errors of an import name rows, and nothing names its profiles' ids row by row.
            remote_ids: false,
            ..few
        },
    }
}

/// What profiles can do that have a list to be on.
pub(super) fn all_of(limits: &Limits) -> Capabilities {
    capabilities_of(&Options { list: Some(String::new()), ..Options::usual() }, limits)
}

#[async_trait]
impl Destination for Klaviyo {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        Ok(capabilities_of(&Options::read(target)?, &self.limits))
    }

    fn quota(&self) -> QuotaOwner {
        self.client.http.owner().clone()
    }

    fn daily_budget(&self) -> Option<u64> {
        self.client.http.daily_budget()
    }

    fn calls(&self, target: &Target, load: Load) -> Option<Vec<Calls>> {
        Some(calls::of(&Options::read(target).ok()?, load))
    }

    fn normaliser(&self, _target: &Target, field: &str) -> Option<Normaliser> {
        (field == Key::Email.field()).then_some(folded as Normaliser)
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        let id = self.client.account().await?;
        Ok(AccountId(if self.sandbox { "sandbox".to_owned() } else { format!("klaviyo:{id}") }))
    }

    async fn catalog(&self, target: &Target) -> Result<Catalog, ConnectorError> {
        let options = Options::read(target)?;
        if options.subscribe {
            target.members_only()?;
        }
        if let Some(list) = &options.list {
            self.client.list(list).await?;
        }
        let notes = vec![
            "Any other field is a custom property of the profile, by its own name.".to_owned(),
            "A profile that is sent is not subscribed by that.".to_owned(),
        ];
        Ok(Catalog { properties: options::properties(), open: true, notes })
    }

    async fn look_up(
        &self,
        target: &Target,
        keys: &[Vec<FieldValue>],
    ) -> Result<Vec<Lookup>, ConnectorError> {
        let key = Options::read(target)?.key;
        let text = |fields: &Vec<FieldValue>| match fields.first().map(|field| &field.value) {
            None | Some(Value::Null) => String::new(),
            Some(value) => value.to_string(),
        };
        let texts: Vec<String> = keys.iter().map(text).collect();
        let is_key = |text: &str| !text.is_empty() && (key != Key::Phone || encode::is_e164(text));
        let asked: Vec<String> = texts.iter().filter(|text| is_key(text)).cloned().collect();
        let mut found = lookup::ids(&self.client, key, &asked).await?.into_iter();
        let answer = |text: &String| match is_key(text).then(|| found.next()).flatten() {
            Some(Found::One(remote_id)) => Lookup::Found { remote_id },
            Some(Found::Nothing) => Lookup::Absent,
            Some(Found::Several(_) | Found::Refused(_)) | None => Lookup::Unclear,
        };
        Ok(texts.iter().map(answer).collect())
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let options = Options::read(target)?;
        tracing::debug!(run = context.run_id, sync = context.sync, "session opened");
        Ok(Box::new(ProfileSession {
            client: self.client.with(self.client.http.permitted_by(context.permission.clone())),
            options,
            members_only: target.members_only().map_err(|error| error.message),
            permission: context.permission,
            patience: self.patience,
            unsettled: context.unsettled,
            left: OnceCell::new(),
            open: OnceCell::new(),
        }))
    }

    fn traffic(&self) -> Traffic {
        self.client.http.traffic()
    }
}
