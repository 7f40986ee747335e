//! Objects that are written: parts by uploads that are completed later, small ones at once.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;

use super::{Store, answer, begin, wait};
use crate::contract::{ConnectorError, Kind};
use crate::files::errors;
use crate::files::write::{Named, Part, Token, Upload, ended};
use crate::rehearsal::point;

/// Bytes of a piece of an upload. Stores want 5 MiB at least of all but the last, some want all of one size, S3 takes 10,000:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.
const PIECE: u64 = 8 << 20;
/// Pieces of one session that are in memory at once.
const PIECES: usize = 4;
/// Requests without content under way at once.
const REQUESTS: usize = 8;

/// What a session writes into a store. Its calls block the thread, which must not be one that drives the runtime.
#[derive(Debug)]
pub(in crate::files) struct Uploads {
    client: Arc<Client>,
    handle: Handle,
}

#[derive(Debug)]
struct Client {
    store: Arc<Store>,
    pieces: Semaphore,
}

impl Uploads {
    /// Within a runtime; asks nobody.
    pub(in crate::files) fn new(store: Arc<Store>) -> Self {
        let client = Client { store, pieces: Semaphore::new(PIECES) };
        Uploads { client: Arc::new(client), handle: Handle::current() }
    }

    fn ask<T, F>(&self, work: impl FnOnce(Arc<Client>) -> F) -> Result<T, ConnectorError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ConnectorError>> + Send + 'static,
    {
        wait(&self.handle, work(self.client.clone())).unwrap_or_else(|| Err(ended()))
    }

    /// The bytes of the object of this name, where there is one.
    pub(in crate::files) fn bytes(&self, name: &str) -> Result<Option<u64>, ConnectorError> {
        let name = name.to_owned();
        self.ask(move |client| async move { client.bytes(&name).await })
    }

