//! Braze as a destination.

use std::time::Duration;

use async_trait::async_trait;

use super::client::{BULK, BULKS, Client, LONGEST_BODY, LONGEST_BULK, REMOVALS, USERS};
use super::config::{Config, OBJECTS, TYPE};
use super::options::{Aim, Api, Deletion, Object};
use super::session::BrazeSession;
use super::{errors, fields};
use crate::contract::{
    AccountId, Calls, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, Load, QuotaOwner,
    RateLimit, RunContext, Session, Target, Traffic, Verb,
};
use crate::http::{Policy, Setup};
use crate::registry::{Limits, Settings};

/// Of `/users/track`; contracts by monthly active users have limits of their own, which the headers tell
/// (<https://www.braze.com/docs/api/api_limits/>).
const START_RATE: RateLimit = RateLimit { requests: 3000, per: Duration::from_secs(3) };

const IN_FLIGHT: usize = 4;

/// A workspace of Braze.
pub struct Braze {
    client: Client,
    limits: Limits,
    batch_rows: usize,
    workspace: Option<String>,
    sandbox: bool,
}

impl Braze {
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
        let setup = Setup {
            vendor: errors::VENDOR,
            owner: config.owner,
            limits: settings.limits.clone(),
            start_rate: Some(START_RATE),
            in_flight: IN_FLIGHT,
            base_url: config.base_url,
            credentials: config.credentials,
            ca_file: config.ca_file,
            policy,
        };
        Ok(Braze {
            client: Client { http: settings.client(TYPE, setup)? },
            limits: settings.limits.clone(),
            batch_rows: config.batch_rows,
            workspace: config.workspace,
            sandbox: settings.sandbox,
        })
    }
}

/// What Braze can do with users under these limits, so many in a request.
///
/// There is no create: Braze refuses nobody for being there. An update of a user who is not there is accepted like any other.
fn users(limits: &Limits, batch_rows: usize) -> Capabilities {
    Capabilities {
        verbs: &[Verb::Upsert, Verb::Update, Verb::Delete],
        batch_rows,
        batch_bytes: Some(LONGEST_BODY),
        in_flight: limits.concurrency.unwrap_or(IN_FLIGHT).max(1),
        rate: Some(limits.requests.unwrap_or(START_RATE)),
        deletes: DeleteKind::Hard,
        partial_answers: true,
        accepts_unseen: true,
        changed_fields: true,
        ..Capabilities::BLANK
    }
}

/// For the table of connectors: what users, events and audiences can do together.
pub(super) fn usual() -> Capabilities {
    let verbs = &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete, Verb::Join, Verb::Leave];
    Capabilities { verbs, ..users(&Limits::default(), OBJECTS) }
}

#[async_trait]
impl Destination for Braze {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        let aim = Aim::of(target)?;
        let users = match aim.api {
            Api::Track => users(&self.limits, self.batch_rows),
            Api::Bulk => Capabilities { batch_bytes: Some(LONGEST_BULK), ..users(&self.limits, BULK) },
        };
        Ok(match (aim.object, &aim.list) {
            // A repeat would be one more event.
            (Object::Events, _) => Capabilities {
                verbs: &[Verb::Create],
                deletes: DeleteKind::None,
                changed_fields: false,
                ..users
            },
            (Object::Attributes, Some(_)) => {
                Capabilities { verbs: &[Verb::Join, Verb::Leave], changed_fields: false, ..users }
            }
            (Object::Attributes, None) => Capabilities {
                deletes: match aim.deletion {
                    Deletion::User => DeleteKind::Hard,
                    Deletion::Unsubscribe => DeleteKind::Archive,
                },
                ..users
            },
        })
    }

    fn quota(&self) -> QuotaOwner {
        self.client.http.owner().clone()
    }

    fn daily_budget(&self) -> Option<u64> {
        self.client.http.daily_budget()
    }

    fn calls(&self, target: &Target, Load { verb, rows, .. }: Load) -> Option<Vec<Calls>> {
        let aim = Aim::of(target).ok()?;
        Some(vec![match aim.api {
            _ if verb == Verb::Delete && aim.deletion == Deletion::User => {
                Calls::of(rows, REMOVALS).within(USERS)
            }
            Api::Bulk => Calls::of(rows, BULK).within(BULKS),
            Api::Track => Calls::of(rows, self.batch_rows),
        }])
    }

    /// Nothing that Braze answers names the workspace, so it is known by its instance and by what the connection calls it.
    async fn account(&self) -> Result<AccountId, ConnectorError> {
        self.client.knock().await?;
        let host = self.client.http.host();
        Ok(AccountId(match &self.workspace {
            _ if self.sandbox => "sandbox".to_owned(),
            Some(workspace) => format!("{TYPE}:{host}/{workspace}"),
            None => format!("{TYPE}:{host}"),
        }))
    }

    fn names_one(&self, _account: &AccountId) -> bool {
        self.sandbox || self.workspace.is_some()
    }

    async fn catalog(&self, target: &Target) -> Result<Catalog, ConnectorError> {
        let aim = Aim::of(target)?;
        let custom = match (aim.object, &aim.list) {
            (Object::Attributes, None) => self.client.custom_attributes().await?,
            _ => Vec::new(),
        };
        fields::catalog(&aim, target, &custom)
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let aim = Aim::of(target)?;
        tracing::debug!(run = context.run_id, sync = context.sync, object = ?aim.object, "session opened");
        let client = Client { http: self.client.http.permitted_by(context.permission) };
        Ok(Box::new(BrazeSession { client, aim, batch_rows: self.batch_rows }))
    }

    fn traffic(&self) -> Traffic {
        self.client.http.traffic()
    }
}
