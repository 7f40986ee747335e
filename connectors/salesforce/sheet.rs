//! Changes as the rows of a job's CSV (Bulk API 2.0 Developer Guide, "Prepare Data to Ingest"): an empty cell leaves its field
//! alone, `#N/A` clears it.

use super::columns::{Columns, To};
use super::encode::{self, Shape};
use super::options::ID;
use crate::contract::{ChangeRef, FieldRef, Outcome, ValueRef, Verb};
use crate::delimited::push_cell;

/// What a cell says to clear its field; a text that says so itself cannot be written.
pub(super) const NULL: &str = "#N/A";

/// The code of such a text.
pub(super) const RESERVED: &str = "NULL_MARKER_IN_TEXT";

/// The code of a record that no job takes.
pub(super) const TOO_LONG: &str = "RECORD_TOO_LONG";

/// Characters of a record at most (Salesforce Developer Limits, "Bulk API").
const LONGEST: usize = 400_000;

/// Why a change is not a row of a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Aside {
    /// It has or lacks other parents than the rows of this sheet.
    Elsewhere,
    /// No sheet can have it; this is what it means for its row where nothing but a job is to be used.
    Never(Outcome),
    /// No row of it is right, in whatever way it is sent.
    Refused(Outcome),
}

/// What the rows of one job share.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    verb: Verb,
    columns: Vec<Cell>,
    /// The column by which results are told apart.
    pub(super) key: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Cell {
    /// The record's id.
    Id,
    /// The field of this name.
    Field(String),
    /// The parent that this field of the mapping names.
    Parent(String),
    /// The field that refers to the parent of this field of the mapping, whose rows have none.
    NoParent(String, String),
}

/// What a sheet is made for.
pub(super) struct Plan<'a> {
    pub(super) verb: Verb,
    /// Fields of the mapping.
    pub(super) fields: &'a [String],
    pub(super) columns: &'a Columns,
    /// The match key's field.
    pub(super) key: &'a str,
}

impl Sheet {
    /// The sheet that has a row for this change.
    pub(super) fn of(plan: &Plan<'_>, first: ChangeRef<'_>) -> Self {
        let mut columns = Vec::new();
        if matches!(plan.verb, Verb::Update | Verb::Delete) {
            columns.push(Cell::Id);
        }
        if plan.verb != Verb::Delete {
            let own = plan.fields.iter().filter(|name| !name.eq_ignore_ascii_case(ID));
            columns.extend(own.map(|name| match plan.columns.get(name) {
                To::Field => Cell::Field(name.clone()),
                To::Parent { field, .. } if is_without(first, name) => {
                    Cell::NoParent(name.clone(), field.clone())
                }
                To::Parent { .. } => Cell::Parent(name.clone()),
            }));
        }
        let keyed = columns.iter().any(|cell| matches!(cell, Cell::Field(name) if name == plan.key));
        if !keyed && matches!(plan.verb, Verb::Upsert | Verb::Create) {
            columns.push(Cell::Field(plan.key.to_owned()));
        }
        let key = if columns.first() == Some(&Cell::Id) { ID } else { plan.key };
        Sheet { verb: plan.verb, columns, key: key.to_owned() }
    }

    pub(super) fn header(&self) -> Vec<u8> {
        let names: Vec<&str> = self.columns.iter().map(Cell::header).collect();
        (names.join(",") + "\n").into_bytes()
    }

    /// Appends a row, and to `key` what the results will call it; where there is none, both stay as they were.
    pub(super) fn row(
        &self,
        change: ChangeRef<'_>,
        id: Option<&str>,
        (out, key): (&mut Vec<u8>, &mut Vec<u8>),
    ) -> Result<(), Aside> {
        let (start, key_start) = (out.len(), key.len());
        let written = self.write(change, id, (out, key));
        if written.is_err() {
            out.truncate(start);
            key.truncate(key_start);
        }
        written
    }

