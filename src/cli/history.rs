//! From the ledger's records to the lines that are shown.

use serde_json::{Map, Value as Json};

use crate::error::Result;
use crate::ledger::{InvalidRow, Ledger, Refusal, RunRecord};
use crate::project::Project;
use crate::report::history::RunLine;
use crate::report::refused::{Refused, Way};
use crate::sync::event::Counts;
use crate::sync::{HELD, UNCLEAR};

pub fn run_line(record: RunRecord) -> RunLine {
    RunLine {
        counts: counts(&record),
        error: record.error.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Json::Null),
        run_id: record.run_id,
        sync: record.sync,
        kind: record.kind,
        status: record.status,
        started_at: record.started_at,
        duration_ms: record.duration_ms,
        target: record.target,
    }
}

/// What a run counted; all zero where it did not come to its end.
pub fn counts(record: &RunRecord) -> Counts {
    serde_json::from_str(&record.counts).unwrap_or_default()
}

/// The ledger of a sync for reading; `None` before its first run.
pub fn ledger(project: &Project, sync: &str) -> Result<Option<Ledger>> {
    Ledger::read(&Ledger::path(&project.state, sync))
}

/// All refused rows of a sync: those the destination rejected, then those of the last run that were invalid.
pub fn refused(ledger: &Ledger, sync: &str) -> Result<Vec<Refused>> {
    let rejected = ledger.refusals()?.into_iter().map(|refusal| rejected(sync, refusal));
    let invalid = ledger.invalid_rows()?.into_iter().map(|row| invalid(sync, row));
    Ok(rejected.chain(invalid).collect())
}

fn rejected(sync: &str, refusal: Refusal) -> Refused {
    Refused {
        way: way(&refusal),
        sync: sync.to_owned(),
        kind: "rejected",
        key: key(&refusal.key_text),
        field: refusal.field,
        code: refusal.code,
        message: refusal.message,
        attempts: refusal.attempts,
        parked: refusal.parked,
        first_seen: refusal.first_seen,
        last_seen: refusal.last_seen,
        run_id: refusal.run_id,
    }
}

/// What was held and not refused is judged anew in every run: to have it tried again would change nothing.
fn way(refusal: &Refusal) -> Option<Way> {
    match refusal.code.as_str() {
        UNCLEAR => Some(Way::Resolve),
        code if HELD.contains(&code) => None,
        _ => refusal.parked.then_some(Way::Retry),
    }
}

fn invalid(sync: &str, row: InvalidRow) -> Refused {
    Refused {
        way: None,
        sync: sync.to_owned(),
        kind: "invalid",
        key: key(&row.key_text),
        field: row.field,
        code: row.code,
        message: row.message,
        attempts: 0,
        parked: false,
        first_seen: row.first_seen,
        last_seen: row.last_seen,
        run_id: row.run_id,
    }
}

/// `{column: value}`; empty where the key could not be read.
pub fn key(text: &str) -> Map<String, Json> {
    serde_json::from_str(text).unwrap_or_default()
}
