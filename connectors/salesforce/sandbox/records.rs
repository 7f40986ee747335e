//! One record: found, checked, saved. A record that is refused leaves nothing.

use jiff::{Timestamp, civil};
use serde_json::{Map, Value as Json};

use super::Org;
use super::schema::{Field, USER, prefix};
use crate::sandbox::{Object, State};

/// Why a record is refused.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) fields: Vec<String>,
}

impl Refused {
    pub(super) fn new(code: &'static str, message: impl Into<String>, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|&field| field.to_owned()).collect();
        Refused { code, message: message.into(), fields }
    }

    pub(super) fn locked() -> Self {
        let message = "unable to obtain exclusive access to this record or 1 records: 0014S000007dTS6QAM";
        Self::new("UNABLE_TO_LOCK_ROW", message, &[])
    }
}

/// What a change of a record comes to: its refusal, or what is wanted.
pub(super) type Changed<T> = rusqlite::Result<Result<T, Refused>>;

/// Goes on with the value, or ends with the refusal.
macro_rules! taken {
    ($changed:expr) => {
        match $changed {
            Ok(value) => value,
            Err(refused) => return Ok(Err(refused)),
        }
    };
}
pub(super) use taken;

/// The 18-character form of an id, by the vendor's checksum: each of its last three characters says which of five are
/// capital letters.
pub(super) fn long(id: &str) -> Option<String> {
    if !matches!(id.len(), 15 | 18) || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let mut whole = id[..15].to_owned();
    for part in id.as_bytes()[..15].chunks(5) {
        let bits: u32 =
            part.iter().zip(0..).map(|(byte, at)| u32::from(byte.is_ascii_uppercase()) << at).sum();
        whole.push(char::from_digit(bits, 32).map_or('A', |_| {
            char::from(if bits < 26 { b'A' + bits as u8 } else { b'0' + (bits - 26) as u8 })
        }));
    }
    Some(whole)
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The record of this id.
pub(super) fn by_id(object: &str, id: &str, state: &State<'_>) -> Changed<Object> {
    let Some(id) = long(id) else {
        return Ok(Err(Refused::new("MALFORMED_ID", format!("id value of incorrect type: {id}"), &["Id"])));
    };
    Ok(match state.get(object, &id)? {
        Some(found) if found.archived => Err(Refused::new("ENTITY_IS_DELETED", "entity is deleted", &[])),
        Some(found) => Ok(found),
        None => Err(Refused::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &["Id"])),
    })
}

/// The record that has this value in a unique field.
pub(super) fn by_key(
    object: &str,
    field: &str,
    value: &Json,
    state: &State<'_>,
) -> rusqlite::Result<Option<Object>> {
    match state.holder(object, field, &text(value).to_lowercase())? {
        Some(id) => state.get(object, &id),
        None => Ok(None),
    }
}

/// A value as a text, without quotes.
pub(super) fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Makes a record, or changes the one that was found, and gives its id.
pub(super) fn put(
    org: &Org,
    object: &str,
    found: Option<Object>,
    sent: &Map<String, Json>,
    state: &State<'_>,
) -> Changed<String> {
    if org.is_locked() {
        return Ok(Err(Refused::locked()));
    }
    let fields = org.schema.get(object).map_or(&[][..], |(_, fields)| fields);
    let mut values = Vec::new();
    for (name, value) in sent.iter().filter(|(name, _)| !matches!(name.as_str(), "attributes" | "id" | "Id"))
    {
        values.push(taken!(assigned(org, (object, fields), (name, value), state)?));
    }
    let is_new = found.is_none();
    let before = found.as_ref().map(|found| found.properties.clone()).unwrap_or_default();
    let mut after = before.clone();
    for (name, value) in values {
        match value {
            Json::Null => after.remove(&name),
            value => after.insert(name, value),
        };
    }
    if is_new && !after.contains_key("OwnerId") {
        after.insert("OwnerId".to_owned(), USER.into());
    }
    let missing: Vec<&str> = fields
        .iter()
        .filter(|field| field.required && !after.contains_key(&field.name))
        .map(|f| f.name.as_str())
        .collect();
    if !missing.is_empty() {
        let message = format!("Required fields are missing: [{}]", missing.join(", "));
        return Ok(Err(Refused::new("REQUIRED_FIELD_MISSING", message, &missing)));
    }
    let record = match found {
        Some(found) => Object { updated_at: now(), properties: after, ..found },
        None => {
            let number = state.next_id(1)?;
            let id = long(&format!("{}4S{number:010}", prefix(object))).unwrap_or_default();
            Object { id, archived: false, created_at: now(), updated_at: now(), properties: after }
        }
    };
    taken!(claim(object, fields, (&before, &record), state)?);
    match is_new {
        true => state.insert(object, &record)?,
        false => state.save(object, &record)?,
    }
    Ok(Ok(record.id))
}

