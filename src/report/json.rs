//! The objects of `--format json`; their keys are part of the interface.

use outflow_connectors::contract::Property;
use serde_json::{Map, Value as Json, json};

use super::format::rfc3339;
use crate::error::{Error, ErrorKind};
use crate::sync::event::{Preview, SyncReport};

/// What every command prints: version, command and exit code, then the command's own keys.
pub fn envelope(command: &str, exit_code: u8, body: &Map<String, Json>) -> Json {
    let mut object = Map::new();
    object.insert("outflow".into(), env!("CARGO_PKG_VERSION").into());
    object.insert("command".into(), command.into());
    object.insert("exit_code".into(), exit_code.into());
    object.extend(body.iter().map(|(name, value)| (name.clone(), value.clone())));
    Json::Object(object)
}

/// `{code, kind, message, hint, file, line, column}`; causes stand in the message.
pub fn error(error: &Error) -> Json {
    let location = error.location.as_ref();
    json!({
        "code": error.code,
        "kind": error.kind,
        "message": whole_message(error),
        "hint": error.hint,
        "file": location.map(|l| l.file.display().to_string()),
        "line": location.map(|l| l.line),
        "column": location.map(|l| l.column),
    })
}

fn whole_message(error: &Error) -> String {
    let mut message = error.message.clone();
    for cause in error.causes.iter().filter(|cause| !error.message.contains(cause.as_str())) {
        message.push_str(": ");
        message.push_str(cause);
    }
    message
}

/// The body of `sync` and `diff`.
pub fn syncs(reports: &[SyncReport], preview: bool) -> Map<String, Json> {
    let mut body = Map::new();
    if reports.iter().any(|report| report.sandbox) {
        body.insert("sandbox".into(), true.into());
    }
    body.insert("syncs".into(), reports.iter().map(|report| sync(report, preview)).collect());
    body
}

fn sync(report: &SyncReport, preview: bool) -> Json {
    let mut object = Map::new();
    object.insert("sync".into(), report.sync.clone().into());
    object.insert("run_id".into(), report.run_id.clone().into());
    object.insert("status".into(), json!(report.status));
    if let Json::Object(counts) = json!(report.counts) {
        object.extend(counts);
    }
    object.insert("started_at".into(), rfc3339(report.started_at).into());
    object.insert("duration_ms".into(), report.duration_ms.into());
    object.insert("error".into(), report.error.as_ref().map_or(Json::Null, error));
    if report.sandbox {
        object.insert("sandbox".into(), true.into());
    }
    if preview {
        object.extend(shown(report.preview.as_ref().unwrap_or(&Preview::default())));
    }
    Json::Object(object)
}

fn shown(preview: &Preview) -> Map<String, Json> {
    let mut object = Map::new();
    object.insert("sample".into(), json!(preview.sample));
    object.insert("forecast".into(), json!(preview.forecast));
    if let Some(verdict) = &preview.verdict {
        object.insert("deliver_within".into(), json!(verdict));
    }
    if !preview.creates.is_empty() {
        let named = |p: &Property| json!({"name": p.name, "type": p.kind.name()});
        object.insert("creates".into(), preview.creates.iter().map(named).collect());
    }
    if let Some(stop) = &preview.would_hold {
        let name = if stop.kind == ErrorKind::Held { "would_hold" } else { "would_fail" };
        object.insert(name.into(), error(stop));
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Location;
    use crate::report::samples;

    fn keys(value: &Json) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn a_sync_has_exactly_the_documented_keys() {
        let body = syncs(&[samples::run()], false);
        let object = envelope("sync", 3, &body);
        assert_eq!(keys(&object), ["outflow", "command", "exit_code", "syncs"]);
        let expected = "sync run_id status rows_read added changed removed unchanged invalid duplicates sent \
             delivered rejected deferred unknown pending parked requests reads bytes_sent retries started_at \
             duration_ms error";
        assert_eq!(keys(&object["syncs"][0]), expected.split_whitespace().collect::<Vec<_>>());
        assert_eq!(object["syncs"][0]["status"], "partial");
        assert_eq!(object["syncs"][0]["started_at"], "2026-11-20T08:05:00.123Z");
        assert_eq!(object["syncs"][0]["error"], Json::Null);
    }

    #[test]
    fn a_preview_adds_sample_and_forecast_and_the_sandbox_is_marked_twice() {
        let mut report = samples::preview();
        report.sandbox = true;
        let object = envelope("diff", 0, &syncs(&[report], true));
        assert_eq!(object["sandbox"], true);
        let sync = &object["syncs"][0];
        assert_eq!(sync["sandbox"], true);
        assert_eq!(sync["run_id"], Json::Null);
        let expected = json!([{
            "op": "change",
            "key": {"customer_id": 1042},
            "fields": {
                "lifetime_value": {"old": 10, "new": 12.5},
                "segment": {"old": "PRO-JP", "new": "TEAM-JP"},
            },
        }]);
        assert_eq!(sync["sample"], expected);
        assert_eq!(keys(&sync["forecast"]), ["requests", "bytes", "seconds", "quota_percent"]);
    }

    #[test]
    fn an_error_names_its_place_and_its_causes() {
        let io = std::io::Error::other("disk on fire");
        let location = Location { file: "mappings/a.yml".into(), line: 3, column: 5 };
        let failed = Error::new("OF-CFG-002", ErrorKind::Config, "`a.yml` cannot be read")
            .because(&io)
            .at(location)
            .hint("mend it");
        let expected = json!({
            "code": "OF-CFG-002", "kind": "config", "message": "`a.yml` cannot be read: disk on fire",
            "hint": "mend it", "file": "mappings/a.yml", "line": 3, "column": 5,
        });
        assert_eq!(error(&failed), expected);
    }
}
