//! People and events by `/api/v1`.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::people::{Event, People, Who};
use super::{not_found, parse, refused, told};
use crate::sandbox::vendor::{Answer, Request};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<String>,
    timestamp: Option<Json>,
    anonymous_id: Option<String>,
    #[serde(default)]
    data: Map<String, Json>,
}

pub(super) fn answer(
    people: &People<'_>,
    method: &str,
    path: &[&str],
    request: &Request,
) -> rusqlite::Result<Answer> {
    if let ("POST", ["events"]) = (method, path) {
        return event(people, None, request);
    }
    let ["customers", identifier, call @ ..] = path else { return Ok(not_found()) };
    let who = match Who::of_path(identifier) {
        Ok(who) => who,
        Err(wrong) => return Ok(refused(&wrong.message)),
    };
    match (method, call) {
        ("PUT", []) => match parse::<Map<String, Json>>(&request.body) {
            Ok(attributes) => people.identify(&who, &attributes).map(told),
            Err(refusal) => Ok(refusal),
        },
        ("DELETE", []) => people.delete(&who).map(|()| told(Ok(()))),
        ("POST", [call @ ("suppress" | "unsuppress")]) => {
            people.suppress(&who, *call == "suppress").map(|()| told(Ok(())))
        }
        ("POST", ["events"]) => event(people, Some(&who), request),
        _ => Ok(not_found()),
    }
}

fn event(people: &People<'_>, who: Option<&Who>, request: &Request) -> rusqlite::Result<Answer> {
    let sent: Sent = match parse(&request.body) {
        Ok(sent) => sent,
        Err(refusal) => return Ok(refusal),
    };
    if sent.kind.as_deref().is_some_and(|kind| !matches!(kind, "event" | "page" | "screen")) {
        return Ok(refused("type must be event, page or screen"));
    }
    if who.is_some() && sent.anonymous_id.is_some() {
        return Ok(refused("anonymous_id does not belong to the event of a person"));
    }
    let event = Event {
        name: sent.name.as_deref(),
        id: sent.id.as_deref(),
        timestamp: sent.timestamp.as_ref(),
        data: &sent.data,
    };
    people.event(who, &event).map(told)
}
