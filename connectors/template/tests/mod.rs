//! The connector against the emulator, and what its tests share.

mod conformance;

use reqwest::header::HeaderMap;
use serde_json::{Map, Value as Json};

use crate::contract::{Change, FieldValue, Target, Value, Verb};
use crate::http::Answer;

pub(super) fn target() -> Target {
    Target {
        object: "people".to_owned(),
        match_on: vec!["id".to_owned()],
        fields: vec!["id".to_owned(), "name".to_owned()],
        types: Default::default(),
        missing: Vec::new(),
        associations: Vec::new(),
        options: Map::new(),
    }
}

pub(super) fn field(name: &str, value: Value) -> FieldValue {
    FieldValue { name: name.into(), value }
}

pub(super) fn change(verb: Verb, id: &str) -> Change {
    let key = vec![field("id", Value::Text(id.to_owned()))];
    let name = field("name", Value::Text("Ann".to_owned()));
    let fields = if verb == Verb::Delete { Vec::new() } else { vec![key[0].clone(), name] };
    Change { verb, destination_key: key, remote_id: None, fields }
}

pub(super) fn answer(status: u16, body: &Json) -> Answer {
    Answer {
        status,
        headers: HeaderMap::new(),
        json: body.is_object().then(|| body.clone()),
        plain: body.as_str().map(str::to_owned),
        body_is_empty: false,
    }
}
