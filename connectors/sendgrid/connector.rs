//! SendGrid as a destination.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::client::Client;
use super::config::LOGIN;
use super::encode::CALL;
use super::files::{Files, sum};
use super::import::FILE;
use super::jobs::Work;
use super::members::{ListSession, MEMBERS};
use super::options::{Api, Key, Options};
use super::removal::IDS;
use super::session::ContactSession;
use super::{creation, errors};
use crate::contract::{
    AccountId, Bulk, Calls, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, Load, Normaliser,
    Property, QuotaOwner, RateLimit, RunContext, Session, Target, Traffic, Verb, folded,
};
use crate::http::{Patience, Policy, Terms};
use crate::registry::{Limits, Settings};
use crate::split;

/// Each endpoint has a window of its own (`x-ratelimit-limit`, recorded: 200 and 600, with up to 60 s left); the smallest is
/// kept for all of them together.
const START_RATE: RateLimit = RateLimit { requests: 200, per: Duration::from_secs(60) };

const IN_FLIGHT: usize = 4;

/// Imports on their way at once, each of which holds its packed file in memory.
const IMPORTS: usize = 2;

/// Upserts from which on imports are worth it: calls would need this many jobs of 30,000 contacts, one after another.
const MANY: u64 = 300_000;

/// Requests of an import, about: it is asked for, its file goes up, and its end is asked for.
const CALLS: u64 = 4;

/// A job that takes longer is left to a later run.
const LONGEST_JOB: Duration = Duration::from_secs(3600);

/// A SendGrid account, by one of its keys.
pub struct SendGrid {
    client: Client,
    files: Files,
    limits: Limits,
    sandbox: bool,
    patience: Patience,
    /// What one import may have.
    pub(super) file_limits: split::Limits,
}

impl SendGrid {
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
        let login = LOGIN.read(settings)?;
        let files = Files::new(policy, login.ca_file.clone(), login.base_url.is_loopback());
        let terms = Terms { vendor: errors::VENDOR, start_rate: Some(START_RATE), in_flight: IN_FLIGHT };
        let client = Client { http: login.sender(settings, terms, policy)? };
        let patience =
            Patience { first: policy.first_pause, longest: policy.longest_pause, whole: LONGEST_JOB };
        Ok(SendGrid {
            client,
            files,
            limits: settings.limits.clone(),
            sandbox: settings.sandbox,
            patience,
            file_limits: FILE,
        })
    }
}

/// What contacts can do with these options, under these limits. SendGrid has an upsert alone, so that nothing could tell an
/// update from a creation.
fn capabilities_of(options: &Options, limits: &Limits) -> Capabilities {
    let in_flight = |usual: usize| limits.concurrency.unwrap_or(usual).max(1);
    let from = if options.api == Api::Import { 0 } else { MANY };
    let all = Capabilities {
        verbs: &[Verb::Upsert, Verb::Delete],
        batch_rows: CALL.0,
        batch_bytes: Some(CALL.1),
        in_flight: in_flight(IN_FLIGHT),
        rate: Some(limits.requests.unwrap_or(START_RATE)),
        deletes: DeleteKind::Hard,
        partial_answers: true,
        bulk: options.importable.then(|| Bulk {
            from,
            batch_rows: FILE.rows as usize,
            batch_bytes: FILE.bytes as usize,
            in_flight: in_flight(IMPORTS),
            requests: CALLS,
            together: None,
        }),
        ..Capabilities::BLANK
    };
    match options.list {
        Some(_) => Capabilities { verbs: &[Verb::Join, Verb::Leave], batch_rows: MEMBERS, bulk: None, ..all },
        None => all,
    }
}

/// For the table of connectors: what contacts and lists can do together.
pub(super) fn usual() -> Capabilities {
    let options =
        Options { key: Key::Email, list: None, lists: Vec::new(), api: Api::Auto, importable: true };
    let verbs = &[Verb::Upsert, Verb::Delete, Verb::Join, Verb::Leave];
    Capabilities { verbs, ..capabilities_of(&options, &Limits::default()) }
}

#[async_trait]
impl Destination for SendGrid {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        Ok(capabilities_of(&Options::read(target)?, &self.limits))
    }

    fn quota(&self) -> QuotaOwner {
        self.client.http.owner().clone()
    }

    fn daily_budget(&self) -> Option<u64> {
        self.client.http.daily_budget()
    }

    fn calls(&self, _target: &Target, Load { verb, rows, .. }: Load) -> Option<Vec<Calls>> {
        matches!(verb, Verb::Delete | Verb::Leave).then(|| vec![Calls::of(rows, IDS)])
    }

    fn normaliser(&self, _target: &Target, field: &str) -> Option<Normaliser> {
        (field == Key::Email.field()).then_some(folded as Normaliser)
    }

    fn creates(&self, field: &Property) -> Result<(), String> {
        creation::accepts(field)
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        let id = self.client.account().await?;
        Ok(AccountId(if self.sandbox { "sandbox".to_owned() } else { format!("sendgrid:{id}") }))
    }

    async fn catalog(&self, target: &Target) -> Result<Catalog, ConnectorError> {
        let options = Options::read(target)?;
        if options.list.is_some() {
            target.members_only()?;
        }
        for list in options.list.iter().chain(&options.lists) {
            self.client.list(list).await?;
        }
        Ok(self.client.definitions().await?.catalog())
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let options = Options::read(target)?;
        tracing::debug!(run = context.run_id, sync = context.sync, "session opened");
        let work = Work {
            key: options.key,
            client: Client { http: self.client.http.permitted_by(context.permission.clone()) },
            files: self.files.permitted_by(context.permission.clone()),
            permission: context.permission,
            patience: self.patience,
            unsettled: context.unsettled,
        };
        if let Some(list) = options.list {
            return Ok(Box::new(ListSession { work, key: options.key, list }));
        }
        Ok(Box::new(ContactSession {
            work,
            options,
            fields: target.fields.clone(),
            missing: target.missing.clone(),
            definitions: OnceCell::new(),
            file_limits: self.file_limits,
        }))
    }

    fn traffic(&self) -> Traffic {
        sum(self.client.http.traffic(), self.files.traffic())
    }
}
