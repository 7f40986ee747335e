//! Customer.io as a destination.

use std::time::Duration;

use async_trait::async_trait;

use super::client::{BATCH, Client, LONGEST_BODY};
use super::config::{Config, Region, TYPE};
use super::session::CustomerIoSession;
use super::target::{Aim, Object};
use super::{errors, fields};
use crate::contract::{
    AccountId, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, Normaliser, QuotaOwner,
    RateLimit, RunContext, Session, Target, Traffic, Verb, folded,
};
use crate::http::{Policy, Terms};
use crate::registry::{Limits, Settings};

/// Fair use: the documents say 1,000 in a second today and said 100 before; nothing enforces it, and no header tells. The
/// lower one is enough for 100,000 rows in a second.
const START_RATE: RateLimit = RateLimit { requests: 100, per: Duration::from_secs(1) };

const IN_FLIGHT: usize = 4;

/// A workspace of Customer.io.
pub struct CustomerIo {
    client: Client,
    limits: Limits,
    region: Region,
    sandbox: bool,
}

impl CustomerIo {
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
        Ok(CustomerIo {
            client: Client { http: config.login.sender(settings, terms, policy)? },
            limits: settings.limits.clone(),
            region: config.region,
            sandbox: settings.sandbox,
        })
    }
}

/// What Customer.io can do with people under these limits.
///
/// Without [`Aim::unseen_updates`] there is no update: Customer.io accepts one (`_update`) of a person who is not there like
/// any other, so nothing would be known. There is no create either, for the same reason.
fn capabilities_of(limits: &Limits) -> Capabilities {
    Capabilities {
        verbs: &[Verb::Upsert, Verb::Delete],
        batch_rows: BATCH,
        batch_bytes: Some(LONGEST_BODY),
        in_flight: limits.concurrency.unwrap_or(IN_FLIGHT).max(1),
        rate: Some(limits.requests.unwrap_or(START_RATE)),
        deletes: DeleteKind::Hard,
        partial_answers: true,
        accepts_unseen: true,
        ..Capabilities::BLANK
    }
}

/// For the table of connectors: what people, events and lists can do together.
pub(super) fn usual() -> Capabilities {
    let verbs = &[Verb::Create, Verb::Upsert, Verb::Delete, Verb::Join, Verb::Leave];
    Capabilities { verbs, ..capabilities_of(&Limits::default()) }
}

#[async_trait]
impl Destination for CustomerIo {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        let aim = Aim::of(target)?;
        let people = capabilities_of(&self.limits);
        Ok(match aim.object {
            Object::People if aim.unseen_updates => {
                Capabilities { verbs: &[Verb::Upsert, Verb::Update, Verb::Delete], ..people }
            }
            Object::People => people,
            Object::Events => Capabilities {
                verbs: &[Verb::Create],
                deletes: DeleteKind::None,
                repeatable_creates: true,
                ..people
            },
            Object::Suppressed => Capabilities { verbs: &[Verb::Join, Verb::Leave], ..people },
            Object::Segment(_) => {
                Capabilities { verbs: &[Verb::Join, Verb::Leave], partial_answers: false, ..people }
            }
        })
    }

    fn quota(&self) -> QuotaOwner {
        self.client.http.owner().clone()
    }

    fn daily_budget(&self) -> Option<u64> {
        self.client.http.daily_budget()
    }

    fn normaliser(&self, _target: &Target, field: &str) -> Option<Normaliser> {
        (field == "email").then_some(folded as Normaliser)
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        let id = self.client.workspace(self.region).await?;
        Ok(AccountId(if self.sandbox { "sandbox".to_owned() } else { format!("{TYPE}:{id}") }))
    }

    async fn catalog(&self, target: &Target) -> Result<Catalog, ConnectorError> {
        fields::catalog(&Aim::of(target)?, target)
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let aim = Aim::of(target)?;
        tracing::debug!(run = context.run_id, sync = context.sync, object = ?aim.object, "session opened");
        let client = Client { http: self.client.http.permitted_by(context.permission) };
        Ok(Box::new(CustomerIoSession { client, aim }))
    }

    fn traffic(&self) -> Traffic {
        self.client.http.traffic()
    }
}
