//! What `diff` shows of one sync.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value as Json;

use super::format::{about, bytes, clean, key, pad, plural, thousands, value};
use super::style::{ADD, BAD, CHANGE, DIM, REMOVE, paint};
use super::text::heading;
use crate::error::ErrorKind;
use crate::sync::event::{Counts, Forecast, Op, Preview, SampleChange, SyncReport};

/// Most rows shown of one kind; the counts tell of the others.
const MOST_CHANGES: usize = 10;
const MOST_OTHERS: usize = 3;

/// One line of the table: mark, key, field, what happens to it.
struct Line {
    mark: String,
    key: String,
    field: String,
    text: String,
}

/// The preview of one sync, as text for stdout.
pub fn preview(report: &SyncReport, preview: &Preview) -> String {
    let mut text = heading(report);
    let _ = writeln!(text, "  {}", counts(&report.counts));
    text.push_str(&table(&lines(report, preview)));
    if let Some(error) = &preview.would_hold {
        let what = if error.kind == ErrorKind::Held { "would be held:" } else { "would fail:" };
        let _ = writeln!(text, "  {} {} ({})", paint(BAD, what), clean(&error.message), error.code);
        if let Some(hint) = &error.hint {
            let _ = writeln!(text, "  {}", paint(DIM, &format!("hint: {}", clean(hint))));
        }
    }
    for note in &report.notes {
        let _ = writeln!(text, "  note: {}", clean(note));
    }
    let _ = writeln!(text, "  {}", forecast(&preview.forecast));
    text
}

fn counts(counts: &Counts) -> String {
    let mut parts = vec![
        paint(ADD, &format!("+ {} add", thousands(counts.added))),
        paint(CHANGE, &format!("~ {} change", thousands(counts.changed))),
        paint(REMOVE, &format!("- {} remove", thousands(counts.removed))),
        format!("= {} unchanged", thousands(counts.unchanged)),
    ];
    if counts.invalid > 0 {
        parts.push(paint(BAD, &format!("! {} invalid", thousands(counts.invalid))));
    }
    if counts.duplicates > 0 {
        parts.push(plural(counts.duplicates, "duplicate"));
    }
    if counts.parked > 0 {
        parts.push(format!("{} parked", thousands(counts.parked)));
    }
    parts.join("   ")
}

fn lines(report: &SyncReport, preview: &Preview) -> Vec<Line> {
    let mut lines = Vec::new();
    for (op, most) in [(Op::Add, MOST_OTHERS), (Op::Change, MOST_CHANGES), (Op::Remove, MOST_OTHERS)] {
        for change in preview.sample.iter().filter(|change| change.op == op).take(most) {
            lines.extend(change_lines(change, &preview.scales));
        }
    }
    for fault in report.faults.iter().take(MOST_CHANGES) {
        lines.push(Line {
            mark: paint(BAD, "!"),
            key: key(&fault.key),
            field: clean(fault.field.as_deref().unwrap_or_default()),
            text: clean(&fault.message),
        });
    }
    lines
}

fn change_lines(change: &SampleChange, scales: &BTreeMap<String, u32>) -> Vec<Line> {
    let mark = match change.op {
        Op::Add => paint(ADD, "+"),
        Op::Change => paint(CHANGE, "~"),
        Op::Remove => paint(REMOVE, "-"),
    };
    let mut lines = vec![Line { mark, key: key(&change.key), field: String::new(), text: String::new() }];
    // What an add leaves empty is no news.
    let told = change.fields.iter().filter(|(_, both)| change.op != Op::Add || !both["new"].is_null());
    for (position, (name, both)) in told.enumerate() {
        let text = field_text(change, both, scales.get(name).copied());
        if position == 0 {
            lines[0].field = clean(name);
            lines[0].text = text;
        } else {
            lines.push(Line { mark: " ".into(), key: String::new(), field: clean(name), text });
        }
    }
    lines
}

fn field_text(change: &SampleChange, both: &Json, scale: Option<u32>) -> String {
    let side = |name: &str| {
        let text = both.get(name).map_or_else(|| "null".to_owned(), value);
        scale.map_or_else(|| text.clone(), |scale| with_digits(&text, scale))
    };
    match change.op {
        Op::Add => side("new"),
        Op::Remove => side("old"),
        Op::Change if change.old_known => format!("{} → {}", side("old"), side("new")),
        Op::Change => format!("→ {}", side("new")),
    }
}