/// Takes the unique values of a record that it did not have before.
fn claim(
    object: &str,
    fields: &[Field],
    (before, record): (&Map<String, Json>, &Object),
    state: &State<'_>,
) -> Changed<()> {
    let folded =
        |values: &Map<String, Json>, name: &str| values.get(name).map(|value| text(value).to_lowercase());
    let changed = fields.iter().filter(|field| field.unique).filter_map(|field| {
        let (old, new) = (folded(before, &field.name), folded(&record.properties, &field.name));
        (old != new).then_some((field, old, new))
    });
    let changed: Vec<_> = changed.collect();
    for (field, _, new) in &changed {
        if let Some(value) = new
            && let Some(holder) = state.holder(object, &field.name, value)?
        {
            let message =
                format!("duplicate value found: {} duplicates value on record with id: {holder}", field.name);
            return Ok(Err(Refused::new("DUPLICATE_VALUE", message, &[])));
        }
    }
    for (field, old, new) in changed {
        if let Some(value) = old {
            state.release(object, &field.name, &value)?;
        }
        if let Some(value) = new {
            state.claim(object, &field.name, &value, &record.id)?;
        }
    }
    Ok(Ok(()))
}

/// Puts a record into the recycle bin; its unique values are free again.
pub(super) fn remove(org: &Org, object: &str, record: Object, state: &State<'_>) -> rusqlite::Result<()> {
    let fields = org.schema.get(object).map_or(&[][..], |(_, fields)| fields);
    for field in fields.iter().filter(|field| field.unique) {
        if let Some(value) = record.properties.get(&field.name) {
            state.release(object, &field.name, &text(value).to_lowercase())?;
        }
    }
    state.save(object, &Object { archived: true, updated_at: now(), ..record })
}

/// The field that a key of a record sets, and its value.
fn assigned(
    org: &Org,
    (object, fields): (&str, &[Field]),
    (name, value): (&str, &Json),
    state: &State<'_>,
) -> Changed<(String, Json)> {
    if let Json::Object(parent) = value {
        let relation = fields.iter().find(|field| field.relationship.as_deref() == Some(name));
        let Some(relation) = relation else { return Ok(Err(no_column(object, name))) };
        return Ok(parent_id(org, relation, parent, state)?.map(|id| (relation.name.clone(), id)));
    }
    let Some(field) = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)) else {
        return Ok(Err(no_column(object, name)));
    };
    if !field.writable {
        let message = format!(
            "Unable to create/update fields: {name}. Please check the security settings of this field and verify that it is \
             read/write for your profile or permission set."
        );
        return Ok(Err(Refused::new("INVALID_FIELD_FOR_INSERT_UPDATE", message, &[name])));
    }
    if value.is_null() || value.as_str() == Some("") {
        return Ok(Ok((field.name.clone(), Json::Null)));
    }
    if field.kind == "reference" {
        return Ok(reference(field, value, state)?.map(|id| (field.name.clone(), id)));
    }
    Ok(check(field, value).map(|()| (field.name.clone(), value.clone())))
}

fn no_column(object: &str, name: &str) -> Refused {
    Refused::new("INVALID_FIELD", format!("No such column '{name}' on sobject of type {object}"), &[name])
}

