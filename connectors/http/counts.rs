//! How much one client has sent.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::request::Request;
use crate::contract::Traffic;

#[derive(Debug, Default)]
pub(super) struct Counts {
    writes: AtomicU64,
    reads: AtomicU64,
    bytes: AtomicU64,
    retries: AtomicU64,
}

impl Counts {
    /// A request leaves; `again` for one that left before.
    pub(super) fn count(&self, request: &Request, again: bool) {
        if request.is_write() {
            self.writes.fetch_add(1, Relaxed);
            self.bytes.fetch_add(request.body.as_ref().map_or(0, Vec::len) as u64, Relaxed);
        } else {
            self.read();
        }
        if again {
            self.retries.fetch_add(1, Relaxed);
        }
    }

    /// Bytes of a body that was made while it was sent.
    pub(super) fn carried(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// A request of the sender's own leaves.
    pub(super) fn read(&self) {
        self.reads.fetch_add(1, Relaxed);
    }

    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            writes: self.writes.load(Relaxed),
            reads: self.reads.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            retries: self.retries.load(Relaxed),
        }
    }
}