    fn write(
        &self,
        change: ChangeRef<'_>,
        id: Option<&str>,
        (out, key): (&mut Vec<u8>, &mut Vec<u8>),
    ) -> Result<(), Aside> {
        let start = out.len();
        let (mut fields, mut text) = (Fields::of(change), Vec::new());
        for (at, cell) in self.columns.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            text.clear();
            match cell {
                Cell::Id => text.extend_from_slice(id.unwrap_or_default().as_bytes()),
                Cell::Field(name) => match fields.get(name) {
                    None => {}
                    Some(field) if encode::is_empty(&field.value) => text.extend_from_slice(NULL.as_bytes()),
                    Some(field) => write_text(field, &mut text)?,
                },
                Cell::Parent(name) => match fields.get(name) {
                    None => {}
                    Some(field) if encode::is_empty(&field.value) => return Err(Aside::Elsewhere),
                    Some(field) => write_text(field, &mut text)?,
                },
                Cell::NoParent(name, _) => match fields.get(name) {
                    None => {}
                    Some(field) if encode::is_empty(&field.value) => text.extend_from_slice(NULL.as_bytes()),
                    Some(_) => return Err(Aside::Elsewhere),
                },
            }
            if cell.is_key(&self.key) {
                key.extend_from_slice(&text);
            }
            push_cell(&text, b',', out);
        }
        out.push(b'\n');
        let row = &out[start..];
        let is_long = row.len() > LONGEST && String::from_utf8_lossy(row).chars().count() > LONGEST;
        if is_long { Err(Aside::Never(too_long())) } else { Ok(()) }
    }

    /// What Salesforce is asked to do with the rows.
    pub(super) fn operation(&self, hard: bool) -> &'static str {
        match self.verb {
            Verb::Create => "insert",
            Verb::Update => "update",
            Verb::Delete if hard => "hardDelete",
            Verb::Delete => "delete",
            Verb::Upsert | Verb::Join | Verb::Leave => "upsert",
        }
    }
}

impl Cell {
    fn header(&self) -> &str {
        match self {
            Cell::Id => ID,
            Cell::Field(name) | Cell::Parent(name) | Cell::NoParent(_, name) => name,
        }
    }

    fn is_key(&self, key: &str) -> bool {
        matches!(self, Cell::Id | Cell::Field(_)) && self.header() == key
    }
}

/// A change's fields, found fastest in the order in which they stand.
struct Fields<'a> {
    change: ChangeRef<'a>,
    next: usize,
}

impl<'a> Fields<'a> {
    fn of(change: ChangeRef<'a>) -> Self {
        Fields { change, next: 0 }
    }

    /// The match key's own value stands in for a field that the change does not have.
    fn get(&mut self, name: &str) -> Option<&'a FieldRef<'a>> {
        let fields = self.change.fields;
        let found = match fields.get(self.next) {
            Some(field) if field.name == name => Some(self.next),
            _ => fields.iter().position(|field| field.name == name),
        };
        match found {
            Some(at) => {
                self.next = at + 1;
                fields.get(at)
            }
            None if self.change.verb == Verb::Update => None,
            None => self.change.destination_key.iter().find(|field| field.name == name),
        }
    }
}

/// Whether a change says that it has no such parent.
fn is_without(change: ChangeRef<'_>, name: &str) -> bool {
    change.fields.iter().any(|field| field.name == name && encode::is_empty(&field.value))
}

fn write_text(field: &FieldRef<'_>, out: &mut Vec<u8>) -> Result<(), Aside> {
    encode::write_plain(field, out).map_err(Aside::Refused)?;
    if out == NULL.as_bytes() {
        return Err(Aside::Never(Outcome::Rejected {
            code: RESERVED.to_owned(),
            field: Some(field.name.to_owned()),
            message: format!("a job's CSV cannot say the text `{NULL}`: it clears the field"),
        }));
    }
    debug_assert!(!matches!(field.value, ValueRef::Null));
    Ok(())
}

fn too_long() -> Outcome {
    Outcome::Rejected {
        code: TOO_LONG.to_owned(),
        field: None,
        message: format!("the record has more than {LONGEST} characters, which no job takes"),
    }
}

/// A record that has more bytes than a whole job may.
pub(super) fn too_large(bytes: u64) -> Outcome {
    Outcome::Rejected {
        code: TOO_LONG.to_owned(),
        field: None,
        message: format!("the record has {bytes} bytes, which no job takes"),
    }
}

