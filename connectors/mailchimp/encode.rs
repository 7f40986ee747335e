//! Members as Mailchimp reads them.
//!
//! Recorded of a real account: an empty text empties merge fields of texts and numbers; a day is taken as `YYYY-MM-DD`
//! whatever the field's own format; what a request leaves out stays. That a birthday is `MM/DD` and an address an
//! object, and that an empty text empties every other type, stands in no document that we know.

use std::io::Write;

use md5::{Digest, Md5};

use super::fields::{EMAIL, Form, Forms, INTERESTS, LOCATION, STATUS, TAGS, is_merge_field};
use crate::contract::{ChangeRef, FieldRef, Outcome, ValueRef, Verb, fold, write_text};
use crate::http::Items;

/// Statuses that take a member away; they bring nobody back.
const AWAY: [&str; 2] = ["unsubscribed", "cleaned"];

/// How the fields of a batch are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    pub(super) forms: Forms,
    /// A mapped status is set for members that are there, whichever it is.
    pub(super) resubscribe: bool,
    pub(super) status_if_new: String,
}

/// The members of one batch, encoded.
///
/// An item begins with `{` and holds all but the statuses.
#[derive(Debug, Default)]
pub(super) struct Rows {
    items: Items,
    sent: Vec<Sent>,
}

/// What a member is found by, and what of its row is not in its item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// The change's place in its batch.
    pub(super) place: usize,
    /// The address, folded.
    pub(super) email: String,
    /// Names the member in a path.
    pub(super) hash: String,
    /// The member is known to have been there under this address.
    pub(super) known: bool,
    /// What a new member is made with.
    pub(super) status_if_new: String,
    /// What a member that is there is set to; `None` leaves it as it is.
    pub(super) status: Option<String>,
    /// The row's tags, where it has any word on them.
    pub(super) tags: Option<Vec<String>>,
}

