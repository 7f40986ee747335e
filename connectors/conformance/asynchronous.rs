//! A destination that works by jobs, for tests: a job is opened without data, its id becomes durable, then it is
//! filled, and its results are fetched later. It lives in a folder, so that it outlives the process that uses it, and it
//! can end that process at the places that hurt.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::contract::{
    AccountId, BatchSource, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, Handles, Kind,
    Outcome, Permission, QuotaOwner, Receipt, RemoteHandle, RunContext, Session, Submitted, Target, Traffic,
    Verb,
};
use crate::registry::{Connector, Setting, Settings};

/// The connection type `asynchronous`; its settings are the folder and the place at which to abort.
pub const CONNECTOR: Connector = Connector {
    name: "asynchronous",
    title: "Asynchronous",
    summary: "A bulk API in a folder, for tests.",
    settings: &[
        Setting { name: "path", required: true, secret: false, help: "Folder of jobs and objects." },
        Setting { name: "abort_at", required: false, secret: false, help: "`start`, `handle` or `upload`." },
    ],
    destination: Some(make),
    objects: &["things"],
    ..Connector::BLANK
};

fn make(settings: &Settings) -> Result<Arc<dyn Destination>, ConnectorError> {
    let text = |name: &str| {
        settings.values.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    };
    Ok(Arc::new(Asynchronous {
        server: Server { folder: PathBuf::from(text("path")) },
        abort_at: text("abort_at"),
        writes: Arc::default(),
    }))
}

/// An object as the other side keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Each field's value as text.
    pub fields: BTreeMap<String, String>,
    /// Jobs that wrote it.
    pub jobs: Vec<String>,
}

/// The other side: jobs and objects in a folder.
#[derive(Debug, Clone)]
pub struct Server {
    /// Holds one file for each job and one for each object.
    pub folder: PathBuf,
}

/// One change in a job's data.
#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    delete: bool,
    fields: BTreeMap<String, String>,
}

impl Server {
    /// All objects by key.
    pub fn objects(&self) -> BTreeMap<String, Object> {
        read(&self.folder.join("objects.json")).unwrap_or_default()
    }

    /// Ids of all jobs ever opened, in order.
    pub fn jobs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("jobs")).into_iter().flatten().flatten();
        let mut jobs: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        jobs.sort();
        jobs
    }

    fn job(&self, id: &str) -> PathBuf {
        self.folder.join("jobs").join(id)
    }

    fn open(&self) -> Result<String, ConnectorError> {
        let id = format!("job-{:04}", self.jobs().len() + 1);
        fs::create_dir_all(self.job(&id)).map_err(failed)?;
        Ok(id)
    }

    /// Works on a job that has its data, once; `None` where it has none.
    fn process(&self, id: &str) -> Result<Option<Vec<String>>, ConnectorError> {
        let job = self.job(id);
        if let Some(result) = read(&job.join("result.json")) {
            return Ok(Some(result));
        }
        let Some(lines) = read::<Vec<Line>>(&job.join("data.json")) else { return Ok(None) };
        let mut objects = self.objects();
        let mut result = Vec::new();
        for line in lines {
            result.push(line.key.clone());
            if line.delete {
                objects.remove(&line.key);
                continue;
            }
            let object =
                objects.entry(line.key).or_insert(Object { fields: BTreeMap::new(), jobs: Vec::new() });
            object.fields = line.fields;
            object.jobs.push(id.to_owned());
        }
        write(&self.folder.join("objects.json"), &objects)?;
        write(&job.join("result.json"), &result)?;
        Ok(Some(result))
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), ConnectorError> {
    let part = path.with_extension("part");
    fs::write(&part, serde_json::to_vec(value).unwrap_or_default()).map_err(failed)?;
    fs::rename(part, path).map_err(failed)
}

fn failed(error: std::io::Error) -> ConnectorError {
    ConnectorError::new(Kind::Unavailable, "the folder of the asynchronous destination cannot be used")
        .source(error)
}

struct Asynchronous {
    server: Server,
    abort_at: String,
    writes: Arc<AtomicU64>,
}

#[async_trait]
impl Destination for Asynchronous {
    fn capabilities(&self, _target: &Target) -> Result<Capabilities, ConnectorError> {
        Ok(Capabilities {
            verbs: &[Verb::Create, Verb::Upsert, Verb::Delete],
            batch_rows: 1000,
            deletes: DeleteKind::Hard,
            remote_ids: true,
            partial_answers: true,
            ..Capabilities::BLANK
        })
    }

    fn quota(&self) -> QuotaOwner {
        QuotaOwner("asynchronous".into())
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        Ok(AccountId("asynchronous".into()))
    }

    async fn catalog(&self, _target: &Target) -> Result<Catalog, ConnectorError> {
        Ok(Catalog { properties: Vec::new(), open: true, ..Catalog::default() })
    }

    async fn open(&self, _target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let (server, abort_at, writes) = (self.server.clone(), self.abort_at.clone(), self.writes.clone());
        Ok(Box::new(Jobs { server, abort_at, writes, permission: context.permission }))
    }

    fn traffic(&self) -> Traffic {
        Traffic { writes: self.writes.load(Ordering::Relaxed), ..Traffic::default() }
    }
}

struct Jobs {
    server: Server,
    abort_at: String,
    writes: Arc<AtomicU64>,
    permission: Arc<dyn Permission>,
}

impl Jobs {
    /// Ends the process as a power cut would.
    fn abort(&self, place: &str) {
        if self.abort_at == place {
            std::process::abort();
        }
    }
}

#[async_trait]
impl Session for Jobs {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        self.abort("start");
        let handle = RemoteHandle(self.server.open()?);
        handles.store(&handle).await?;
        self.abort("handle");
        let mut lines = Vec::new();
        batch.each(&mut |change| {
            let fields = change.fields.iter().map(|field| (field.name.to_string(), field.value.to_string()));
            lines.push(Line {
                key: change.destination_key.iter().map(|part| part.value.to_string()).collect(),
                delete: change.verb == Verb::Delete,
                fields: fields.collect(),
            });
            Ok(())
        })?;
        self.permission.check()?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        write(&self.server.job(&handle.0).join("data.json"), &lines)?;
        self.abort("upload");
        Ok(Submitted::Pending(handle))
    }

    async fn settle(
        &self,
        handle: &RemoteHandle,
        batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        let Some(result) = self.server.process(&handle.0)? else {
            let reason = "the job never got its data".to_owned();
            return Ok(Receipt::uniform(batch.len(), Outcome::Deferred { reason }));
        };
        let mut outcomes = Vec::new();
        batch.each(&mut |change| {
            let key: String = change.destination_key.iter().map(|part| part.value.to_string()).collect();
            outcomes.push(match result.contains(&key) {
                true => Outcome::Applied { remote_id: Some(key), created: None },
                false => Outcome::Unknown { reason: "the job's results do not name it".into() },
            });
            Ok(())
        })?;
        Receipt::new(batch.len(), outcomes)
    }
}
