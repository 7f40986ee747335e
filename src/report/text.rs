//! What `sync` says of each sync, for people.

use std::fmt::Write;

use super::Finding;
use super::format::{bytes, clean, duration, key, plural, thousands};
use super::preview;
use super::style::{ADD, BAD, CHANGE, DIM, REMOVE, STRONG, paint};
use crate::error::Error;
use crate::sync::event::{Counts, Status, SyncReport};

/// All syncs of one command, for stdout.
pub fn syncs(reports: &[SyncReport]) -> String {
    let blocks = reports.iter().map(|report| match &report.preview {
        Some(shown) => preview::preview(report, shown),
        None => run(report),
    });
    blocks.collect::<Vec<_>>().join("")
}

/// Why syncs failed, for stderr; each names its sync.
pub fn errors(reports: &[SyncReport]) -> Vec<Finding> {
    let failed = reports.iter().filter_map(|report| Some((report, report.error.clone()?)));
    failed.map(|(report, error)| of_sync(&report.sync, error)).collect()
}

/// An error that names its sync.
pub fn of_sync(sync: &str, mut error: Error) -> Finding {
    if !error.message.contains(&format!("`{sync}`")) {
        error.message = format!("{sync}: {}", error.message);
    }
    error.into()
}

/// `contacts_to_hubspot   warehouse: customers → hubspot: contacts   upsert on email`.
pub fn heading(report: &SyncReport) -> String {
    let route = &report.route;
    let mut text = paint(STRONG, &clean(&report.sync));
    if !route.source.is_empty() {
        let path = format!("{}: {} → {}: {}", route.source, route.model, route.destination, route.object);
        let _ = write!(text, "   {}", clean(&path));
    }
    match route.match_on.as_slice() {
        [] if route.mode.is_empty() => {}
        [] => _ = write!(text, "   {}", route.mode),
        fields => _ = write!(text, "   {} on {}", route.mode, clean(&fields.join(", "))),
    }
    if report.sandbox {
        text.push_str("   [sandbox]");
    }
    text.push('\n');
    text
}

fn run(report: &SyncReport) -> String {
    let mut text = heading(report);
    let counts = &report.counts;
    let mut parts = vec![status(report.status)];
    parts.extend(found(counts));
    let _ = writeln!(text, "  {}", parts.join("   "));
    if has_run(report.status) {
        let _ = writeln!(text, "  {}", delivery(report));
    }
    for fault in report.faults.iter().take(5) {
        let field = fault.field.as_deref().map(|field| format!("{}: ", clean(field))).unwrap_or_default();
        let _ =
            writeln!(text, "  {} {}   {field}{}", paint(BAD, "!"), key(&fault.key), clean(&fault.message));
    }
    for note in &report.notes {
        let _ = writeln!(text, "  note: {}", clean(note));
    }
    if counts.rejected + counts.invalid > 0 {
        let hint = format!("hint: `outflow errors {}` lists what was refused and why", clean(&report.sync));
        let _ = writeln!(text, "  {}", paint(DIM, &hint));
    }
    text
}

fn has_run(status: Status) -> bool {
    !matches!(status, Status::Skipped | Status::Locked | Status::Held)
}

/// The status as one coloured word.
fn status(status: Status) -> String {
    let style = match status {
        Status::Ok => ADD,
        Status::Partial | Status::Quota | Status::Skipped => CHANGE,
        Status::Failed | Status::Held | Status::Locked | Status::Interrupted => BAD,
    };
    paint(style, word(status))
}

/// The status as JSON and history name it.
pub fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Partial => "partial",
        Status::Failed => "failed",
        Status::Held => "held",
        Status::Locked => "locked",
        Status::Quota => "quota",
        Status::Interrupted => "interrupted",
        Status::Skipped => "skipped",
    }
}

/// What the comparison found; what is zero is left out.
fn found(counts: &Counts) -> Vec<String> {
    let parts = [
        (counts.added, ADD, format!("+ {} added", thousands(counts.added))),
        (counts.changed, CHANGE, format!("~ {} changed", thousands(counts.changed))),
        (counts.removed, REMOVE, format!("- {} removed", thousands(counts.removed))),
        (counts.unchanged, anstyle::Style::new(), format!("= {} unchanged", thousands(counts.unchanged))),
        (counts.invalid, BAD, format!("! {} invalid", thousands(counts.invalid))),
        (counts.duplicates, anstyle::Style::new(), plural(counts.duplicates, "duplicate")),
    ];
    parts.into_iter().filter(|(count, ..)| *count > 0).map(|(_, style, text)| paint(style, &text)).collect()
}

/// `155 delivered, 2 rejected in 3 requests, 48 kB, 1.4 s`.
fn delivery(report: &SyncReport) -> String {
    let counts = &report.counts;
    let outcomes = [
        (counts.delivered, "delivered"),
        (counts.rejected, "rejected"),
        (counts.deferred, "deferred"),
        (counts.pending, "pending"),
        (counts.parked, "parked"),
    ];
    let named: Vec<String> = outcomes
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", thousands(*count)))
        .collect();
    let time = duration(report.duration_ms);
    match (named.is_empty(), counts.requests) {
        (true, 0) => format!("nothing sent, {time}"),
        (false, 0) => format!("{}, nothing sent, {time}", named.join(", ")),
        (true, requests) => format!("{}, {}, {time}", plural(requests, "request"), bytes(counts.bytes_sent)),
        (false, requests) => format!(
            "{} in {}, {}, {time}",
            named.join(", "),
            plural(requests, "request"),
            bytes(counts.bytes_sent)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{self, object};
    use crate::sync::event::FaultSample;
    use serde_json::json;

    fn plain(reports: &[SyncReport]) -> String {
        anstream::adapter::strip_str(&syncs(reports)).to_string()
    }

    #[test]
    fn runs_of_every_kind() {
        let mut invalid = samples::run();
        invalid.faults = vec![FaultSample {
            key: object(json!({"customer_id": 88})),
            field: Some("email".into()),
            message: "null, but it is the upsert key".into(),
        }];
        let counts = Counts { rows_read: 59, unchanged: 59, reads: 1, ..Counts::default() };
        let unchanged =
            SyncReport { status: Status::Ok, counts, sandbox: true, duration_ms: 31, ..samples::run() };
        let skipped = SyncReport { status: Status::Skipped, counts: Counts::default(), ..samples::run() };
        insta::assert_snapshot!(plain(&[invalid, unchanged, skipped]), @r"
        contacts_to_hubspot   warehouse: customers → hubspot: contacts   upsert on email
          partial   + 120 added   ~ 35 changed   - 3 removed   = 99,842 unchanged   ! 2 invalid
          155 delivered, 2 rejected, 1 deferred, 1 pending, 4 parked in 3 requests, 48 kB, 1.4 s
          ! 88   email: null, but it is the upsert key
          hint: `outflow errors contacts_to_hubspot` lists what was refused and why
        contacts_to_hubspot   warehouse: customers → hubspot: contacts   upsert on email   [sandbox]
          ok   = 59 unchanged
          nothing sent, 0.0 s
        contacts_to_hubspot   warehouse: customers → hubspot: contacts   upsert on email
          skipped
        ");
    }

    #[test]
    fn statuses_have_one_name() {
        use Status::*;
        for status in [Ok, Partial, Failed, Held, Locked, Quota, Interrupted, Skipped] {
            assert_eq!(json!(status), word(status));
        }
    }
}
