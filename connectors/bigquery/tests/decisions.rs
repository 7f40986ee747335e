//! What is decided without asking: about a job that was left, and about an error.

use google_cloud_bigquery_v2::model::{ErrorProto, Job, JobStatistics, JobStatus};
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::{Code, Status};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::config;
use crate::bigquery::errors::{by_reason, failed, is_denied, is_unknown};
use crate::bigquery::handle::{Handle, Left, labels};
use crate::bigquery::playbook::ENTRIES;
use crate::contract::{Kind, ReadContext, Retry};

fn handle(location: Option<&str>) -> Handle {
    let mut config = config(None, json!({})).unwrap();
    config.location = location.map(str::to_owned);
    Handle::new(&config, &ReadContext::fleeting("people"), "select 1", Timestamp::now())
}

#[test]
fn a_left_job_is_taken_cancelled_or_forgotten() {
    let now = Timestamp::now();
    let job = |state: &str, minutes: i64| {
        let ended = now - SignedDuration::from_mins(minutes);
        Job::new()
            .set_status(JobStatus::new().set_state(state))
            .set_statistics(JobStatistics::new().set_end_time(ended.as_millisecond()))
    };
    let broken = JobStatus::new().set_state("DONE").set_error_result(ErrorProto::new().set_reason("stopped"));
    let slow = handle(None).judge(true, &job("DONE", -30), now);
    assert_eq!(slow, Left::Forget, "a clock that is behind makes an old result look new");
    let old = Handle { at: now - SignedDuration::from_hours(2), ..handle(None) };
    assert_eq!(old.judge(true, &job("RUNNING", 0), now), Left::Cancel);
    for (ours, job, left) in [
        (true, job("RUNNING", 0), Left::Take),
        (true, job("PENDING", 0), Left::Take),
        (false, job("RUNNING", 0), Left::Cancel),
        (true, job("DONE", 9), Left::Take),
        (true, job("DONE", 11), Left::Forget),
        (false, job("DONE", 1), Left::Forget),
        (true, job("DONE", 1).set_status(broken), Left::Forget),
    ] {
        assert_eq!(handle(None).judge(ours, &job, now), left, "{ours} {job:?}");
    }
}

#[test]
fn a_handle_is_of_one_project_place_and_query() {
    let ours = config(None, json!({"location": "EU"})).unwrap();
    assert!(handle(Some("eu")).is_of(&ours, "select 1") && handle(None).is_of(&ours, "select 1"));
    assert!(!handle(Some("US")).is_of(&ours, "select 1") && !handle(None).is_of(&ours, "select 2"));
    let as_another =
        config(None, json!({"location": "EU", "impersonate": "other@p1.iam.gserviceaccount.com"})).unwrap();
    assert!(!handle(None).is_of(&as_another, "select 1"), "another account may see other rows");
    let other = config(None, json!({"project": "p2"})).unwrap();
    assert!(!handle(None).is_of(&other, "select 1"));
    let kept = handle(Some("EU"));
    assert_eq!(Handle::parse(&kept.text()), Some(kept));
    assert_eq!(Handle::parse("{\"statement\": 7}"), None);
    assert_ne!(handle(None).job, handle(None).job);
}

#[test]
fn labels_fit_bigquery() {
    let mut context = ReadContext::fleeting(&"Ünder/Leute".repeat(20));
    context.run_id = Some("01J9ZK".to_owned());
    let labels = labels(&context);
    assert_eq!(labels[1], ("outflow_run".to_owned(), "01j9zk".to_owned()));
    assert!(labels[0].1.len() == 63 && labels[0].1.starts_with("_nder_leute"), "{labels:?}");
}

#[test]
fn a_reason_decides_who_must_act() {
    let config = config(None, json!({})).unwrap();
    for (reason, words, kind, hint) in [
        (
            "accessDenied",
            "Access Denied: Project p1: User does not have bigquery.jobs.create",
            Kind::Auth,
            "jobUser",
        ),
        ("accessDenied", "Access Denied: Table p1:a.b", Kind::Auth, "dataViewer"),
        ("accessDenied", "permission 'bigquery.readsessions.create' denied", Kind::Auth, "readSessionUser"),
        ("accessDenied", "Request had insufficient authentication scopes", Kind::Auth, "scope"),
        ("notFound", "Not found: Dataset p1:a in location US", Kind::Config, "location"),
        ("invalidQuery", "Syntax error", Kind::Config, "editor"),
        ("bytesBilledLimitExceeded", "Query exceeded limit", Kind::Config, "maximum_bytes_billed"),
        ("responseTooLarge", "", Kind::Config, "storage_read"),
        ("quotaExceeded", "", Kind::Quota, "quota"),
        ("rateLimitExceeded", "", Kind::RateLimited, "later"),
        ("backendError", "", Kind::Unavailable, "later"),
        ("jobBackendError", "", Kind::Unavailable, "later"),
        ("stopped", "", Kind::Unavailable, "cancelled"),
        ("timeout", "", Kind::Unavailable, "job_timeout"),
    ] {
        let error = by_reason(&config, "the query failed", reason, words);
        assert!(error.kind == kind && error.hint.as_deref().unwrap().contains(hint), "{reason}: {error:?}");
        assert_eq!(error.code.as_deref(), Some(reason));
        assert!(ENTRIES.iter().any(|entry| entry.code == reason), "{reason}");
        assert!(error.message.starts_with("connection `wh` (bigquery): the query failed: "), "{error}");
    }
}

#[test]
fn answers_without_a_reason_go_by_their_code() {
    let config = config(None, json!({})).unwrap();
    let told = |code: Code| Error::service(Status::default().set_code(code).set_message("no"));
    for (code, reason, kind, retry) in [
        (Code::PermissionDenied, "accessDenied", Kind::Auth, Retry::Never),
        (Code::Unauthenticated, "authError", Kind::Auth, Retry::Never),
        (Code::NotFound, "notFound", Kind::Config, Retry::Never),
        (Code::ResourceExhausted, "rateLimitExceeded", Kind::RateLimited, Retry::Exhausted),
        (Code::Internal, "backendError", Kind::Unavailable, Retry::Exhausted),
    ] {
        let error = failed(&config, "reading rows failed", told(code));
        assert_eq!((error.code.as_deref(), error.kind, error.retry), (Some(reason), kind, retry));
    }
    assert!(is_denied(&told(Code::PermissionDenied)) && !is_denied(&told(Code::Unavailable)));
    assert!(is_unknown(&Error::http(404, Default::default(), Default::default())));
    let unreached = failed(&config, "the query failed", Error::io("refused"));
    assert_eq!((unreached.code.as_deref(), unreached.kind), (Some("unreachable"), Kind::Unavailable));
}
