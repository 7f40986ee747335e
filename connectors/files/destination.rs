//! The destination: each batch becomes files that are there all at once. Their hidden names are durable in the ledger before
//! they are begun, and what they came to before they get their names, so that after a crash it is known what arrived.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::task::block_in_place;

use super::config::Root;
use super::errors;
use super::write::{Desk, Ending, Folder, Layout, Manifests, Run, Staged, stage};
use crate::contract::{
    AccountId, BatchSource, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, Handles, Kind,
    Outcome, Permission, QuotaOwner, Receipt, RemoteHandle, RunContext, RunEnd, Session, Submitted, Target,
    Traffic, Verb,
};

/// Changes of a batch, and so of a file, where nothing else is asked for; and at most.
const USUAL_ROWS: u64 = 100_000;
const MOST_ROWS: u64 = 1_000_000;

/// Bytes of a batch in the spool, likewise.
const USUAL_BYTES: u64 = 64 << 20;
const MOST_BYTES: u64 = 1 << 30;

/// What a folder takes.
pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        verbs: &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete],
        batch_rows: USUAL_ROWS as usize,
        batch_bytes: Some(USUAL_BYTES as usize),
        in_flight: 2,
        deletes: DeleteKind::Hard,
        partial_answers: true,
        ..Capabilities::BLANK
    }
}

/// A folder; a store can be read only, and refuses to be more.
pub(super) struct FilesDestination {
    root: Root,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl FilesDestination {
    pub(super) fn new(root: Root) -> Self {
        FilesDestination { root, counts: Arc::default() }
    }

    fn folder(&self) -> Result<&Path, ConnectorError> {
        match &self.root {
            Root::Folder(folder) => Ok(folder),
            Root::Store(store) => {
                let message =
                    format!("`{}` can only be read: writing to a store is not supported yet", store.url());
                Err(ConnectorError::new(Kind::Config, message)
                    .hint("write to a local folder, and copy the files with the store's own tool until then"))
            }
        }
    }
}

#[async_trait]
impl Destination for FilesDestination {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        self.folder()?;
        let layout = Layout::read(target)?;
        let whole = |asked: u64, usual: u64, most: u64| {
            if asked == u64::MAX { usual } else { asked.clamp(usual, most) }
        };
        let rows = match layout.limits.bytes {
            // So that a batch fills its files.
            bytes if bytes != u64::MAX && bytes > USUAL_BYTES => {
                whole(layout.limits.rows.min(MOST_ROWS), USUAL_ROWS, MOST_ROWS)
            }
            _ => whole(layout.limits.rows, USUAL_ROWS, MOST_ROWS),
        };
        Ok(Capabilities {
            verbs: match (layout.all_rows, &layout.operation) {
                (true, _) => &[Verb::Upsert],
                (false, None) => &[Verb::Create, Verb::Upsert, Verb::Update],
                (false, Some(_)) => capabilities().verbs,
            },
            batch_rows: rows as usize,
            batch_bytes: Some(whole(layout.limits.bytes, USUAL_BYTES, MOST_BYTES) as usize),
            all_rows: layout.all_rows,
            ..capabilities()
        })
    }

    fn quota(&self) -> QuotaOwner {
        QuotaOwner(format!("files:{}", self.root))
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        let folder = self.folder()?;
        if folder.exists() && !folder.is_dir() {
            let message = format!("`{}` is not a folder", folder.display());
            return Err(ConnectorError::new(Kind::Config, message)
                .code(errors::UNREADABLE)
                .hint("name a folder in the connection's `url`; it is made when it is missing"));
        }
        Ok(AccountId(format!("files:{}", plain(folder).display())))
    }

    async fn catalog(&self, _target: &Target) -> Result<Catalog, ConnectorError> {
        Ok(Catalog { properties: Vec::new(), open: true, ..Catalog::default() })
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let layout = Layout::read(target)?;
        let folder = Folder::new(self.folder()?.to_owned());
        block_in_place(|| folder.make())?;
        Ok(Box::new(Files {
            columns: layout.columns(target),
            run: Run {
                sync: context.sync,
                object: target.object.clone(),
                run_id: context.run_id,
                timezone: layout.timezone.clone(),
            },
            layout,
            folder,
            batches: AtomicU64::new(1),
            next: AtomicU64::new(1),
            published: Mutex::default(),
            counts: self.counts.clone(),
            permission: context.permission,
        }))
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            writes: self.counts.files.load(Ordering::Relaxed),
            bytes: self.counts.bytes.load(Ordering::Relaxed),
            ..Traffic::default()
        }
    }
}

