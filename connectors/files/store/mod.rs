//! Object stores: S3, Google Cloud Storage and Azure Blob Storage, as a root that files lie below.
//!
//! Files are read by threads that may block, and the stores by tasks of the runtime; a thread waits for a task by a
//! channel, so that a runtime that ends wakes it with an error.

mod answer;
mod azure;
mod gcs;
mod list;
mod object;
mod parts;
mod s3;
mod settings;
mod upload;

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::limit::LimitStore;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub(super) use self::list::find;
pub(super) use self::object::Object;
pub(super) use self::parts::Parts;
pub(super) use self::settings::{ENVIRONMENT, SETTINGS, foreign};
pub(super) use self::upload::Uploads;
use super::errors;
use crate::contract::{ConnectorError, Kind};
use crate::http::BaseUrl;
use crate::registry::Settings;

/// The connector's name in messages.
pub(super) const KIND: &str = "files";
/// Requests of one connection under way at once.
const REQUESTS: usize = 16;

/// A bucket or container, and what lies below a prefix in it.
pub(super) struct Store {
    /// As the connection names it, without a slash at the end: `s3://bucket/prefix`.
    url: String,
    /// Whose bucket it is, where `url` does not say it.
    owner: Option<String>,
    root: Path,
    inner: Arc<dyn ObjectStore>,
    /// The same store, for objects that are written piece by piece.
    uploads: Arc<dyn MultipartStore>,
    secrets: Secrets,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.url)
    }
}

impl Store {
    /// The store of a connection; asks nobody.
    ///
    /// # Errors
    /// [`Kind::Config`] for the first setting that cannot be meant.
    pub(super) fn open(settings: &Settings, (scheme, rest): (&str, &str)) -> Result<Self, ConnectorError> {
        let refuse = |what: String| settings.refuse(KIND, &what, hint(&what));
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
        if bucket.is_empty() || !bucket.chars().all(is_name) {
            return Err(refuse(format!("`url` names no bucket or container: `{scheme}://{bucket}`")));
        }
        let root = Path::parse(prefix.trim_end_matches('/'))
            .map_err(|_| refuse("`url` has an empty part, `.` or `..` in its prefix".to_owned()))?;
        let built = match scheme {
            "s3" => s3::build(bucket, settings),
            "gs" => gcs::build(bucket, settings),
            _ => azure::build(bucket, settings),
        };
        let Client { inner, uploads, owner, secrets } = built.map_err(|error| match error {
            Refused::Setting(what) => refuse(what),
            Refused::Address(error) => error,
        })?;
        let url = format!("{scheme}://{}", rest.trim_end_matches('/'));
        Ok(Store { url, owner, root, inner: Arc::new(LimitStore::new(inner, REQUESTS)), uploads, secrets })
    }

    /// One for tests, over whatever holds its objects.
    #[cfg(test)]
    pub(super) fn over<S: ObjectStore + MultipartStore>(url: &str, inner: Arc<S>) -> Self {
        Store::written(url, inner.clone(), inner)
    }

    /// One for tests, whose uploads go another way than the rest.
    #[cfg(test)]
    pub(super) fn written(url: &str, inner: Arc<dyn ObjectStore>, uploads: Arc<dyn MultipartStore>) -> Self {
        let (root, secrets) = (url.splitn(4, '/').nth(3).unwrap_or_default(), Secrets::default());
        let root = Path::parse(root).unwrap();
        Store { url: url.to_owned(), owner: None, root, inner, uploads, secrets }
    }

    #[cfg(test)]
    pub(super) fn inner(&self) -> &dyn ObjectStore {
        &*self.inner
    }

    #[cfg(test)]
    pub(super) fn prefix(&self) -> &str {
        self.root.as_ref()
    }

    /// As in messages.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Which bucket of whom it is, and what below it.
    pub(super) fn account(&self) -> String {
        match &self.owner {
            None => self.url.clone(),
            Some(owner) => format!("{} at {owner}", self.url),
        }
    }

