//! The destination: each batch becomes files that are there all at once. What they wait under, a hidden name or an upload, is
//! durable in the ledger before anything is sent there, and what they came to before they get their names, so that after a
//! crash it is known what arrived.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::config::Root;
use super::errors;
use super::write::{
    Bucket, Column, Desk, Folder, Layout, Manifests, Named, Place, Run, Sftp, Staged, Upload, stage,
};
use crate::contract::{
    AccountId, BatchSource, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, Handles, Kind,
    Outcome, Permission, QuotaOwner, Receipt, RemoteHandle, RunContext, RunEnd, Session, Submitted, Target,
    Traffic, Verb,
};

/// Changes of a batch, and so of a file, where nothing else is asked for; where files are cut by their bytes; and at most.
const USUAL_ROWS: u64 = 100_000;
const AMPLE_ROWS: u64 = 125_000;
const MOST_ROWS: u64 = 1_000_000;

/// Bytes of a batch in the spool, likewise.
const USUAL_BYTES: u64 = 64 << 20;
const AMPLE_BYTES: u64 = 128 << 20;
const MOST_BYTES: u64 = 1 << 30;

/// Files of a batch that are cut by their bytes: only the last is not full.
const FILES: u64 = 16;

/// What every place takes.
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

/// A folder, a prefix of a store, or a folder of another machine.
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

    /// Where one session writes.
    fn place(&self) -> Result<Box<dyn Place>, ConnectorError> {
        let place: Box<dyn Place> = match &self.root {
            Root::Folder(folder) => Box::new(Folder::new(folder.clone())),
            Root::Store(store) => Box::new(Bucket::new(store)?),
            Root::Sftp(remote) => Box::new(Sftp::new(remote)?),
        };
        Ok(place)
    }
}