/// A path without `.` and `..`, as far as its text tells.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

/// One run's files.
struct Files {
    layout: Layout,
    columns: Vec<String>,
    run: Run,
    folder: Folder,
    /// The numbers of the next batch, and of the next file.
    batches: AtomicU64,
    next: AtomicU64,
    /// Batches of this run whose files have their names.
    published: Mutex<BTreeSet<String>>,
    counts: Arc<Counts>,
    permission: Arc<dyn Permission>,
}

/// A batch, as the ledger keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Batch {
    run_id: String,
    /// What its hidden names begin with.
    name: String,
    /// Set when all of it is staged: from then on it is published, by whatever run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    staged: Option<Staged>,
}

impl Batch {
    fn handle(&self) -> RemoteHandle {
        RemoteHandle(serde_json::to_string(self).unwrap_or_default())
    }
}

#[async_trait]
impl Session for Files {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let number = self.batches.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{number:04}", self.run.batches());
        let mut own = Batch { run_id: self.run.run_id.clone(), name, staged: None };
        handles.store(&own.handle()).await?;
        self.permission.check()?;
        let desk = Desk {
            layout: &self.layout,
            columns: &self.columns,
            run: &self.run,
            folder: &self.folder,
            next: &self.next,
        };
        let staged = block_in_place(|| stage(desk, &own.name, batch))?;
        let outcomes = outcomes(batch.len(), &staged);
        own.staged = Some(staged);
        if let Err(error) = self.permission.check() {
            block_in_place(|| self.folder.discard(&own.name))?;
            return Err(error);
        }
        block_in_place(|| self.folder.settle())?;
        // From here on it is published, by the next run if need be: nothing that is staged is removed.
        handles.store(&own.handle()).await.map_err(unclear)?;
        block_in_place(|| self.publish(&own, false))?;
        Ok(Submitted::Done(outcomes))
    }

    async fn settle(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        let Ok(own) = serde_json::from_str::<Batch>(&handle.0) else {
            let message = format!("`{}` is no batch of files", handle.0);
            return Err(ConnectorError::new(Kind::Internal, message));
        };
        match &own.staged {
            Some(staged) => {
                self.permission.check()?;
                block_in_place(|| self.publish(&own, true))?;
                Ok(outcomes(batch.len(), staged))
            }
            None => {
                block_in_place(|| self.folder.discard(&own.name))?;
                let reason = "its files were never completed".to_owned();
                Ok(Receipt::uniform(batch.len(), Outcome::Deferred { reason }))
            }
        }
    }

    async fn finish(&self, end: RunEnd) -> Result<(), ConnectorError> {
        // Another run may have taken over; what is to be told, it tells.
        if self.permission.check().is_err() {
            return Ok(());
        }
        let ending = match end {
            RunEnd::Complete => Ending::Complete,
            RunEnd::Stopped => Ending::Stopped,
        };
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner).clone();
        block_in_place(|| self.manifests().write(ending, &published))
    }
}

impl Files {
    fn manifests(&self) -> Manifests<'_> {
        Manifests { layout: &self.layout, run: &self.run, folder: &self.folder }
    }

    fn publish(&self, own: &Batch, is_again: bool) -> Result<(), ConnectorError> {
        let Some(staged) = &own.staged else { return Ok(()) };
        self.manifests().keep(&own.name, &own.run_id, staged).map_err(unclear)?;
        let named = self.folder.publish(&staged.parts, is_again)?;
        self.published.lock().unwrap_or_else(PoisonError::into_inner).insert(own.name.clone());
        self.counts.files.fetch_add(named.len() as u64, Ordering::Relaxed);
        self.counts.bytes.fetch_add(named.iter().map(|part| part.bytes).sum(), Ordering::Relaxed);
        Ok(())
    }
}

/// Part of it may have been done.
fn unclear(mut error: ConnectorError) -> ConnectorError {
    error.kind = Kind::Ambiguous;
    error
}

/// What a batch of so many changes came to.
fn outcomes(changes: usize, staged: &Staged) -> Receipt {
    let mut outcomes = vec![Outcome::Applied { remote_id: None, created: None }; changes];
    for refused in &staged.refused {
        if let Some(outcome) = outcomes.get_mut(refused.place) {
            *outcome = Outcome::Rejected {
                code: refused.code.clone(),
                field: refused.field.clone(),
                message: refused.message.clone(),
            };
        }
    }
    Receipt::new(changes, outcomes)
        .unwrap_or_else(|error| Receipt::uniform(changes, Outcome::Unknown { reason: error.message }))
}
