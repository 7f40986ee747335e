//! What `status`, `runs` and `show` say of runs that have been.

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::format::{clean, clean_lines, duration, rfc3339, thousands, time};
use super::style::{BAD, DIM, STRONG, paint};
use super::text::of_sync;
use super::{Answer, Exit, Finding, table};
use crate::error::Error;
use crate::sync::event::Counts;

/// One run as it was recorded.
#[derive(Debug, Clone)]
pub struct RunLine {
    pub run_id: String,
    pub sync: String,
    /// `sync` or `backfill`.
    pub kind: String,
    /// As in the JSON of `sync`, or `running`.
    pub status: String,
    pub started_at: Timestamp,
    pub duration_ms: u64,
    pub target: Option<String>,
    pub counts: Counts,
    /// The error object of the run's JSON, or null.
    pub error: Json,
}

/// How one sync stands.
#[derive(Debug, Clone)]
pub struct StatusLine {
    pub sync: String,
    pub last_run: Option<RunLine>,
    pub last_success_at: Option<Timestamp>,
    /// Against its `sla`; false where it has none.
    pub late: bool,
    pub pending: u64,
    pub rejected: u64,
    pub parked: u64,
    /// Why its ledger cannot be read: what is rejected and parked is not known then.
    pub error: Option<Error>,
}

/// The newest runs first.
pub fn runs(lines: &[RunLine]) -> Answer {
    let rows = lines.iter().map(|run| {
        let c = &run.counts;
        vec![
            run.run_id.clone(),
            clean(&run.sync),
            run.status.clone(),
            time(run.started_at),
            duration(run.duration_ms),
            thousands(c.delivered),
            thousands(c.rejected + c.invalid),
            thousands(c.pending),
            thousands(c.unchanged),
        ]
    });
    let columns =
        ["run", "sync", "status", "started", "took", "delivered", "refused", "pending", "unchanged"];
    let text = match lines {
        [] => "no runs yet\n".to_owned(),
        _ => table::text(&columns, rows.collect()),
    };
    let body = lines.iter().map(run_object).map(Json::Object).collect();
    Answer::new(text, Map::from_iter([("runs".to_owned(), Json::Array(body))]))
}

/// One run in detail.
pub fn run(line: &RunLine) -> Answer {
    let mut text = format!("{}   {}   {}\n", paint(STRONG, &line.run_id), clean(&line.sync), line.status);
    let _ = writeln!(text, "  started   {}", time(line.started_at));
    let _ = writeln!(text, "  took      {}", duration(line.duration_ms));
    if line.kind != "sync" {
        let _ = writeln!(text, "  kind      {}", clean(&line.kind));
    }
    if let Some(target) = &line.target {
        let _ = writeln!(text, "  target    {}", clean(target));
    }
    if let Json::Object(counts) = json!(line.counts) {
        let width = counts.keys().map(String::len).max().unwrap_or(0);
        text.push('\n');
        for (name, count) in &counts {
            let count = thousands(count.as_u64().unwrap_or(0));
            let _ = writeln!(text, "  {:width$}  {count:>12}", name.replace('_', " "));
        }
    }
    if let Some(message) = line.error["message"].as_str() {
        let code = line.error["code"].as_str().unwrap_or_default();
        let _ = writeln!(text, "\n  {} {} ({code})", paint(BAD, "error:"), clean_lines(message));
    }
    if let Some(hint) = line.error["hint"].as_str() {
        let _ = writeln!(text, "  {}", paint(DIM, &format!("hint: {}", clean_lines(hint))));
    }
    let mut object = run_object(line);
    object.insert("kind".into(), line.kind.clone().into());
    object.insert("target".into(), line.target.clone().into());
    object.insert("error".into(), line.error.clone());
    Answer::new(text, Map::from_iter([("run".to_owned(), Json::Object(object))]))
}

/// How every sync stands; with `check_sla` the answer's exit code tells whether one is late.
pub fn status(lines: &[StatusLine], check_sla: bool) -> Answer {
    let rows = lines.iter().map(|line| {
        let run = line.last_run.as_ref();
        let known = |count| if line.error.is_some() { "?".to_owned() } else { thousands(count) };
        vec![
            clean(&line.sync),
            run.map_or_else(|| "never run".to_owned(), |run| run.status.clone()),
            run.map_or_else(String::new, |run| time(run.started_at)),
            line.last_success_at.map_or_else(|| "never".to_owned(), time),
            if line.late { "late" } else { "" }.to_owned(),
            thousands(line.pending),
            known(line.rejected),
            known(line.parked),
        ]
    });
    let columns = ["sync", "status", "last run", "last success", "sla", "pending", "rejected", "parked"];
    let text = table::text(&columns, rows.collect());
    let body = lines.iter().map(status_object).collect();
    let late = check_sla && lines.iter().any(|line| line.late);
    let failed = lines.iter().filter_map(|line| Some(of_sync(&line.sync, line.error.clone()?)));
    let failed: Vec<Finding> = failed.collect();
    let exit = match failed.first() {
        Some(finding) => Exit::of_error(&finding.error),
        None if late => Exit::Partial,
        None => Exit::Done,
    };
    let answer = Answer::new(text, Map::from_iter([("syncs".to_owned(), Json::Array(body))]));
    answer.exit(exit).findings(failed)
}