    /// An upload for each name, none of which an object may have.
    pub(in crate::files) fn begin(&self, names: Vec<String>) -> Result<Vec<Upload>, ConnectorError> {
        self.ask(move |client| async move {
            let own = client.clone();
            let begun = stream::iter(names).map(move |name| {
                let client = own.clone();
                async move { client.begin(name).await }
            });
            let begun: Vec<Result<Upload, ConnectorError>> = begun.buffered(REQUESTS).collect().await;
            let (mut uploads, mut failed) = (Vec::new(), None);
            for upload in begun {
                match upload {
                    Ok(upload) => uploads.push(upload),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            let Some(error) = failed else { return Ok(uploads) };
            for upload in &uploads {
                let _ = client.abort(upload).await; // it has no pieces, and costs nobody anything
            }
            Err(error)
        })
    }

    /// Sends a part, of so many bytes, piece by piece, and removes it here.
    pub(in crate::files) fn send(
        &self,
        (local, bytes): (PathBuf, u64),
        upload: Upload,
    ) -> oneshot::Receiver<Result<Token, ConnectorError>> {
        begin(&self.handle, send(self.client.clone(), (local, bytes), upload))
    }

    /// Completes the uploads of these parts. `is_again` where they may have been completed before.
    pub(in crate::files) fn complete(
        &self,
        parts: Vec<Part>,
        is_again: bool,
    ) -> Result<Vec<Named>, ConnectorError> {
        self.ask(move |client| async move {
            let named = stream::iter(parts).map(move |part| {
                let client = client.clone();
                async move { client.complete(part, is_again).await }
            });
            named.buffered(REQUESTS).try_collect::<Vec<Named>>().await
        })
    }

    /// Ends uploads that are not completed; their pieces are gone then.
    pub(in crate::files) fn abort(&self, uploads: Vec<Upload>) -> Result<(), ConnectorError> {
        self.ask(move |client| async move { client.abort_all(&uploads).await })
    }

    /// Hidden names of one sync that begin so, sorted.
    pub(in crate::files) fn hidden(&self, begins: String) -> Result<Vec<String>, ConnectorError> {
        self.ask(move |client| async move { client.hidden(&begins).await })
    }

    /// Writes a small object, in one request: it is there whole or not at all.
    pub(in crate::files) fn put(&self, name: String, content: Vec<u8>) -> Result<(), ConnectorError> {
        self.ask(move |client| async move {
            let put = client.store.inner.put(&client.store.key(&name), content.into()).await;
            put.map(drop).map_err(|error| client.refused("written", &name, &error))
        })
    }

    /// The content of a small object; empty where there is none.
    pub(in crate::files) fn get(&self, name: String) -> Result<Vec<u8>, ConnectorError> {
        self.ask(move |client| async move {
            let content = match client.store.inner.get(&client.store.key(&name)).await {
                Ok(found) => found.bytes().await.map(|bytes| bytes.to_vec()),
                Err(error) => Err(error),
            };
            match content {
                Err(Error::NotFound { .. }) => Ok(Vec::new()),
                content => content.map_err(|error| client.refused("read", &name, &error)),
            }
        })
    }

    /// Removes objects, where they are there.
    pub(in crate::files) fn remove(&self, names: Vec<String>) -> Result<(), ConnectorError> {
        self.ask(move |client| async move {
            for name in &names {
                match client.store.inner.delete(&client.store.key(name)).await {
                    Ok(()) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(client.refused("removed", name, &error)),
                }
            }
            Ok(())
        })
    }
}

async fn send(
    client: Arc<Client>,
    (local, bytes): (PathBuf, u64),
    upload: Upload,
) -> Result<Token, ConnectorError> {
    let (id, part) = (upload.id.clone(), Arc::new((local.clone(), upload)));
    let pieces = stream::iter(0..bytes.div_ceil(PIECE).max(1)).map(move |at| {
        let (client, part) = (client.clone(), part.clone());
        async move { client.piece(&part.0, &part.1, (at, bytes)).await }
    });
    let pieces: Vec<String> = pieces.buffered(PIECES).try_collect().await?;
    let _ = tokio::fs::remove_file(&local).await; // it is gone with its folder at the latest
    point("store.staged");
    Ok(Token::Upload { id, pieces })
}

impl Client {
    fn refused(&self, what: &str, name: &str, error: &Error) -> ConnectorError {
        answer::unwritten(&self.store, what, &self.store.shown(name), error)
    }

    /// The length of an object; `None` where there is none.
    async fn bytes(&self, name: &str) -> Result<Option<u64>, ConnectorError> {
        let key = self.store.key(name);
        let found = match self.store.inner.head(&key).await {
            Err(error) if !matches!(error, Error::NotFound { .. }) && answer::is_bare(&error) => {
                self.store.inner.get(&key).await.map(|found| found.meta)
            }
            found => found,
        };
        match found {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.refused("looked for", name, &error)),
        }
    }

    async fn begin(&self, name: String) -> Result<Upload, ConnectorError> {
        if self.bytes(&name).await?.is_some() {
            return Err(self.taken(&name));
        }
        match self.store.uploads.create_multipart(&self.store.key(&name)).await {
            Ok(id) => Ok(Upload { name, id }),
            Err(error) => Err(self.refused("written", &name, &error)),
        }
    }

    fn taken(&self, name: &str) -> ConnectorError {
        errors::exists(self.store.shown(name).display())
    }

    /// Sends the piece of this number, of an object of so many bytes; its id.
    async fn piece(
        &self,
        local: &FilePath,
        upload: &Upload,
        (at, bytes): (u64, u64),
    ) -> Result<String, ConnectorError> {
        let _slot = self.pieces.acquire().await.map_err(|_| ended())?;
        let (path, first) = (local.to_owned(), at * PIECE);
        let length = bytes.saturating_sub(first).min(PIECE);
        let content = spawn_blocking(move || read(&path, first, length)).await.map_err(|_| ended())?;
        let content = content.map_err(|error| errors::io("read", local, error))?;
        let key = self.store.key(&upload.name);
        let sent = self.store.uploads.put_part(&key, &upload.id, at as usize, content.into()).await;
        point("store.piece");
        sent.map(|piece| piece.content_id).map_err(|error| self.refused("written", &upload.name, &error))
    }

    /// Completes an upload, which gives the object its name. It is one request, and the ledger has said before that it is to be.
    async fn complete(&self, part: Part, is_again: bool) -> Result<Named, ConnectorError> {
        let Token::Upload { id, pieces } = &part.staged else {
            let message = format!("`{}` was staged in a place of another kind", part.name);
            return Err(ConnectorError::new(Kind::Internal, message));
        };
        match self.bytes(&part.name).await? {
            Some(bytes) if is_again && bytes == part.bytes => return Ok(Named::Before),
            Some(_) => return Err(self.taken(&part.name)),
            None => {}
        }
        let pieces = pieces.iter().map(|id| PartId { content_id: id.clone() }).collect();
        let completed = self.store.uploads.complete_multipart(&self.store.key(&part.name), id, pieces).await;
        let named = match completed {
            Ok(_) => Named::Now,
            // The answer to an earlier try may have been lost.
            Err(error) => match self.bytes(&part.name).await {
                Ok(Some(bytes)) if bytes == part.bytes => Named::Now,
                Ok(None) if is_again && answer::is_gone(&error) => Named::Gone,
                _ => return Err(self.refused("written", &part.name, &error)),
            },
        };
        point("store.named");
        Ok(named)
    }

    async fn abort(&self, upload: &Upload) -> Result<(), ConnectorError> {
        let aborted = self.store.uploads.abort_multipart(&self.store.key(&upload.name), &upload.id).await;
        match aborted {
            Err(error) if !answer::is_gone(&error) => Err(self.refused("given up", &upload.name, &error)),
            _ => Ok(()),
        }
    }

    async fn abort_all(&self, uploads: &[Upload]) -> Result<(), ConnectorError> {
        for upload in uploads {
            self.abort(upload).await?;
            point("store.aborted");
        }
        Ok(())
    }

    async fn hidden(&self, begins: &str) -> Result<Vec<String>, ConnectorError> {
        let (sync, _) = begins.split_once('@').unwrap_or((begins, ""));
        let folder = self.store.key(&format!("{sync}@"));
        let keys = self.store.inner.list(Some(&folder)).map_ok(|object| object.location);
        let keys: Vec<Path> =
            keys.try_collect().await.map_err(|error| self.refused("listed", begins, &error))?;
        let name = |key: &Path| {
            let rest = key.as_ref().strip_prefix(folder.as_ref())?.strip_prefix('/')?;
            Some(format!("{sync}@{rest}")).filter(|name| name.starts_with(begins))
        };
        let mut names: Vec<String> = keys.iter().filter_map(name).collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// A range of a file.
fn read(path: &FilePath, first: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(first))?;
    let mut content = vec![0; length as usize];
    file.read_exact(&mut content)?;
    Ok(content)
}
