//! All live entries, one after the other, without holding them.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::vec::IntoIter;

use super::entry::{KeyHash, RecordHash};
use super::fault::Attempt;
use super::owner::Owner;
use super::packed;
use super::store::Ledger;
use crate::error::Result;

/// Entries handed over at once.
const CHUNK: usize = 4096;
/// Chunks read ahead.
const AHEAD: usize = 4;

type Chunk = Vec<(KeyHash, RecordHash)>;

impl Ledger {
    /// Every live entry in the order of keys, which is the order of the positions in [`Tags`](super::Tags).
    ///
    /// While the iterator is alive the ledger does nothing else: any other call waits for its end, so a consumer that
    /// calls the ledger waits for ever. Dropping it early is fine.
    ///
    /// # Errors
    /// `State` as an item, the last one, at the first damage.
    pub fn live_entries(&self) -> Result<LiveEntries> {
        let (send, chunks) = sync_channel(AHEAD);
        self.owner.start_look(move |conn| {
            let path = conn.path().map(std::path::PathBuf::from).unwrap_or_default();
            let last = produce(conn, &send).map_err(|fault| fault.at(&path));
            // An empty chunk is the end; nobody may be there to hear it.
            let _ = send.send(last.map(|()| Chunk::new()));
        })?;
        Ok(LiveEntries { chunks, chunk: Chunk::new().into_iter(), over: false, owner: self.owner.clone() })
    }
}

fn produce(conn: &rusqlite::Connection, send: &SyncSender<Result<Chunk>>) -> Attempt<()> {
    let mut chunk = Chunk::with_capacity(CHUNK);
    packed::each_live(conn, |entry| {
        chunk.push((entry.key, entry.record));
        if chunk.len() < CHUNK {
            return ControlFlow::Continue(());
        }
        match send.send(Ok(std::mem::replace(&mut chunk, Chunk::with_capacity(CHUNK)))) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    if !chunk.is_empty() {
        let _ = send.send(Ok(chunk));
    }
    Ok(())
}

/// Made by [`Ledger::live_entries`].
#[derive(Debug)]
pub struct LiveEntries {
    // Before the owner, whose thread must see that nobody listens before it can be waited for.
    chunks: Receiver<Result<Chunk>>,
    chunk: IntoIter<(KeyHash, RecordHash)>,
    over: bool,
    owner: Owner,
}

impl Iterator for LiveEntries {
    type Item = Result<(KeyHash, RecordHash)>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.chunk.next() {
            return Some(Ok(entry));
        }
        if self.over {
            return None;
        }
        match self.chunks.recv() {
            Ok(Ok(chunk)) if !chunk.is_empty() => self.chunk = chunk.into_iter(),
            Ok(Ok(_)) => self.over = true,
            Ok(Err(error)) => {
                self.over = true;
                return Some(Err(error));
            }
            Err(_) => {
                self.over = true;
                return Some(Err(self.owner.gone()));
            }
        }
        self.chunk.next().map(Ok)
    }
}
