//! Profiles as Klaviyo reads them: `{"type": "profile", "attributes": {..}}`. Pure.
//!
//! A null empties an attribute; a custom property is emptied by its name in `meta.patch_properties.unset` (`ProfileMeta` of
//! the vendor's description). Neither has a meaning for a profile that is new.

use super::options::{ATTRIBUTES, ID, Key, LOCATION};
use crate::contract::{
    BatchSource, ChangeRef, ConnectorError, FieldRef, Outcome, Outcomes, ValueRef, Verb, write_text,
};
use crate::http::Items;

/// Most bytes of a profile: "100KB" (`create_or_update_profile`, `bulk_import_profiles`), taken for thousands, without what
/// stands around a single one.
const LONGEST: usize = 100_000 - SINGLE_FRAME;

/// Around a profile that is sent alone.
pub(super) const SINGLE_OPEN: &str = "{\"data\":";
pub(super) const SINGLE_CLOSE: &str = "}";
const SINGLE_FRAME: usize = SINGLE_OPEN.len() + SINGLE_CLOSE.len();

/// What a row empties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Clears {
    Nothing,
    /// Custom properties alone.
    Properties,
    /// Attributes, perhaps among others.
    Attributes,
}

/// Where a row that is sent stands in its batch, and by what its profile is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) place: usize,
    pub(super) key: String,
}

/// Profiles that are sent in the same way.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) items: Items,
    pub(super) sent: Vec<Sent>,
}

impl Rows {
    pub(super) fn keys(&self, rows: &[usize]) -> Vec<String> {
        rows.iter().map(|row| self.sent[*row].key.clone()).collect()
    }

    fn push(&mut self, item: &[u8], sent: Sent) {
        let written: Result<(), ()> = self.items.push(|out| {
            out.extend_from_slice(item);
            Ok(())
        });
        if written.is_ok() {
            self.sent.push(sent);
        }
    }

    /// Each with its outcome, in their order.
    pub(super) fn tell(&self, outcomes: Vec<Outcome>, all: &mut Outcomes) {
        self.sent.iter().zip(outcomes).for_each(|(sent, outcome)| all.set(sent.place, outcome));
    }
}

/// A batch, encoded.
#[derive(Debug)]
pub(super) struct Encoded {
    /// Those that an import can say.
    pub(super) many: Rows,
    /// Those that go one by one.
    pub(super) single: Rows,
    /// Of those that cannot be sent.
    pub(super) outcomes: Outcomes,
}

impl Encoded {
    /// Encodes each change. `id` gives the profile that the change at a place is for, or what it comes to without one;
    /// `imports` whether a row that empties so much can go by import.
    ///
    /// # Errors
    /// Where the batch cannot be read.
    pub(super) fn of(
        batch: &dyn BatchSource,
        key: Key,
        id: impl Fn(usize) -> Result<Option<String>, Outcome>,
        imports: impl Fn(Clears) -> bool,
    ) -> Result<Self, ConnectorError> {
        let mut encoded =
            Encoded { many: Rows::default(), single: Rows::default(), outcomes: Outcomes::new(batch.len()) };
        let (mut place, mut item) = (0, Vec::new());
        batch.each(&mut |change| {
            item.clear();
            let written = key_of(key, change).and_then(|own| {
                let clears = profile(change, id(place)?.as_deref(), &mut item)?;
                Ok((own, clears))
            });
            match written {
                Ok((own, clears)) => {
                    let rows = if imports(clears) { &mut encoded.many } else { &mut encoded.single };
                    rows.push(&item, Sent { place, key: own });
                }
                Err(refused) => encoded.outcomes.set(place, refused),
            }
            place += 1;
            Ok(())
        })?;
        Ok(encoded)
    }
}

/// The text that the change's profile is found by. Empty only where its id is known.
///
/// # Errors
/// The outcome of a row whose profile Klaviyo could not find.
pub(super) fn key_of(key: Key, change: ChangeRef<'_>) -> Result<String, Outcome> {
    let value = change.destination_key.first().map(|field| &field.value);
    let text = value.filter(|value| **value != ValueRef::Null).map(ToString::to_string).unwrap_or_default();
    let by_id =
        matches!(change.verb, Verb::Update | Verb::Delete | Verb::Leave) && change.remote_id.is_some();
    let refused = |code: &str, message: &str| Outcome::Rejected {
        code: code.to_owned(),
        field: Some(key.field().to_owned()),
        message: message.to_owned(),
    };
    match () {
        () if by_id => Ok(text),
        () if text.is_empty() => {
            Err(refused("KEY_EMPTY", "the match key is empty, so Klaviyo cannot find the profile"))
        }
        () if key == Key::Phone && !is_e164(&text) => Err(refused(
            "PHONE_NUMBER_NOT_E164",
            "the phone number is not in E.164 format: a plus, the country's code, and up to 15 digits in all",
        )),
        () => Ok(text),
    }
}

