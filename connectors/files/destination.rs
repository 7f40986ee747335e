//! The destination: each batch becomes one file of JSON Lines. Its name is durable in the ledger before the file is
//! begun, and the file gets that name when it is complete, so after a crash the folder itself tells what arrived.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::task::block_in_place;

use super::config::Config;
use super::encode::OPERATION;
use super::errors;
use super::part::{self, Part};
use crate::contract::{
    AccountId, BatchSource, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, Handles, Kind,
    Outcome, Permission, QuotaOwner, Receipt, RemoteHandle, RunContext, Session, Submitted, Target, Traffic,
    Verb,
};

const ENDING: &str = ".jsonl";

/// What a folder takes; a batch is a file, so batches are large.
pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        verbs: &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete],
        batch_rows: 10_000,
        batch_bytes: Some(4 << 20),
        in_flight: 2,
        deletes: DeleteKind::Hard,
        ..Capabilities::BLANK
    }
}

/// A folder.
pub(super) struct FilesDestination {
    folder: PathBuf,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl FilesDestination {
    pub(super) fn new(config: Config) -> Self {
        FilesDestination { folder: config.folder, counts: Arc::default() }
    }
}

#[async_trait]
impl Destination for FilesDestination {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        file_stem(&target.object)?;
        if target.fields.iter().chain(&target.match_on).any(|field| field == OPERATION) {
            let message = format!("a field cannot be named `{OPERATION}`: it tells what each line means");
            return Err(ConnectorError::new(Kind::Config, message).hint("give the field another name"));
        }
        Ok(capabilities())
    }

    fn quota(&self) -> QuotaOwner {
        QuotaOwner(format!("files:{}", self.folder.display()))
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        if self.folder.exists() && !self.folder.is_dir() {
            let message = format!("`{}` is not a folder", self.folder.display());
            return Err(ConnectorError::new(Kind::Config, message)
                .code(errors::UNREADABLE)
                .hint("name a folder in the connection's `url`; it is made when it is missing"));
        }
        Ok(AccountId(format!("files:{}", plain(&self.folder).display())))
    }

    async fn catalog(&self, _target: &Target) -> Result<Catalog, ConnectorError> {
        Ok(Catalog { properties: Vec::new(), open: true, ..Catalog::default() })
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let stem = file_stem(&target.object)?.to_owned();
        let folder = self.folder.clone();
        block_in_place(|| make_folder(&folder))?;
        let counts = self.counts.clone();
        Ok(Box::new(Parts {
            folder,
            prefix: format!("{stem}-{}", context.run_id),
            next: AtomicU64::new(1),
            counts,
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

/// The object as the beginning of file names.
fn file_stem(object: &str) -> Result<&str, ConnectorError> {
    let stem = object.strip_suffix(ENDING).unwrap_or(object);
    let is_plain = |c: char| !matches!(c, '/' | '\\') && !c.is_control();
    if !stem.is_empty() && stem.len() <= 100 && !stem.starts_with('.') && stem.chars().all(is_plain) {
        return Ok(stem);
    }
    let message = format!("`object: {object}` cannot be the name of a file");
    Err(ConnectorError::new(Kind::Config, message).code(errors::OBJECT).hint(
        "write a plain name without folders, such as `customers`; `url` of the connection names the folder",
    ))
}

/// Makes the folder where it is missing, durably.
fn make_folder(folder: &Path) -> Result<(), ConnectorError> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|error| errors::io("made", folder, error))?;
    folder.ancestors().skip(1).take(2).try_for_each(part::sync_folder)
}

/// One run's files.
struct Parts {
    folder: PathBuf,
    prefix: String,
    next: AtomicU64,
    counts: Arc<Counts>,
    permission: Arc<dyn Permission>,
}

#[async_trait]
impl Session for Parts {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number:04}{ENDING}", self.prefix);
        let part = Part::new(&self.folder, &name);
        handles.store(&RemoteHandle(name)).await?;
        self.permission.check()?;
        self.counts.files.fetch_add(1, Ordering::Relaxed);
        let bytes = block_in_place(|| part.write(batch))?;
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(Submitted::Done(applied(batch)))
    }

    async fn settle(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        let part = Part::new(&self.folder, &handle.0);
        match block_in_place(|| part.is_there())? {
            true => Ok(applied(batch)),
            false => {
                let reason = format!("`{}` was never completed", handle.0);
                Ok(Receipt::uniform(batch.len(), Outcome::Deferred { reason }))
            }
        }
    }
}

fn applied(batch: &dyn BatchSource) -> Receipt {
    Receipt::uniform(batch.len(), Outcome::Applied { remote_id: None, created: None })
}