#[async_trait]
impl Destination for FilesDestination {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        let layout = Layout::read(target)?;
        // So that a batch fills its files.
        let (ample_rows, bytes) = match layout.limits.bytes {
            u64::MAX => (USUAL_ROWS, USUAL_BYTES),
            bytes if bytes > USUAL_BYTES => (MOST_ROWS, bytes.clamp(AMPLE_BYTES, MOST_BYTES)),
            bytes => (AMPLE_ROWS, bytes.saturating_mul(FILES).clamp(USUAL_BYTES, AMPLE_BYTES)),
        };
        let rows = match layout.limits.rows {
            u64::MAX => ample_rows,
            rows => rows.clamp(USUAL_ROWS, MOST_ROWS),
        };
        Ok(Capabilities {
            verbs: match (layout.all_rows, &layout.operation) {
                (true, _) => &[Verb::Upsert],
                (false, None) => &[Verb::Create, Verb::Upsert, Verb::Update],
                (false, Some(_)) => capabilities().verbs,
            },
            batch_rows: rows as usize,
            batch_bytes: Some(bytes as usize),
            all_rows: layout.all_rows,
            ..capabilities()
        })
    }

    fn quota(&self) -> QuotaOwner {
        QuotaOwner(format!("files:{}", self.root))
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        Ok(AccountId(match &self.root {
            Root::Folder(folder) => format!("files:{}", usable(folder)?.display()),
            Root::Store(store) => {
                store.look().await?;
                format!("files:{}", store.account())
            }
            Root::Sftp(remote) => {
                // Whether it lets us in; nobody has written a file of this name.
                block_in_place(|| remote.len(".outflow"))?;
                format!("files:{}", remote.account())
            }
        }))
    }

    async fn catalog(&self, _target: &Target) -> Result<Catalog, ConnectorError> {
        Ok(Catalog { properties: Vec::new(), open: true, ..Catalog::default() })
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let layout = Layout::read(target)?;
        let place = self.place()?;
        block_in_place(|| place.make())?;
        Ok(Box::new(Files {
            columns: layout.columns(target),
            run: Run {
                sync: context.sync,
                object: target.object.clone(),
                run_id: context.run_id,
                timezone: layout.timezone.clone(),
            },
            layout,
            place,
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

/// # Errors
/// [`Kind::Config`] where it is there and no folder.
fn usable(folder: &Path) -> Result<PathBuf, ConnectorError> {
    if folder.exists() && !folder.is_dir() {
        let message = format!("`{}` is not a folder", folder.display());
        return Err(ConnectorError::new(Kind::Config, message)
            .code(errors::UNREADABLE)
            .hint("name a folder in the connection's `url`; it is made when it is missing"));
    }
    Ok(plain(folder))
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
    columns: Vec<Column>,
    run: Run,
    place: Box<dyn Place>,
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
    /// What it was begun by in a store, until all of it is staged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    begun: Vec<Upload>,
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
        let mut own = Batch { run_id: self.run.run_id.clone(), name, begun: Vec::new(), staged: None };
        handles.store(&own.handle()).await?;
        self.permission.check()?;
        let staged = block_in_place(|| self.stage(&own, batch, handles))?;
        let applied = Outcome::Applied { remote_id: None, created: None };
        let outcomes = outcomes(batch.len(), &staged, &applied);
        let uploads = Upload::of(&staged.parts);
        own.staged = Some(staged);
        if let Err(error) = self.permission.check() {
            block_in_place(|| self.place.discard(&own.name, &uploads)).map_err(unclear)?;
            return Err(error);
        }
        block_in_place(|| self.place.settle())?;
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
                let is_whole = block_in_place(|| self.publish(&own, true))?;
                let outcome = match is_whole {
                    true => Outcome::Applied { remote_id: None, created: None },
                    false => Outcome::Unknown { reason: GONE.to_owned() },
                };
                Ok(outcomes(batch.len(), staged, &outcome))
            }
            None => {
                block_in_place(|| self.place.discard(&own.name, &own.begun))?;
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
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner).clone();
        block_in_place(|| self.manifests().write(end, &published))
    }
}

/// Why nobody knows whether a batch arrived.
const GONE: &str = "one of its files is not there, and neither is what it waited under: it was taken away, or what waited, an upload or a \
    hidden file, was lost or removed before it had its name";

impl Files {
    fn manifests(&self) -> Manifests<'_> {
        Manifests { layout: &self.layout, run: &self.run, place: &*self.place }
    }

    /// Stages a batch; the ledger has what it comes by before anything is sent.
    fn stage(
        &self,
        own: &Batch,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Staged, ConnectorError> {
        let note = |uploads: &[Upload]| -> Result<(), ConnectorError> {
            self.permission.check()?;
            let (run_id, name) = (own.run_id.clone(), own.name.clone());
            let begun = Batch { run_id, name, begun: uploads.to_vec(), staged: None };
            Handle::current().block_on(handles.store(&begun.handle()))
        };
        let desk = Desk {
            layout: &self.layout,
            columns: &self.columns,
            run: &self.run,
            place: &*self.place,
            note: &note,
            next: &self.next,
        };
        stage(desk, &own.name, batch)
    }

    /// Gives the files of a batch their names; `false` where one of them is not there any more, and perhaps never was.
    fn publish(&self, own: &Batch, is_again: bool) -> Result<bool, ConnectorError> {
        let Some(staged) = &own.staged else { return Ok(true) };
        self.manifests().keep(&own.name, &own.run_id, staged).map_err(unclear)?;
        let named = self.place.publish(&staged.parts, is_again)?;
        let with = |wanted: fn(Named) -> bool| {
            let parts = staged.parts.iter().zip(&named);
            parts.filter(|(_, named)| wanted(**named)).map(|(part, _)| part).collect::<Vec<_>>()
        };
        let (now, there) = (with(|named| named == Named::Now), with(|named| named != Named::Gone));
        let is_whole = there.len() == staged.parts.len();
        if !is_whole {
            self.manifests().keep_only(&own.name, &own.run_id, there).map_err(unclear)?;
        }
        self.published.lock().unwrap_or_else(PoisonError::into_inner).insert(own.name.clone());
        self.counts.files.fetch_add(now.len() as u64, Ordering::Relaxed);
        self.counts.bytes.fetch_add(now.iter().map(|part| part.bytes).sum(), Ordering::Relaxed);
        Ok(is_whole)
    }
}

/// Part of it may have been done.
fn unclear(mut error: ConnectorError) -> ConnectorError {
    error.kind = Kind::Ambiguous;
    error
}

/// What a batch of so many changes came to, where those that are in its files had this outcome.
fn outcomes(changes: usize, staged: &Staged, outcome: &Outcome) -> Receipt {
    let mut outcomes = vec![outcome.clone(); changes];
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