/// `+15005550006`: a plus and 2 to 15 digits, the first of them not zero (ITU-T E.164).
pub(super) fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (2..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Appends the profile of a change, and says what it empties.
fn profile(change: ChangeRef<'_>, id: Option<&str>, out: &mut Vec<u8>) -> Result<Clears, Outcome> {
    let is_new = change.verb == Verb::Create;
    let is_null = |field: &&FieldRef<'_>| field.value == ValueRef::Null;
    let fields = || change.fields.iter().filter(|field| field.name != ID && !(is_new && is_null(field)));
    let attributes = || fields().filter(|field| ATTRIBUTES.contains(&field.name));
    let places = || fields().filter_map(|field| Some((field.name.strip_prefix(LOCATION)?, &field.value)));
    let custom =
        || fields().filter(|field| !ATTRIBUTES.contains(&field.name) && !field.name.starts_with(LOCATION));
    out.extend_from_slice(b"{\"type\":\"profile\"");
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        write_text(id, out);
    }
    out.extend_from_slice(b",\"attributes\":{");
    for field in attributes() {
        name(field.name, out);
        write_string(&field.value, out);
    }
    if places().next().is_some() {
        name("location", out);
        out.push(b'{');
        for (part, value) in places() {
            name(part, out);
            match value {
                ValueRef::Number(_) if part.ends_with("itude") => value.write_json(out),
                value => write_string(value, out),
            }
        }
        out.push(b'}');
    }
    if custom().any(|field| !is_null(&field)) {
        name("properties", out);
        out.push(b'{');
        for field in custom().filter(|field| !is_null(field)) {
            name(field.name, out);
            field.value.write_json(out);
        }
        out.push(b'}');
    }
    out.push(b'}');
    let empties = custom().any(|field| is_null(&field));
    if empties {
        out.extend_from_slice(b",\"meta\":{\"patch_properties\":{\"unset\":[");
        for field in custom().filter(is_null) {
            comma(out);
            write_text(field.name, out);
        }
        out.extend_from_slice(b"]}}");
    }
    out.push(b'}');
    if out.len() > LONGEST {
        let message = format!("the profile has {} bytes, and Klaviyo takes {LONGEST}", out.len());
        return Err(Outcome::Rejected { code: "PROFILE_TOO_LARGE".to_owned(), field: None, message });
    }
    let nulls =
        attributes().any(|field| is_null(&field)) || places().any(|(_, value)| *value == ValueRef::Null);
    Ok(match (nulls, empties) {
        (true, _) => Clears::Attributes,
        (false, true) => Clears::Properties,
        (false, false) => Clears::Nothing,
    })
}

/// Between two members of an object or a list.
fn comma(out: &mut Vec<u8>) {
    if !matches!(out.last(), Some(b'{' | b'[')) {
        out.push(b',');
    }
}

fn name(name: &str, out: &mut Vec<u8>) {
    comma(out);
    write_text(name, out);
    out.push(b':');
}

