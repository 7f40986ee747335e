//! One object, held to what it was when it was opened.

use std::io;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Store, answer, begin, ended, wait};
use crate::contract::{ConnectorError, Kind, Retry};
use crate::files::errors;

/// An object of which every read is of one version, or an error. Its reads block the thread, which must not be one that
/// drives the runtime.
#[derive(Debug)]
pub(in crate::files) struct Object {
    store: Arc<Store>,
    meta: ObjectMeta,
    /// Its address, for messages.
    shown: PathBuf,
    handle: Handle,
    /// What ended a read; an I/O error does not carry it through every decoder.
    failure: Mutex<Option<ConnectorError>>,
}

impl Object {
    /// # Errors
    /// What the store says: there is none, nobody is logged in, and so on.
    pub(in crate::files) fn open(
        store: &Arc<Store>,
        key: &Path,
        shown: &FilePath,
    ) -> Result<Self, ConnectorError> {
        let handle = Handle::current();
        let (asked, location) = (store.clone(), key.clone());
        let found = wait(&handle, async move { head(&*asked.inner, &location).await }).ok_or_else(ended)?;
        let meta = found.map_err(|error| answer::judge(store, "read", shown, &error))?;
        Ok(Object { store: store.clone(), meta, shown: shown.to_owned(), handle, failure: Mutex::default() })
    }

    /// Its length.
    pub(in crate::files) fn bytes(&self) -> u64 {
        self.meta.size
    }

    /// Begins to read a range of it.
    pub(super) fn begin(&self, range: Range<u64>) -> Pending {
        let (store, meta) = (self.store.clone(), self.meta.clone());
        Pending(begin(&self.handle, async move { get(&*store.inner, &meta, range).await }))
    }

    /// Reads a range of it, whole.
    pub(in crate::files) fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        match range.is_empty() {
            true => Ok(Bytes::new()),
            false => self.end(self.begin(range)),
        }
    }

    /// Waits for a range that was begun.
    pub(super) fn end(&self, pending: Pending) -> io::Result<Bytes> {
        let error = match pending.0.blocking_recv() {
            Ok(Ok(bytes)) => return Ok(bytes),
            Ok(Err(Fault::Changed)) => errors::changed(&self.shown),
            Ok(Err(Fault::Short(got, wanted))) => self.short(got, wanted),
            Ok(Err(Fault::Store(error))) => answer::judge(&self.store, "read", &self.shown, &error),
            Err(_) => ended(),
        };
        let told = io::Error::other(error.message.clone());
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        Err(told)
    }

    /// What ended a read of it, once.
    pub(in crate::files) fn failure(&self) -> Option<ConnectorError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// # Errors
    /// [`Kind::Unavailable`] where it was replaced or removed since it was opened.
    pub(in crate::files) fn held_still(&self) -> Result<(), ConnectorError> {
        let (store, location) = (self.store.clone(), self.meta.location.clone());
        let now = wait(&self.handle, async move { store.inner.head(&location).await }).ok_or_else(ended)?;
        match now {
            Ok(now) if is_same(&now, &self.meta) => Ok(()),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Err(errors::changed(&self.shown)),
            Err(error) => Err(answer::judge(&self.store, "read", &self.shown, &error)),
        }
    }

    fn short(&self, got: u64, wanted: u64) -> ConnectorError {
        let shown = self.shown.display();
        let message = format!("the store sent {got} of {wanted} bytes of a part of `{shown}`");
        ConnectorError::new(Kind::Unavailable, message)
            .code(errors::STORE_FAILED)
            .retry(Retry::Exhausted)
            .hint("run again later; nothing was sent")
    }
}

/// A range that is being read; it stops when it is dropped.
pub(super) struct Pending(oneshot::Receiver<Result<Bytes, Fault>>);

enum Fault {
    Changed,
    /// So many bytes, and so many that should have come.
    Short(u64, u64),
    Store(object_store::Error),
}

/// What the store says of an object; where it says no, with the reason that only a body holds.
pub(super) async fn head(store: &dyn ObjectStore, location: &Path) -> object_store::Result<ObjectMeta> {
    match store.head(location).await {
        Err(error) if answer::is_bare(&error) => store.get(location).await.map(|found| found.meta),
        other => other,
    }
}

/// A range of the object that this was; nothing of another.
async fn get(store: &dyn ObjectStore, meta: &ObjectMeta, range: Range<u64>) -> Result<Bytes, Fault> {
    let mut options = GetOptions::default();
    match &meta.e_tag {
        Some(tag) => options.if_match = Some(tag.clone()),
        None => options.if_unmodified_since = Some(meta.last_modified),
    }
    let wanted = range.end - range.start;
    options.range = Some(range.into());
    let found = match store.get_opts(&meta.location, options).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. } | object_store::Error::Precondition { .. }) => {
            return Err(Fault::Changed);
        }
        Err(error) => return Err(Fault::Store(error)),
    };
    // Not every store looks at the condition.
    if !is_same(&found.meta, meta) {
        return Err(Fault::Changed);
    }
    let bytes = found.bytes().await.map_err(Fault::Store)?;
    match bytes.len() as u64 {
        got if got == wanted => Ok(bytes),
        got => Err(Fault::Short(got, wanted)),
    }
}

/// Whether it is the same version of the same object.
fn is_same(now: &ObjectMeta, then: &ObjectMeta) -> bool {
    now.size == then.size
        && now.e_tag == then.e_tag
        && now.last_modified == then.last_modified
        && now.version == then.version
}
