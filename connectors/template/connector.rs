//! Template as a destination.

use std::time::Duration;

use async_trait::async_trait;

use super::client::Client;
use super::config::LOGIN;
use super::encode::{BYTES, CLOSE, OPEN, operation};
use super::{answers, errors};
use crate::contract::{
    AccountId, BatchSource, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, Handles, Kind,
    QuotaOwner, RateLimit, RunContext, Session, Submitted, Target, Traffic, Verb,
};
use crate::http::{Encoded, Policy, Reply, Terms, in_parts};
use crate::registry::{Limits, Settings};

/// Most operations of a request.
const BATCH: usize = 100;

/// Until the account's own limit is known.
const START_RATE: RateLimit = RateLimit { requests: 10, per: Duration::from_secs(1) };

const IN_FLIGHT: usize = 4;

/// An account of Template.
pub(super) struct TemplateDestination {
    client: Client,
    limits: Limits,
    sandbox: bool,
}

impl TemplateDestination {
    /// # Errors
    /// [`Kind::Config`] for settings that cannot be meant.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConnectorError> {
        Self::with_policy(settings, Policy::default())
    }

    /// With other times and attempts than the usual ones.
    pub(super) fn with_policy(settings: &Settings, policy: Policy) -> Result<Self, ConnectorError> {
        let terms = Terms { vendor: errors::VENDOR, start_rate: Some(START_RATE), in_flight: IN_FLIGHT };
        let client = Client { http: LOGIN.read(settings)?.sender(settings, terms, policy)? };
        Ok(TemplateDestination { client, limits: settings.limits.clone(), sandbox: settings.sandbox })
    }
}

/// What Template can do under these limits.
pub(super) fn capabilities(limits: &Limits) -> Capabilities {
    Capabilities {
        verbs: &[Verb::Upsert, Verb::Delete],
        batch_rows: BATCH,
        batch_bytes: Some(BYTES),
        in_flight: limits.concurrency.unwrap_or(IN_FLIGHT).max(1),
        rate: Some(limits.requests.unwrap_or(START_RATE)),
        deletes: DeleteKind::Hard,
        partial_answers: true,
        ..Capabilities::BLANK
    }
}

/// What is wrong with a target as far as that is known without a request.
fn check(target: &Target) -> Result<(), ConnectorError> {
    if target.object != "people" {
        let message = format!("Template has no object `{}`", target.object);
        return Err(ConnectorError::new(Kind::Config, message).hint("use `people`"));
    }
    if target.match_on.iter().any(|name| name != "id") {
        let message = format!("Template matches on `id` only, not on `{}`", target.match_on.join("`, `"));
        return Err(ConnectorError::new(Kind::Config, message).hint("write `match_on: {id: COLUMN}`"));
    }
    Ok(())
}

#[async_trait]
impl Destination for TemplateDestination {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        check(target)?;
        Ok(capabilities(&self.limits))
    }

    fn quota(&self) -> QuotaOwner {
        self.client.http.owner().clone()
    }

    fn daily_budget(&self) -> Option<u64> {
        self.client.http.daily_budget()
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        let id = self.client.account().await?;
        Ok(AccountId(if self.sandbox { "sandbox".to_owned() } else { format!("template:{id}") }))
    }

    /// People take any field.
    async fn catalog(&self, target: &Target) -> Result<Catalog, ConnectorError> {
        check(target)?;
        Ok(Catalog { properties: Vec::new(), open: true, ..Catalog::default() })
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        check(target)?;
        let client = Client { http: self.client.http.permitted_by(context.permission) };
        Ok(Box::new(TemplateSession { client, object: target.object.clone() }))
    }

    fn traffic(&self) -> Traffic {
        self.client.http.traffic()
    }
}

struct TemplateSession {
    client: Client,
    object: String,
}

#[async_trait]
impl Session for TemplateSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        _handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let encoded = Encoded::of(batch, operation)?;
        let items = &encoded.items;
        let parts = items.cut(BATCH, BYTES, OPEN.len() + CLOSE.len());
        let sent = in_parts(items.len(), &parts, |part| async move {
            let body = items.body(OPEN, part.iter().copied(), CLOSE);
            let answer = self.client.write(&self.object, body).await?;
            Ok(Reply::Each(answers::outcomes(part.len(), &answer)))
        });
        let sent = sent.await?;
        Ok(Submitted::Done(encoded.receipt(sent)))
    }
}
