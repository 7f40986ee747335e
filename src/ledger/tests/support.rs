//! Keys, records and folders for the tests of this room.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::ledger::{Detail, IntentEntry, KeyHash, Ledger, RecordHash, Refusal, Settled, Settlement};
use jiff::Timestamp;
use outflow_connectors::contract::Verb;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub(super) struct Home {
    pub(super) dir: TempDir,
}

impl Home {
    pub(super) fn new() -> Home {
        Home { dir: TempDir::new().unwrap() }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn file(&self) -> std::path::PathBuf {
        Ledger::path(self.path(), "contacts")
    }

    pub(super) fn ledger(&self, epoch: u64) -> Ledger {
        Ledger::open_at(&self.file(), epoch).unwrap()
    }

    /// A copy of file and log, which is what a power cut would leave at this moment.
    pub(super) fn crashed(&self) -> Home {
        let next = Home::new();
        fs::create_dir_all(next.path().join("ledger")).unwrap();
        for entry in fs::read_dir(self.path().join("ledger")).unwrap().map(Result::unwrap) {
            if !entry.file_name().to_string_lossy().ends_with("-shm") {
                fs::copy(entry.path(), next.path().join("ledger").join(entry.file_name())).unwrap();
            }
        }
        next
    }
}

/// A key spread over the whole range, as hashes are.
pub(super) fn key(n: u64) -> KeyHash {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(n.to_le_bytes())[..16]);
    KeyHash(bytes)
}

pub(super) fn record(n: u64) -> RecordHash {
    let mut bytes = [1; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    RecordHash(bytes)
}

pub(super) fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(super) fn detail(n: u64) -> Detail {
    Detail {
        key: Some(format!(r#"{{"id":{n}}}"#)),
        remote_id: Some(format!("r{n}")),
        created: Some(n.is_multiple_of(2)),
        destination_hash: u64::MAX - n,
        destination_key: Some(format!(r#"["{n}@example.com"]"#)),
        fields: vec![(Arc::from("email"), n ^ u64::MAX), (Arc::from("plan"), n)],
        record: Some(format!(r#"{{"email":"{n}@example.com"}}"#)),
        gone: false,
    }
}

pub(super) fn entry(n: u64) -> IntentEntry {
    IntentEntry {
        key: key(n),
        record: record(n),
        key_text: format!(r#"{{"id":{n}}}"#),
        destination_hash: u64::MAX - n,
        destination_key: format!(r#"["{n}@example.com"]"#),
        remote_id: (n % 2 == 1).then(|| format!("r{n}")),
    }
}

pub(super) fn delivered(n: u64) -> Settled {
    Settled {
        key: key(n),
        result: Settlement::Delivered { record: record(n), detail: Some(Box::new(detail(n))) },
    }
}

pub(super) fn refusal(n: u64) -> Refusal {
    Refusal {
        key: key(n),
        key_text: format!(r#"{{"id":{n}}}"#),
        verb: Verb::Upsert,
        record: record(n),
        mapping: "m1".into(),
        code: "INVALID_EMAIL".into(),
        field: Some("email".into()),
        message: "`x` isn't an e-mail address".into(),
        attempts: 3,
        first_run: 7,
        next_run: 11,
        parked: n.is_multiple_of(2),
        first_seen: time(n as i64),
        last_seen: time(100),
        run_id: "20261120T104503Z-4f2a9c".into(),
    }
}

/// The live entries, by key.
pub(super) fn live(ledger: &Ledger) -> BTreeMap<KeyHash, RecordHash> {
    ledger.live_entries().unwrap().map(Result::unwrap).collect()
}