impl<'a> Plan<'a> {
    pub(super) fn new(verb: Verb, fields: &'a [String], shape: &'a Shape<'a>) -> Self {
        Plan { verb, fields, columns: shape.columns, key: shape.key }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::columns::Column;
    use super::*;
    use crate::contract::{Change, FieldValue, Number, Value};

    fn columns() -> Columns {
        let to = To::Parent {
            relationship: "Account".to_owned(),
            field: "AccountId".to_owned(),
            object: None,
            key: "E__c".to_owned(),
        };
        Columns::of(vec![Column { name: "Account.E__c".to_owned(), to }])
    }

    fn change(verb: Verb, fields: &[(&str, Value)]) -> Change {
        let field = |(name, value): &(&str, Value)| FieldValue { name: (*name).into(), value: value.clone() };
        Change {
            verb,
            destination_key: vec![field(&("Ext__c", Value::Text("k1".to_owned())))],
            remote_id: None,
            fields: fields.iter().map(field).collect(),
        }
    }

    const NAMES: [&str; 3] = ["F__c", "Account.E__c", "Ext__c"];

    fn sheet(first: &Change) -> Sheet {
        let fields = NAMES.map(str::to_owned);
        let columns = columns();
        let plan = Plan { verb: first.verb, fields: &fields, columns: &columns, key: "Ext__c" };
        first.borrowed(|change| Sheet::of(&plan, change))
    }

    fn row(sheet: &Sheet, change: &Change) -> Result<(String, String), Aside> {
        let (mut out, mut key) = (Vec::new(), Vec::new());
        change.borrowed(|change| sheet.row(change, Some("003"), (&mut out, &mut key)))?;
        Ok((String::from_utf8(out).unwrap(), String::from_utf8(key).unwrap()))
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn values_are_written_to_the_last_character() {
        let nasty = " =1+1 \"q\"\r\n\u{1f600} 日本 ";
        for (value, expected) in [
            (Value::Null, "#N/A".to_owned()),
            (text(""), "#N/A".to_owned()),
            (text(nasty), format!("\"{}\"", nasty.replace('"', "\"\""))),
            (text("=1+1"), "=1+1".to_owned()),
            (text("a,b"), "\"a,b\"".to_owned()),
            (text("#N/A "), "\"#N/A \"".to_owned()),
            (text("null"), "null".to_owned()),
            (Value::Boolean(true), "true".to_owned()),
            (Value::Integer(-7), "-7".to_owned()),
            (
                Value::Number(Number::parse("0.12345678901234567890123").unwrap()),
                "0.12345678901234567890123".to_owned(),
            ),
            (Value::Date(date(2024, 2, 29)), "2024-02-29".to_owned()),
            (
                Value::DateTime("2018-12-18T22:51:36.1239Z".parse().unwrap()),
                "2018-12-18T22:51:36.123Z".to_owned(),
            ),
            (Value::List(vec![text("a"), text("b")]), "a;b".to_owned()),
            (Value::Json(serde_json::json!({"a": 1})), "\"{\"\"a\"\":1}\"".to_owned()),
        ] {
            let change = change(Verb::Upsert, &[("F__c", value.clone()), ("Ext__c", text("k1"))]);
            let (line, key) = row(&sheet(&change), &change).unwrap();
            assert_eq!((line, key), (format!("{expected},,k1\n"), "k1".to_owned()), "{value:?}");
        }
        let refused = change(Verb::Upsert, &[("F__c", Value::List(vec![text("a;b")]))]);
        assert!(matches!(row(&sheet(&refused), &refused), Err(Aside::Refused(_))));
    }

    #[test]
    fn what_no_job_takes_is_set_aside() {
        for (value, code) in [(text("#N/A"), RESERVED), (text(&"ä".repeat(400_001)), TOO_LONG)] {
            let change = change(Verb::Upsert, &[("F__c", value), ("Ext__c", text("k1"))]);
            let aside = row(&sheet(&change), &change).unwrap_err();
            assert!(matches!(&aside, Aside::Never(Outcome::Rejected { code: found, .. }) if found == code));
        }
        let most = change(Verb::Upsert, &[("F__c", text(&"ä".repeat(399_000))), ("Ext__c", text("k1"))]);
        assert!(row(&sheet(&most), &most).is_ok(), "characters are counted, not bytes");
    }

    #[test]
    fn parents_are_named_let_go_of_or_left_alone() {
        let with = change(Verb::Upsert, &[("Account.E__c", text("a-1")), ("Ext__c", text("k1"))]);
        let without = change(Verb::Upsert, &[("Account.E__c", Value::Null), ("Ext__c", text("k1"))]);
        let silent = change(Verb::Upsert, &[("Ext__c", text("k1"))]);
        let (named, none) = (sheet(&with), sheet(&without));
        assert_eq!(named.header(), b"F__c,Account.E__c,Ext__c\n");
        assert_eq!(none.header(), b"F__c,AccountId,Ext__c\n");
        assert_eq!(row(&named, &with).unwrap().0, ",a-1,k1\n");
        assert_eq!(row(&none, &without).unwrap().0, ",#N/A,k1\n");
        assert_eq!(row(&named, &silent).unwrap().0, row(&none, &silent).unwrap().0);
        assert_eq!(row(&named, &without).unwrap_err(), Aside::Elsewhere);
        assert_eq!(row(&none, &with).unwrap_err(), Aside::Elsewhere);
    }

    #[test]
    fn an_update_and_a_removal_go_by_id() {
        let update = change(Verb::Update, &[("F__c", text("x"))]);
        let updates = sheet(&update);
        assert_eq!(updates.header(), b"Id,F__c,Account.E__c,Ext__c\n");
        assert_eq!(row(&updates, &update).unwrap(), ("003,x,,\n".to_owned(), "003".to_owned()));
        let delete = change(Verb::Delete, &[]);
        let deletes = sheet(&delete);
        assert_eq!((deletes.header().as_slice(), deletes.operation(true)), (&b"Id\n"[..], "hardDelete"));
        assert_eq!(row(&deletes, &delete).unwrap(), ("003\n".to_owned(), "003".to_owned()));
    }
}