/// A null, or a text of whatever it is.
fn write_string(value: &ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Date(_) | ValueRef::DateTime(_) => {
            value.write_json(out)
        }
        other => write_text(&other.to_string(), out),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::contract::{Change, FieldValue, Number, Value};

    fn field(name: &str, value: Value) -> FieldValue {
        FieldValue { name: name.into(), value }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn ann(verb: Verb, more: Vec<FieldValue>) -> Change {
        let key = field("email", text("ann@x.io"));
        let fields = [vec![key.clone()], more].concat();
        Change { verb, destination_key: vec![key], remote_id: None, fields }
    }

    fn wire(change: &Change, id: Option<&str>) -> Result<(Json, Clears), Outcome> {
        let mut out = Vec::new();
        let clears = change.borrowed(|change| profile(change, id, &mut out))?;
        Ok((serde_json::from_slice(&out).unwrap(), clears))
    }

    #[test]
    fn attributes_places_and_properties_have_their_places() {
        let fields = || {
            vec![
                field("first_name", text("Zoë \"Z\"")),
                field("title", Value::Null),
                field("external_id", Value::Integer(7)),
                field("location.city", text("Kyoto")),
                field("location.latitude", Value::Number(Number::parse("35.01").unwrap())),
                field("plan", text("pro")),
                field("since", Value::Date("2026-02-03".parse().unwrap())),
                field("seen", Value::DateTime("2026-02-03T04:05:06Z".parse().unwrap())),
                field("topics", Value::List(vec![text("art"), Value::Integer(2)])),
                field("gone", Value::Null),
            ]
        };
        let properties = json!({
            "plan": "pro", "since": "2026-02-03", "seen": "2026-02-03T04:05:06Z", "topics": ["art", 2]
        });
        let mut expected = json!({
            "type": "profile",
            "attributes": {
                "email": "ann@x.io", "first_name": "Zoë \"Z\"", "title": null, "external_id": "7",
                "location": {"city": "Kyoto", "latitude": 35.01}, "properties": properties,
            },
            "meta": {"patch_properties": {"unset": ["gone"]}},
        });
        assert_eq!(wire(&ann(Verb::Upsert, fields()), None).unwrap(), (expected.clone(), Clears::Attributes));
        // What is new has nothing to empty.
        expected.as_object_mut().unwrap().remove("meta");
        expected["attributes"].as_object_mut().unwrap().remove("title");
        assert_eq!(wire(&ann(Verb::Create, fields()), None).unwrap(), (expected, Clears::Nothing));
    }

    #[test]
    fn what_a_row_empties_is_known() {
        for (name, clears) in [
            ("title", Clears::Attributes),
            ("location.zip", Clears::Attributes),
            ("plan", Clears::Properties),
        ] {
            assert_eq!(
                wire(&ann(Verb::Upsert, vec![field(name, Value::Null)]), None).unwrap().1,
                clears,
                "{name}"
            );
        }
        let (shown, clears) = wire(&ann(Verb::Update, Vec::new()), Some("01AB")).unwrap();
        assert_eq!(clears, Clears::Nothing);
        assert_eq!(shown, json!({"type": "profile", "id": "01AB", "attributes": {"email": "ann@x.io"}}));
    }

    #[test]
    fn a_row_that_cannot_be_sent_is_refused_alone() {
        let large = |length: usize| ann(Verb::Upsert, vec![field("note", text(&"x".repeat(length)))]);
        let spare = LONGEST - serde_json::to_vec(&wire(&large(0), None).unwrap().0).unwrap().len();
        assert!(wire(&large(spare), None).is_ok());
        let refused = wire(&large(spare + 1), None).unwrap_err();
        assert!(matches!(refused, Outcome::Rejected { code, .. } if code == "PROFILE_TOO_LARGE"));

        let keyed = |key: Key, value: Value, verb: Verb, remote_id: Option<&str>| {
            let destination_key = vec![field(key.field(), value)];
            let remote_id = remote_id.map(str::to_owned);
            let change = Change { verb, destination_key, remote_id, fields: Vec::new() };
            change.borrowed(|change| key_of(key, change))
        };
        for verb in Verb::ALL {
            let refused = keyed(Key::Email, Value::Null, verb, None).unwrap_err();
            assert!(matches!(refused, Outcome::Rejected { code, .. } if code == "KEY_EMPTY"), "{verb}");
            let refused = keyed(Key::Phone, text("0612345678"), verb, None).unwrap_err();
            assert!(matches!(refused, Outcome::Rejected { code, .. } if code == "PHONE_NUMBER_NOT_E164"));
        }
        assert_eq!(keyed(Key::Email, Value::Null, Verb::Update, Some("01AB")), Ok(String::new()));
        assert_eq!(
            keyed(Key::Phone, text("+33612345678"), Verb::Upsert, None),
            Ok("+33612345678".to_owned())
        );
    }

    #[test]
    fn a_phone_number_has_a_plus_and_up_to_15_digits() {
        for good in ["+15005550006", "+33612345678", "+12", "+123456789012345"] {
            assert!(is_e164(good), "{good}");
        }
        for bad in [
            "",
            "+",
            "+1",
            "15005550006",
            "+05005550006",
            "+1 500 555 0006",
            "+1234567890123456",
            "+1500x",
            "++1500",
        ] {
            assert!(!is_e164(bad), "{bad}");
        }
    }
}