/// How a path names the member with this address: the MD5 of it, folded, as recorded.
pub(super) fn hash(email: &str) -> String {
    Md5::digest(fold(email)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hashes that may name a member in a path: that of its id, and that of its address where it has another by now.
pub(super) fn names(email: &str, id: Option<&str>) -> (String, Option<String>) {
    let own = (!email.is_empty()).then(|| hash(email));
    match id {
        Some(id) => (id.to_owned(), own.filter(|own| own.as_str() != id)),
        None => (own.unwrap_or_default(), None),
    }
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn sent(&self, row: usize) -> &Sent {
        &self.sent[row]
    }

    /// An item as a call on one member takes it.
    pub(super) fn single(&self, row: usize, verb: Verb) -> Vec<u8> {
        let sent = &self.sent[row];
        let mut more = Vec::new();
        if verb != Verb::Update {
            more.extend_from_slice(b",\"status_if_new\":");
            write_text(&sent.status_if_new, &mut more);
        }
        if let Some(status) = &sent.status {
            more.extend_from_slice(b",\"status\":");
            write_text(status, &mut more);
        }
        self.with(row, &more)
    }

    /// An item as a call on many members takes it, with the one status that it has there.
    pub(super) fn listed(&self, row: usize, out: &mut Vec<u8>) {
        let sent = &self.sent[row];
        let mut more = b",\"status\":".to_vec();
        write_text(sent.status.as_ref().unwrap_or(&sent.status_if_new), &mut more);
        out.extend_from_slice(&self.with(row, &more));
    }

    fn with(&self, row: usize, more: &[u8]) -> Vec<u8> {
        let item = self.items.item(row);
        let (whole, end) = item.split_at(item.len() - 1);
        [whole, more, end].concat()
    }

    /// Adds the change at this place of the batch. A row that cannot be sent is refused here.
    pub(super) fn push(
        &mut self,
        place: usize,
        change: ChangeRef<'_>,
        reading: &Reading,
    ) -> Result<(), Outcome> {
        let email = key(change)?;
        let by_id = change.remote_id.filter(|_| change.verb == Verb::Update);
        let own = hash(&email);
        let known = change.remote_id == Some(own.as_str());
        let hash = by_id.map_or_else(|| own.clone(), str::to_owned);
        // The address of a member that exists is sent only where it changes.
        let address = match change.verb {
            Verb::Update if email.is_empty() || hash == own => None,
            _ => Some(email.as_str()),
        };
        self.items.push(|out| write_member(address, change.fields, &reading.forms, out))?;
        let status = text_of(change.fields, STATUS);
        let sets = |status: &String| reading.resubscribe || AWAY.contains(&status.as_str());
        self.sent.push(Sent {
            place,
            hash,
            known,
            status_if_new: status.clone().unwrap_or_else(|| reading.status_if_new.clone()),
            status: status.filter(sets),
            tags: tags(change.fields),
            email,
        });
        Ok(())
    }
}

/// The folded address of a change; empty only where the member is known by its id.
pub(super) fn key(change: ChangeRef<'_>) -> Result<String, Outcome> {
    let key = change.destination_key.first().filter(|key| !matches!(key.value, ValueRef::Null));
    let email = fold(&key.map(|key| key.value.to_string()).unwrap_or_default());
    let by_id =
        change.remote_id.is_some() && matches!(change.verb, Verb::Update | Verb::Delete | Verb::Leave);
    match email.is_empty() && !by_id {
        true => {
            Err(refused("KEY_EMPTY", EMAIL, "the match key is empty, so Mailchimp cannot find the member"))
        }
        false => Ok(email),
    }
}

fn refused(code: &str, field: &str, message: &str) -> Outcome {
    Outcome::Rejected { code: code.to_owned(), field: Some(field.to_owned()), message: message.to_owned() }
}

fn text_of(fields: &[FieldRef<'_>], name: &str) -> Option<String> {
    let field = fields.iter().find(|field| field.name == name && !matches!(field.value, ValueRef::Null))?;
    Some(field.value.to_string()).filter(|text| !text.is_empty())
}

/// No tag at all is a word on them as well; it counts where they are kept to.
fn tags(fields: &[FieldRef<'_>]) -> Option<Vec<String>> {
    let field = fields.iter().find(|field| field.name == TAGS)?;
    let mut names: Vec<String> = match &field.value {
        ValueRef::Null => Vec::new(),
        ValueRef::List(items) => {
            let names = items.iter().filter(|item| !matches!(item, ValueRef::Null));
            names.map(|name| name.to_string().trim().to_owned()).filter(|name| !name.is_empty()).collect()
        }
        other => vec![other.to_string()],
    };
    names.sort();
    names.dedup();
    Some(names)
}

fn write_member(
    email: Option<&str>,
    fields: &[FieldRef<'_>],
    forms: &Forms,
    out: &mut Vec<u8>,
) -> Result<(), Outcome> {
    out.push(b'{');
    if let Some(email) = email {
        write_pair("email_address", &ValueRef::Text(email), out);
        out.push(b',');
    }
    for field in fields.iter().filter(|field| is_plain(field)) {
        match (&field.value, field.name) {
            (ValueRef::Null, "vip") => write_pair(field.name, &ValueRef::Boolean(false), out),
            (ValueRef::Null, _) => write_pair(field.name, &ValueRef::Text(""), out),
            (value, _) => write_pair(field.name, value, out),
        }
        out.push(b',');
    }
    write_block("location", LOCATION, fields, out);
    write_block("interests", INTERESTS, fields, out);
    out.extend_from_slice(b"\"merge_fields\":{");
    let merge_fields = fields.iter().filter(|field| is_merge_field(field.name));
    for (position, field) in merge_fields.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_text(field.name, out);
        out.push(b':');
        write_merge_field(field, forms.get(field.name), out)?;
    }
    out.extend_from_slice(b"}}");
    Ok(())
}

/// Whether a field stands at the top of a member. One that cannot be emptied is left as it is by a null.
fn is_plain(field: &FieldRef<'_>) -> bool {
    let is_own = ![EMAIL, STATUS, TAGS].contains(&field.name)
        && !field.name.starts_with(LOCATION)
        && !field.name.starts_with(INTERESTS)
        && !is_merge_field(field.name);
    is_own && (!matches!(field.value, ValueRef::Null) || matches!(field.name, "vip" | "language"))
}

fn write_pair(name: &str, value: &ValueRef<'_>, out: &mut Vec<u8>) {
    write_text(name, out);
    out.push(b':');
    value.write_json(out);
}

/// `"interests":{"9143cf":true},`; nothing where there is nothing to say. Who is not known to have an interest has
/// none.
fn write_block(name: &str, prefix: &str, fields: &[FieldRef<'_>], out: &mut Vec<u8>) {
    let start = out.len();
    let _ = write!(out, "\"{name}\":{{"); // writing to memory cannot fail
    let empty = out.len();
    for field in fields {
        let Some(part) = field.name.strip_prefix(prefix) else { continue };
        let value = match &field.value {
            ValueRef::Null if prefix == LOCATION => continue,
            ValueRef::Null => &ValueRef::Boolean(false),
            value => value,
        };
        if out.len() > empty {
            out.push(b',');
        }
        write_pair(part, value, out);
    }
    match out.len() == empty {
        true => out.truncate(start),
        false => out.extend_from_slice(b"},"),
    }
}

fn write_merge_field(field: &FieldRef<'_>, form: Form, out: &mut Vec<u8>) -> Result<(), Outcome> {
    let unfit = |message: &str| Err(refused("MERGE_FIELD_FORM", field.name, message));
    match (form, &field.value) {
        (_, ValueRef::Null) => write_text("", out),
        (Form::Birthday, ValueRef::Date(date)) => {
            write_text(&format!("{:02}/{:02}", date.month(), date.day()), out);
        }
        (Form::Birthday, ValueRef::Text(text)) if is_birthday(text) => write_text(text, out),
        (Form::Birthday, _) => return unfit("a birthday is a date, or a text as `MM/DD`"),
        (Form::Address, ValueRef::Json(text)) if text.trim_start().starts_with('{') => {
            out.extend_from_slice(text.as_bytes());
        }
        (Form::Address, _) => {
            return unfit("an address is a JSON object with `addr1`, `city`, `state` and `zip`");
        }
        (Form::Plain, ValueRef::Json(text)) => write_text(text, out),
        (Form::Plain, list @ ValueRef::List(_)) => write_text(&list.to_string(), out),
        (Form::Plain, value) => value.write_json(out),
    }
    Ok(())
}

/// `MM/DD`, of any year.
fn is_birthday(text: &str) -> bool {
    let number = |part: &str| part.parse::<i8>().ok().filter(|_| part.len() == 2);
    let parts = text.split_once('/').and_then(|(month, day)| Some((number(month)?, number(day)?)));
    parts.is_some_and(|(month, day)| jiff::civil::Date::new(2024, month, day).is_ok())
}