fn run_object(run: &RunLine) -> Map<String, Json> {
    let object = json!({
        "run_id": run.run_id,
        "sync": run.sync,
        "status": run.status,
        "started_at": rfc3339(run.started_at),
        "duration_ms": run.duration_ms,
        "counts": run.counts,
    });
    object.as_object().cloned().unwrap_or_default()
}

fn status_object(line: &StatusLine) -> Json {
    let mut object = json!({
        "sync": line.sync,
        "last_run": line.last_run.as_ref().map(run_object),
        "last_success_at": line.last_success_at.map(rfc3339),
        "late": line.late,
        "pending": line.pending,
        "rejected": line.rejected,
        "parked": line.parked,
    });
    if let Some(error) = &line.error {
        object["error"] = super::json::error(error);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::report::samples;

    fn line() -> RunLine {
        RunLine {
            run_id: "20261120T080500Z-4f2a9c".into(),
            sync: "contacts_to_hubspot".into(),
            kind: "sync".into(),
            status: "partial".into(),
            started_at: "2026-11-20T08:05:00.123Z".parse().unwrap(),
            duration_ms: 1_404,
            target: None,
            counts: samples::run().counts,
            error: Json::Null,
        }
    }

    fn plain(answer: &Answer) -> String {
        anstream::adapter::strip_str(&answer.text).to_string()
    }

    #[test]
    fn runs_as_a_table_and_as_json() {
        let answer = runs(&[line(), RunLine { status: "interrupted".into(), ..line() }]);
        insta::assert_snapshot!(plain(&answer), @r"
        run                       sync                  status        started                   took    delivered   refused   pending   unchanged
        20261120T080500Z-4f2a9c   contacts_to_hubspot   partial       2026-11-20 08:05:00 UTC   1.4 s         155         4         1      99,842
        20261120T080500Z-4f2a9c   contacts_to_hubspot   interrupted   2026-11-20 08:05:00 UTC   1.4 s         155         4         1      99,842
        ");
        assert_eq!(answer.json["runs"][0]["counts"]["delivered"], 155);
        assert_eq!(plain(&runs(&[])), "no runs yet\n");
    }

    #[test]
    fn one_run_in_detail() {
        let error = json!({"code": "OF-DST-005", "message": "cannot be reached", "hint": "wait"});
        let answer = run(&RunLine { error, target: Some("dev".into()), ..line() });
        insta::assert_snapshot!(plain(&answer), @r"
        20261120T080500Z-4f2a9c   contacts_to_hubspot   partial
          started   2026-11-20 08:05:00 UTC
          took      1.4 s
          target    dev

          rows read         99,999
          added                120
          changed               35
          removed                3
          unchanged         99,842
          invalid                2
          duplicates             0
          sent                 158
          delivered            155
          rejected               2
          deferred               1
          unknown                1
          pending                1
          parked                 4
          requests               3
          reads                  2
          bytes sent        48,211
          retries                1

          error: cannot be reached (OF-DST-005)
          hint: wait
        ");
        assert_eq!(answer.json["run"]["error"]["code"], "OF-DST-005");
    }

    #[test]
    fn status_is_late_only_when_asked() {
        let never = StatusLine {
            sync: "never".into(),
            last_run: None,
            last_success_at: None,
            late: true,
            pending: 0,
            rejected: 0,
            parked: 0,
            error: None,
        };
        let good = StatusLine {
            sync: "contacts_to_hubspot".into(),
            last_run: Some(line()),
            last_success_at: Some("2026-11-20T08:05:01Z".parse().unwrap()),
            late: false,
            pending: 1,
            rejected: 2,
            parked: 1_000,
            error: None,
        };
        let lines = [good, never];
        insta::assert_snapshot!(plain(&status(&lines, false)), @r"
        sync                  status      last run                  last success              sla    pending   rejected   parked
        contacts_to_hubspot   partial     2026-11-20 08:05:00 UTC   2026-11-20 08:05:01 UTC                1          2    1,000
        never                 never run                             never                     late         0          0        0
        ");
        assert_eq!(status(&lines, false).exit, Exit::Done);
        assert_eq!(status(&lines, true).exit, Exit::Partial);
        assert_eq!(status(&lines[..1], true).exit, Exit::Done);
        let json = Json::Object(status(&lines, false).json);
        assert_eq!(json["syncs"][0]["last_run"]["run_id"], "20261120T080500Z-4f2a9c");
        assert_eq!(json["syncs"][1]["last_run"], Json::Null);
    }

    #[test]
    fn a_ledger_that_cannot_be_read_hides_no_other_sync() {
        let of = |sync: &str, error| StatusLine {
            sync: sync.into(),
            last_run: Some(line()),
            last_success_at: None,
            late: true,
            pending: 3,
            rejected: 0,
            parked: 0,
            error,
        };
        let damaged = Error::new("OF-STA-004", ErrorKind::State, "`a.db` is damaged");
        let answer = status(&[of("a", Some(damaged)), of("b", None)], true);
        insta::assert_snapshot!(plain(&answer), @r"
        sync   status    last run                  last success   sla    pending   rejected   parked
        a      partial   2026-11-20 08:05:00 UTC   never          late         3   ?          ?
        b      partial   2026-11-20 08:05:00 UTC   never          late         3   0          0
        ");
        assert_eq!((answer.exit, answer.findings.len()), (Exit::Failed, 1));
        assert_eq!(answer.findings[0].error.message, "a: `a.db` is damaged");
        assert_eq!(answer.json["syncs"][0]["error"]["code"], "OF-STA-004");
        assert!(answer.json["syncs"][1].get("error").is_none());
    }
}
