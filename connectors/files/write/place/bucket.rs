//! An object store. A part is an upload that is not completed: nobody sees it, and completing it is one request, which is its
//! rename.

use std::path::PathBuf;
use std::sync::Arc;

use super::aside::Aside;
use super::{Named, Part, Place, Ticket, Upload, unclear};
use crate::contract::ConnectorError;
use crate::files::store::{Store, Uploads};

/// A bucket or container, below a prefix.
#[derive(Debug)]
pub(in crate::files) struct Bucket {
    uploads: Uploads,
    aside: Aside,
}

impl Bucket {
    /// One for a session; within a runtime. Asks nobody.
    ///
    /// # Errors
    /// Where there is no room on this machine for parts on their way.
    pub(in crate::files) fn new(store: &Arc<Store>) -> Result<Self, ConnectorError> {
        Ok(Bucket { uploads: Uploads::new(store.clone()), aside: Aside::new()? })
    }
}

impl Place for Bucket {
    /// A bucket is made by its owner, and a prefix is only a name.
    fn make(&self) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn bytes(&self, name: &str) -> Result<Option<u64>, ConnectorError> {
        self.uploads.bytes(name)
    }

    fn local(&self, staged: &str) -> PathBuf {
        self.aside.at(staged)
    }

    fn begin(&self, parts: &[Part]) -> Result<Vec<Upload>, ConnectorError> {
        self.uploads.begin(parts.iter().map(|part| part.name.clone()).collect())
    }

    fn stage(&self, part: &Part, upload: Option<&Upload>) -> Result<Ticket, ConnectorError> {
        let upload = upload.ok_or_else(|| super::foreign(part))?;
        let local = self.aside.at(part.staged.hidden());
        Ok(Ticket::Task(self.uploads.send((local, part.bytes), upload.clone())))
    }

    /// A store has what it has confirmed.
    fn settle(&self) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn publish(&self, parts: &[Part], is_again: bool) -> Result<Vec<Named>, ConnectorError> {
        self.uploads.complete(parts.to_vec(), is_again).map_err(unclear)
    }

    fn discard(&self, batch: &str, uploads: &[Upload]) -> Result<(), ConnectorError> {
        self.aside.discard(batch);
        self.uploads.abort(uploads.to_vec())
    }

    fn hidden(&self, begins: &str) -> Result<Vec<String>, ConnectorError> {
        self.uploads.hidden(begins.to_owned())
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), ConnectorError> {
        self.uploads.put(name.to_owned(), content.to_vec())
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, ConnectorError> {
        self.uploads.get(name.to_owned())
    }

    fn remove(&self, names: &[String]) -> Result<(), ConnectorError> {
        self.uploads.remove(names.to_vec())
    }
}