    /// Looks whether the store lets this account in, and has such a bucket; changes nothing.
    ///
    /// # Errors
    /// What the store says.
    pub(super) async fn look(&self) -> Result<(), ConnectorError> {
        // Nobody has written it: the answer that it is not there is a good one.
        match object::head(&*self.inner, &self.key(".outflow")).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let told = answer::judge(self, "looked for", FilePath::new(self.url()), &error);
                let is_absent = told.code.as_deref() == Some(errors::MISSING);
                if is_absent {
                    Ok(())
                } else {
                    Err(answer::unwritten(self, "written to", FilePath::new(self.url()), &error))
                }
            }
        }
    }

    /// The key of a file of this name. A sync's hidden ones lie below a folder of their own, so that listing them is short.
    fn key(&self, name: &str) -> Path {
        match name.split_once('@') {
            Some((sync, rest)) if name.starts_with('.') => list::join(&self.root, &format!("{sync}@/{rest}")),
            _ => list::join(&self.root, name),
        }
    }

    /// The address of a file of this name, for messages.
    fn shown(&self, name: &str) -> PathBuf {
        FilePath::new(self.url()).join(name)
    }
}

/// Why there is no store for these settings.
enum Refused {
    /// In words that begin with the setting.
    Setting(String),
    /// An address, with what is wrong with it.
    Address(ConnectorError),
}

impl From<String> for Refused {
    fn from(what: String) -> Self {
        Refused::Setting(what)
    }
}

type Built = Result<Client, Refused>;

/// A bucket of a vendor.
struct Client {
    inner: Arc<dyn ObjectStore>,
    uploads: Arc<dyn MultipartStore>,
    /// Whose it is, where the name of the bucket does not say it.
    owner: Option<String>,
    secrets: Secrets,
}

impl Client {
    fn new<S: ObjectStore + MultipartStore>(store: S, owner: Option<String>, secrets: Secrets) -> Self {
        let store = Arc::new(store);
        Client { inner: store.clone(), uploads: store, owner, secrets }
    }
}

/// What must not stand in a message.
#[derive(Default)]
struct Secrets(Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    fn add(&mut self, secret: &str) {
        if !secret.trim().is_empty() {
            self.0.push(secret.trim().to_owned());
        }
    }

    fn redact(&self, words: &str) -> String {
        self.0.iter().fold(words.to_owned(), |words, secret| words.replace(secret, "[hidden]"))
    }
}

/// The address that is asked in place of the vendor's, of the first of these settings or variables that is set.
fn address(settings: &Settings, names: &[&str]) -> Result<Option<BaseUrl>, Refused> {
    let own = settings.text("endpoint")?;
    let given = match (settings.base_url.as_deref(), own) {
        (Some(_), Some(_)) => {
            return Err("`endpoint` and `base_url` say the same; set one".to_owned().into());
        }
        (base, own) => base.or(own),
    };
    let variable = || names.iter().find_map(|name| settings.environment.get(*name)).map(String::as_str);
    let Some(text) = given.or_else(variable).filter(|text| !text.is_empty()) else { return Ok(None) };
    BaseUrl::parse(text, &settings.connection).map(Some).map_err(Refused::Address)
}

/// Times that a stalled store is waited for; a part of a file is a request of its own.
fn client(address: Option<&BaseUrl>) -> ClientOptions {
    ClientOptions::new()
        .with_connect_timeout(Duration::from_secs(10))
        .with_read_timeout(Duration::from_secs(30))
        .with_timeout(Duration::from_secs(300))
        .with_allow_http(address.is_some_and(|url| url.as_str().starts_with("http://")))
}

/// Repeats what a pause may mend, for two minutes at most.
fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: Duration::from_secs(120),
    }
}

/// What to write instead, by the setting that the problem begins with.
fn hint(what: &str) -> &'static str {
    match what.split('`').nth(1).unwrap_or_default() {
        "url" => "write `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`",
        "credentials" => {
            "write `none` for what everybody may read; for `gs://` also `adc`, or a JSON file that Google made"
        }
        "account" => "write the name of the storage account, as in `account: acmedata`",
        _ => "see docs/guides/files.md",
    }
}

/// Has a task of the runtime do something, and waits for it on this thread; `None` where the runtime ends.
pub(super) fn wait<T: Send + 'static>(
    handle: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    begin(handle, work).blocking_recv().ok()
}

/// Has a task of the runtime do something; it stops when nobody waits any more.
fn begin<T: Send + 'static>(
    handle: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> oneshot::Receiver<T> {
    let (mut sender, receiver) = oneshot::channel();
    handle.spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            done = work => drop(sender.send(done)),
        }
    });
    receiver
}

/// The runtime ends while something is read.
fn ended() -> ConnectorError {
    ConnectorError::new(Kind::Revoked, "the run ended while a file was read")
}
