//! What a run came to.

use serde_json::Value as Json;

use super::cancel::interrupted;
use super::context::Context;
use super::deliver::Ended;
use super::diff::Delta;
use super::event::{FaultSample, Status, SyncReport};
use super::map::DUPLICATE;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::RunRecord;

/// The first invalid rows, for people.
pub fn fault_samples(delta: &Delta) -> Vec<FaultSample> {
    let sample = delta.faults().take(20).map(|fault| FaultSample {
        key: fault.key_json.clone(),
        field: fault.field.clone(),
        message: fault.fault.message.clone(),
    });
    sample.collect()
}

/// The error of `on_duplicate_key: fail`, with examples.
pub fn clash(delta: &Delta) -> Option<Error> {
    if delta.clashes == 0 {
        return None;
    }
    let mut examples: Vec<String> = Vec::new();
    for fault in delta.faults().filter(|fault| fault.fault.code == DUPLICATE) {
        let text = Json::Object(fault.key_json.clone()).to_string();
        if !examples.contains(&text) && examples.len() < 3 {
            examples.push(text);
        }
    }
    let rows = delta.clashes;
    let message =
        format!("{rows} rows share a key or a destination key: {}; nothing was sent", examples.join(", "));
    let hint = "make the key unique in the query, or set `on_duplicate_key: first | last | reject`";
    Some(Error::new("OF-RUN-013", ErrorKind::Source, message).hint(hint))
}

/// The run's status once delivery is over.
pub fn conclude(report: &mut SyncReport, ended: Ended, absent: u64, waiting: u64) -> Result<()> {
    match ended {
        Ended::Stopped(error) => return Err(error),
        Ended::Interrupted => return Err(interrupted()),
        Ended::Broken(error) => {
            report.status = Status::Partial;
            report.error = Some(error);
            return Ok(());
        }
        Ended::Done => {}
    }
    let counts = &report.counts;
    let open = counts.invalid + counts.deferred + (counts.rejected - absent) + waiting;
    report.status = if open > 0 { Status::Partial } else { Status::Ok };
    Ok(())
}

/// The line of history of the run that has this id and number.
pub fn record(context: &Context<'_>, report: &SyncReport, (run_id, number): (&str, u64)) -> RunRecord {
    let error = report.error.as_ref().map(|error| error.to_json().to_string());
    RunRecord {
        run_id: run_id.to_owned(),
        sync: report.sync.clone(),
        kind: if context.options.backfill.is_some() { "backfill" } else { "sync" }.to_owned(),
        number,
        target: context.project.target.clone(),
        status: serde_json::to_value(report.status)
            .ok()
            .and_then(|s| Some(s.as_str()?.to_owned()))
            .unwrap_or_default(),
        started_at: report.started_at,
        duration_ms: report.duration_ms,
        counts: serde_json::to_string(&report.counts).unwrap_or_default(),
        error,
    }
}
