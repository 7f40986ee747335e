//! Hand-made reports for the tests of this room.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::sync::event::{
    Binds, Counts, FaultSample, Forecast, Op, Preview, Route, SampleChange, Status, SyncReport,
};

pub fn object(value: Json) -> Map<String, Json> {
    match value {
        Json::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

fn route() -> Route {
    Route {
        source: "warehouse".into(),
        model: "customers".into(),
        destination: "hubspot".into(),
        object: "contacts".into(),
        mode: "upsert".into(),
        match_on: vec!["email".into()],
    }
}

/// A run in which everything occurs.
pub fn run() -> SyncReport {
    SyncReport {
        sync: "contacts_to_hubspot".into(),
        run_id: Some("01JCXAMPLE".into()),
        status: Status::Partial,
        counts: Counts {
            rows_read: 99_999,
            added: 120,
            changed: 35,
            removed: 3,
            unchanged: 99_842,
            invalid: 2,
            sent: 158,
            delivered: 155,
            rejected: 2,
            deferred: 1,
            unknown: 1,
            pending: 1,
            parked: 4,
            requests: 3,
            reads: 2,
            bytes_sent: 48_211,
            retries: 1,
            ..Counts::default()
        },
        started_at: "2026-11-20T08:05:00.123Z".parse().unwrap(),
        duration_ms: 1_404,
        error: None,
        sandbox: false,
        route: route(),
        preview: None,
        notes: Vec::new(),
        faults: Vec::new(),
    }
}

/// The preview of the interface's description.
pub fn preview() -> SyncReport {
    let change = SampleChange {
        op: Op::Change,
        key: object(json!({"customer_id": 1042})),
        fields: object(json!({
            "lifetime_value": {"old": 10, "new": 12.5},
            "segment": {"old": "PRO-JP", "new": "TEAM-JP"},
        })),
        old_known: true,
    };
    let fault = FaultSample {
        key: object(json!({"customer_id": 88})),
        field: Some("email".into()),
        message: "null, but it is the upsert key".into(),
    };
    let forecast = Forecast {
        requests: 2,
        bytes: 48_211,
        seconds: 0.9,
        quota_percent: Some(0.01),
        binds: Binds::Answers,
    };
    SyncReport {
        run_id: None,
        status: Status::Ok,
        counts: Counts {
            rows_read: 99_999,
            added: 120,
            changed: 35,
            removed: 3,
            unchanged: 99_842,
            invalid: 2,
            ..Counts::default()
        },
        preview: Some(Preview {
            sample: vec![change],
            forecast,
            would_hold: None,
            scales: BTreeMap::from([("lifetime_value".to_owned(), 2)]),
            in_bulk: Default::default(),
            verdict: None,
            creates: Vec::new(),
        }),
        faults: vec![fault],
        ..run()
    }
}