/// A decimal number with as many digits after the point as its field has: `12.5` as `12.50`. Other texts as they are.
fn with_digits(text: &str, scale: u32) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    if scale == 0 || unsigned.is_empty() || !digits(unsigned) || !digits(fraction) {
        return text.to_owned();
    }
    format!("{whole}.{fraction:0<width$}", width = scale as usize)
}

/// Columns as wide as their longest entry.
fn table(lines: &[Line]) -> String {
    let longest = |of: fn(&Line) -> &String| lines.iter().map(|l| of(l).chars().count()).max().unwrap_or(0);
    let (keys, fields) = (longest(|l| &l.key), longest(|l| &l.field));
    let mut text = String::new();
    for line in lines {
        let row =
            format!("  {} {}   {}  {}", line.mark, pad(&line.key, keys), pad(&line.field, fields), line.text);
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text
}

/// `forecast: 2 requests, 48 kB, about 1 s, 0.01 % of the daily quota`.
fn forecast(forecast: &Forecast) -> String {
    if forecast.requests == 0 {
        return "forecast: nothing to send".to_owned();
    }
    let mut text = format!(
        "forecast: {}, {}, about {}",
        plural(forecast.requests, "request"),
        bytes(forecast.bytes),
        about(forecast.seconds)
    );
    match forecast.quota_percent {
        Some(percent) if percent < 0.005 => text.push_str(", less than 0.01 % of the daily quota"),
        Some(percent) => _ = write!(text, ", {percent:.2} % of the daily quota"),
        None => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::report::samples::{self, object};
    use serde_json::json;

    fn plain(report: &SyncReport) -> String {
        anstream::adapter::strip_str(&preview(report, report.preview.as_ref().unwrap())).to_string()
    }

    #[test]
    fn as_the_interface_fixes_it() {
        insta::assert_snapshot!(plain(&samples::preview()), @r"
        contacts_to_hubspot   warehouse: customers → hubspot: contacts   upsert on email
          + 120 add   ~ 35 change   - 3 remove   = 99,842 unchanged   ! 2 invalid
          ~ 1042   lifetime_value  10.00 → 12.50
                   segment         PRO-JP → TEAM-JP
          ! 88     email           null, but it is the upsert key
          forecast: 2 requests, 48 kB, about 1 s, 0.01 % of the daily quota
        ");
    }

    #[test]
    fn numbers_have_the_digits_of_their_field() {
        for (text, scale, shown) in [
            ("12.5", 2, "12.50"),
            ("-3", 1, "-3.0"),
            ("0.125", 2, "0.125"),
            ("7", 0, "7"),
            ("null", 2, "null"),
            ("1e21", 2, "1e21"),
            ("", 2, ""),
        ] {
            assert_eq!(with_digits(text, scale), shown);
        }
    }

    #[test]
    fn old_values_are_left_out_where_the_ledger_has_none() {
        let mut report = samples::preview();
        let preview = report.preview.as_mut().unwrap();
        preview.sample[0].old_known = false;
        preview.sample.push(SampleChange {
            op: Op::Add,
            key: object(json!({"id": 7, "country": "JP"})),
            fields: object(json!({"email": {"old": null, "new": "a@example.com"}})),
            old_known: false,
        });
        preview.sample.push(SampleChange {
            op: Op::Remove,
            key: object(json!({"id": 9, "country": "BR"})),
            fields: object(json!({})),
            old_known: false,
        });
        preview.forecast = Forecast::default();
        let held =
            Error::new("OF-RUN-020", ErrorKind::Held, "`max_change` allows 50 %, but 60 % would change");
        preview.would_hold = Some(held.hint("run once with `--allow-changes`"));
        report.sandbox = true;
        report.notes = vec!["`segment` changes in almost every row".into()];
        insta::assert_snapshot!(plain(&report), @r"
        contacts_to_hubspot   warehouse: customers → hubspot: contacts   upsert on email   [sandbox]
          + 120 add   ~ 35 change   - 3 remove   = 99,842 unchanged   ! 2 invalid
          + id=7 country=JP   email           a@example.com
          ~ 1042              lifetime_value  → 12.50
                              segment         → TEAM-JP
          - id=9 country=BR
          ! 88                email           null, but it is the upsert key
          would be held: `max_change` allows 50 %, but 60 % would change (OF-RUN-020)
          hint: run once with `--allow-changes`
          note: `segment` changes in almost every row
          forecast: nothing to send
        ");
    }
}
