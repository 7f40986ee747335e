//! A destination that confirms every change and keeps none, to measure what a first run costs on this side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::contract::{
    AccountId, BatchSource, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, Handles, Outcome,
    QuotaOwner, Receipt, RemoteHandle, RunContext, Session, Submitted, Target, Traffic, Verb,
};
use crate::registry::Connector;

/// The connection type `discard`; it takes no settings.
pub const DISCARD: Connector = Connector {
    name: "discard",
    title: "Discard",
    summary: "Confirms every change and keeps none, for benchmarks.",
    settings: &[],
    destination: Some(|_| Ok(Arc::new(Discard::default()))),
    capabilities: Some(capabilities),
    objects: &["any name"],
    ..Connector::BLANK
};

fn capabilities() -> Capabilities {
    Capabilities {
        verbs: &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete],
        batch_rows: 10_000,
        in_flight: 2,
        deletes: DeleteKind::Hard,
        ..Capabilities::BLANK
    }
}

#[derive(Debug, Clone, Default)]
struct Discard {
    batches: Arc<AtomicU64>,
}

#[async_trait]
impl Destination for Discard {
    fn capabilities(&self, _target: &Target) -> Result<Capabilities, ConnectorError> {
        Ok(capabilities())
    }

    fn quota(&self) -> QuotaOwner {
        QuotaOwner("discard".into())
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        Ok(AccountId("discard".into()))
    }

    async fn catalog(&self, _target: &Target) -> Result<Catalog, ConnectorError> {
        Ok(Catalog { properties: Vec::new(), open: true, ..Catalog::default() })
    }

    async fn open(&self, _target: &Target, _context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        Ok(Box::new(self.clone()))
    }

    fn traffic(&self) -> Traffic {
        Traffic { writes: self.batches.load(Ordering::Relaxed), ..Traffic::default() }
    }
}

#[async_trait]
impl Session for Discard {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        _handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        self.batches.fetch_add(1, Ordering::Relaxed);
        Ok(Submitted::Done(applied(batch)))
    }

    async fn settle(
        &self,
        _handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        Ok(applied(batch))
    }
}

fn applied(batch: &dyn BatchSource) -> Receipt {
    Receipt::uniform(batch.len(), Outcome::Applied { remote_id: None, created: None })
}