/// The id that a reference is given.
fn reference(field: &Field, value: &Json, state: &State<'_>) -> Changed<Json> {
    let Some(id) = value.as_str().and_then(long) else {
        let message = format!("{}: id value of incorrect type: {}", field.name, text(value));
        return Ok(Err(Refused::new("MALFORMED_ID", message, &[&field.name])));
    };
    for parent in &field.reference_to {
        let is_there = state.get(parent, &id)?.is_some_and(|found| !found.archived);
        if is_there || (parent == "User" && id == USER) {
            return Ok(Ok(id.into()));
        }
    }
    Ok(Err(Refused::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[&field.name])))
}

/// The id of the parent that a record names by an external id.
fn parent_id(org: &Org, relation: &Field, parent: &Map<String, Json>, state: &State<'_>) -> Changed<Json> {
    let named = parent.get("attributes").and_then(|attributes| attributes["type"].as_str());
    let object = match (relation.reference_to.as_slice(), named) {
        ([one], None) => one.as_str(),
        (many, Some(named)) if many.iter().any(|one| one == named) => named,
        _ => {
            let message = format!("Polymorphic relationship {} needs the type of its parent", relation.name);
            return Ok(Err(Refused::new("INVALID_FIELD", message, &[&relation.name])));
        }
    };
    let mut keys = parent.iter().filter(|(name, _)| *name != "attributes");
    let (Some((name, value)), None) = (keys.next(), keys.next()) else {
        return Ok(Err(Refused::new(
            "INVALID_FIELD",
            "More than 1 field provided in an external foreign key reference",
            &[],
        )));
    };
    let fields = org.schema.get(object).map_or(&[][..], |(_, fields)| fields);
    let key = fields.iter().find(|field| field.name == *name && field.external_id);
    let Some(key) = key else {
        let message =
            format!("Field name provided, {name} is not an External ID or indexed field for {object}");
        return Ok(Err(Refused::new("INVALID_FIELD", message, &[])));
    };
    Ok(match by_key(object, &key.name, value, state)? {
        Some(found) => Ok(found.id.into()),
        None => {
            let value = text(value);
            let message =
                format!("Foreign key external ID: {value} not found for field {name} in entity {object}");
            Err(Refused::new("INVALID_FIELD", message, &[]))
        }
    })
}

/// Whether a field takes a value that is not empty.
fn check(field: &Field, value: &Json) -> Result<(), Refused> {
    let name = field.name.as_str();
    let refuse = |code, message: String| Err(Refused::new(code, message, &[name]));
    let shown = text(value);
    if field.refuse.contains(&shown) {
        return refuse("FIELD_CUSTOM_VALIDATION_EXCEPTION", format!("{name} must not be {shown}"));
    }
    let fits = match field.kind {
        "int" => value.is_i64(),
        "double" | "currency" | "percent" => value.is_number(),
        "boolean" => value.is_boolean(),
        "date" => value.as_str().is_some_and(|day| day.len() == 10 && day.parse::<civil::Date>().is_ok()),
        "datetime" => value.as_str().is_some_and(|time| time.parse::<Timestamp>().is_ok()),
        _ => value.is_string(),
    };
    if !fits {
        return refuse(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            format!("{name}: value not of required type: {shown}"),
        );
    }
    if field.kind == "email"
        && !shown.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))
    {
        return refuse("INVALID_EMAIL_ADDRESS", format!("{name}: invalid email address: {shown}"));
    }
    let several = field.kind == "multipicklist";
    let chosen = shown.split(';').filter(|_| several).chain(Some(shown.as_str()).filter(|_| !several));
    if field.restricted && !chosen.into_iter().all(|one| field.options.iter().any(|option| option == one)) {
        let message = format!("{name}: bad value for restricted picklist field: {shown}");
        return refuse("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message);
    }
    if field.length > 0 && shown.chars().count() > field.length {
        let message = format!("{name}: data value too large: {shown} (max length={})", field.length);
        return refuse("STRING_TOO_LONG", message);
    }
    Ok(())
}
