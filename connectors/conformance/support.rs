//! What the tests of connectors share: connections that give up soon, answers of fixtures, deliveries.

use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value as Json, json};

use super::Forgetful;
use crate::contract::{
    Change, ConnectorError, Destination, FieldValue, Kind, Outcome, RunContext, RunEnd, Submitted, Target,
    Value, Verb,
};
use crate::http::{Answer, KeyLogin, Policy};
use crate::registry::{Limits, Settings};

/// Three attempts, with pauses of some milliseconds.
pub fn policy(timeout: Duration) -> Policy {
    let (first_pause, longest_pause) = (Duration::from_millis(1), Duration::from_millis(2));
    Policy { timeout, attempts: 3, first_pause, longest_pause, ..Policy::default() }
}

/// The settings of a connection to the sandbox, or to a server of the test's own.
///
/// # Panics
/// Where `values` is no object.
pub fn settings(values: &Json, base_url: &str) -> Settings {
    Settings {
        connection: "under_test".to_owned(),
        values: values.as_object().expect("settings are an object").clone(),
        base_url: Some(base_url.to_owned()),
        sandbox: true,
        limits: Limits::default(),
        environment: Default::default(),
    }
}

/// The settings of a connection `mail` to the vendor's own address.
///
/// # Panics
/// Where `values` is no object.
pub fn written(values: Json) -> Settings {
    Settings { connection: "mail".to_owned(), base_url: None, sandbox: false, ..settings(&values, "") }
}

/// Each of these settings is refused with these words, the connection's name and what to do.
///
/// # Panics
/// Where one is not.
#[track_caller]
pub fn refuses<T: Debug>(
    kind: &str,
    read: impl Fn(&Settings) -> Result<T, ConnectorError>,
    cases: &[(Json, &str)],
) {
    for (values, words) in cases {
        let error = read(&written(values.clone())).unwrap_err();
        let named = error.message.contains(&format!("`mail` ({kind})"));
        assert!(named && error.message.contains(*words), "{error}");
        assert!(error.kind == Kind::Config && error.hint.is_some(), "{values}: {error:?}");
    }
}

/// A connection logs in by its key, shows it to nobody, and has the limits of its account.
///
/// # Panics
/// Where it does not.
#[track_caller]
pub fn logs_in_by_key(login: &KeyLogin) {
    let read = |key: &str| login.read(&written(json!({"api_key": key}))).unwrap();
    let made = read(" key-secret\n");
    assert_eq!(made.base_url.as_str(), login.api);
    let own = format!("{}:", login.kind);
    assert!(!format!("{made:?}").contains("secret") && made.owner.0.starts_with(&own), "{made:?}");
    assert_eq!(read("key-secret").owner, made.owner, "the space around a key is no part of it");
    assert_ne!(read("key-other").owner, made.owner);
    let refused = [
        (json!({}), "`api_key` is missing"),
        (json!({"api_key": " "}), "`api_key` is empty"),
        (json!({"api_key": 7}), "`api_key` must be a text"),
        (json!({"api_key": "k", "no_such": "t"}), "unknown setting `no_such`"),
    ];
    refuses(login.kind, |settings| login.read(settings), &refused);
}

/// The settings of a connection with this key, under these limits.
pub fn by_key(key: &str, base_url: &str, limits: Limits) -> Settings {
    Settings { limits, ..settings(&json!({"api_key": key}), base_url) }
}

/// A file of `fixtures/http/`, named as `hubspot/limit-daily`.
///
/// # Panics
/// Where there is none, or it is not JSON.
pub fn fixture(name: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/http/{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An answer as fixtures write it, `{"status", "headers", "body"}`: a body that is a text is no JSON, and an empty text is
/// an empty body.
///
/// # Panics
/// Where it is not written so.
pub fn answer(response: &Json) -> Answer {
    let headers = response["headers"].as_object().into_iter().flatten().map(|(name, value)| {
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        (name.parse::<HeaderName>().expect("a header's name"), value.expect("a header's text"))
    });
    let headers: HeaderMap = headers.collect();
    let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let body = &response["body"];
    Answer {
        status: status.expect("a status"),
        headers,
        json: (body.is_object() || body.is_array()).then(|| body.clone()),
        plain: body.as_str().filter(|text| !text.is_empty()).map(str::to_owned),
        body_is_empty: body == "",
    }
}

/// Delivers one batch in a session of its own.
///
/// # Errors
/// Those of the session.
///
/// # Panics
/// Where the batch is not answered at once.
pub async fn submit(
    destination: &dyn Destination,
    target: &Target,
    changes: Vec<Change>,
) -> Result<Vec<Outcome>, ConnectorError> {
    let session = destination.open(target, RunContext::alone("run", "sync")).await?;
    let receipt = match session.submit(&changes, &Forgetful).await? {
        Submitted::Done(receipt) | Submitted::Stopped(receipt, _) => receipt,
        Submitted::Pending(_) => panic!("a job was opened"),
    };
    session.finish(RunEnd::Complete).await?;
    Ok(receipt.into_outcomes())
}

/// A mapping's target.
///
/// # Panics
/// Where `options` is no object.
pub fn target(object: &str, match_on: &[&str], fields: &[&str], options: Json) -> Target {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Target {
        object: object.to_owned(),
        match_on: texts(match_on),
        fields: texts(fields),
        options: options.as_object().expect("options are an object").clone(),
        ..Target::default()
    }
}

/// A change of the object with this match key, which is sent with its other fields unless it is a removal.
pub fn change(verb: Verb, (key, value): (&str, &str), fields: &[(&str, Value)]) -> Change {
    let key = field(key, value);
    let more = fields.iter().map(|(name, value)| holding(name, value.clone()));
    let fields = match verb {
        Verb::Delete => Vec::new(),
        _ => std::iter::once(key.clone()).chain(more).collect(),
    };
    Change { verb, destination_key: vec![key], remote_id: None, fields }
}

/// A text.
pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A field that holds a value.
pub fn holding(name: &str, value: Value) -> FieldValue {
    FieldValue { name: name.into(), value }
}

/// A field that holds a text.
pub fn field(name: &str, text: &str) -> FieldValue {
    holding(name, Value::Text(text.to_owned()))
}

/// The code of a refusal.
///
/// # Panics
/// Where it is none.
#[track_caller]
pub fn rejected(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Rejected { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

/// Whether the destination confirmed the change.
pub fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied { .. })
}

/// The id that the destination names.
///
/// # Panics
/// Where it names none.
#[track_caller]
pub fn id_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied { remote_id: Some(id), .. } => id.clone(),
        other => panic!("{other:?}"),
    }
}

/// Whether nobody knows what became of the change.
pub fn is_unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown { .. })
}

/// Outcomes as letters: applied, rejected, deferred, unknown, skipped.
pub fn letters(outcomes: &[Outcome]) -> String {
    let letter = |outcome: &Outcome| match outcome {
        Outcome::Applied { .. } => 'a',
        Outcome::Rejected { .. } => 'r',
        Outcome::Deferred { .. } => 'd',
        Outcome::Unknown { .. } => 'u',
        Outcome::Skipped { .. } => 's',
    };
    outcomes.iter().map(letter).collect()
}
