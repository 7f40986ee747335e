//! How each field of a mapping is written: as a field of the object itself, or as a parent by its external id
//! (`Account.Ext__c`, `Rel__r.Ext__c`, `Contact:Who.Ext__c`).

use super::client::Client;
use super::describe::{Field, Object};
use super::options::is_name;
use crate::contract::{Catalog, ConnectorError, Kind, Property};
use crate::nearest::did_you_mean;

/// A field of the mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// As the mapping has it.
    pub(super) name: String,
    pub(super) to: To,
}

/// What a column's values are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum To {
    /// A field of the object itself.
    Field,
    /// The parent that has the value as its external id.
    Parent {
        /// `Account`, `Rel__r`
        relationship: String,
        /// The field that holds the parent's id: `AccountId`, `Rel__c`. A null clears it.
        field: String,
        /// The parent's object, where several are possible and so it must be named.
        object: Option<String>,
        /// The parent's external id field.
        key: String,
    },
}

/// The fields of a mapping that are parents; all others are the object's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns(Vec<Column>);

impl Columns {
    #[cfg(test)]
    pub(super) fn of(columns: Vec<Column>) -> Self {
        Columns(columns)
    }

    /// The field of the mapping that sets this reference.
    fn of_reference(&self, reference: &str) -> Option<&str> {
        let is_it = |column: &&Column| matches!(&column.to, To::Parent { field, .. } if field == reference);
        self.0.iter().find(is_it).map(|column| column.name.as_str())
    }

    /// What a change's field is written to.
    pub(super) fn get(&self, name: &str) -> &To {
        self.0.iter().find(|column| column.name == name).map_or(&To::Field, |column| &column.to)
    }
}

/// A parent as a mapping names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Named<'a> {
    object: Option<&'a str>,
    relationship: &'a str,
    key: &'a str,
}

impl<'a> Named<'a> {
    /// `None` for a field of the object itself.
    fn parse(name: &'a str) -> Option<Self> {
        let (parent, key) = name.split_once('.')?;
        let (object, relationship) = match parent.split_once(':') {
            Some((object, relationship)) => (Some(object), relationship),
            None => (None, parent),
        };
        let all = [Some(key), Some(relationship), object];
        all.into_iter().flatten().all(is_name).then_some(Named { object, relationship, key })
    }

    /// The parent's object, by the field that refers to it.
    fn parent<'b>(&'b self, name: &str, field: &'b Field) -> Result<&'b str, ConnectorError> {
        let refuse = |what: String, hint: String| Err(ConnectorError::new(Kind::Config, what).hint(hint));
        let known = field.reference_to.join("`, `");
        match (self.object, field.reference_to.as_slice()) {
            (Some(_), [one]) if !field.polymorphic => refuse(
                format!("`{name}`: `{}` always refers to `{one}`", field.name),
                format!("write `{}.{}`", self.relationship, self.key),
            ),
            (Some(object), many) => match many.iter().find(|one| one.eq_ignore_ascii_case(object)) {
                Some(one) => Ok(one),
                None => refuse(
                    format!("`{name}`: `{}` does not refer to `{object}`", field.name),
                    format!("it refers to `{known}`"),
                ),
            },
            (None, [one]) => Ok(one),
            (None, _) => refuse(
                format!("`{name}`: `{}` may refer to several objects", field.name),
                format!("name one: `OBJECT:{}.{}`, of `{known}`", self.relationship, self.key),
            ),
        }
    }
}

/// A name that is not among these, with the nearest that is.
fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> ConnectorError {
    let all = || format!("there are `{}`", known.clone().collect::<Vec<_>>().join("`, `"));
    ConnectorError::new(Kind::Config, what).hint(did_you_mean(name, known.clone()).unwrap_or_else(all))
}

/// The columns of a mapping, and the catalogue that it is compared with: the object's fields, and the parents that the
/// mapping names.
///
/// # Errors
/// [`Kind::Config`] for a parent that is not there or must be named otherwise; those of the describes of parents.
pub(super) async fn resolve(
    client: &Client,
    object: &Object,
    fields: &[String],
) -> Result<(Columns, Catalog), ConnectorError> {
    let mut columns = Columns::default();
    let mut properties: Vec<Property> = object.fields.iter().map(Field::property).collect();
    for name in fields {
        let Some(named) = Named::parse(name) else { continue };
        let Some(field) = object.relation(named.relationship) else {
            let relations = object.fields.iter().filter_map(|field| field.relationship.as_deref());
            let what = format!("`{name}`: `{}` has no parent `{}`", object.name, named.relationship);
            return Err(unknown(&what, named.relationship, relations));
        };
        let parent = client.describe(named.parent(name, field)?).await?;
        let Some(key) = parent.field(named.key) else {
            let keys = parent.fields.iter().filter(|field| field.is_key()).map(|field| field.name.as_str());
            let what = format!("`{name}`: `{}` has no field `{}`", parent.name, named.key);
            return Err(unknown(&what, named.key, keys));
        };
        if !key.is_key() {
            let what = format!("`{name}`: `{}` of `{}` is not an External ID", key.name, parent.name);
            return Err(ConnectorError::new(Kind::Config, what)
                .hint("make it one in Salesforce (Setup, Object Manager, the field, Edit, External ID), or name another"));
        }
        properties.push(Property {
            name: name.clone(),
            required: false,
            unique: false,
            read_only: !(field.createable || field.updateable),
            ..key.property()
        });
        if let Some(other) = columns.of_reference(&field.name) {
            let what = format!("`{name}` and `{other}` both say what `{}` refers to", field.name);
            return Err(ConnectorError::new(Kind::Config, what)
                .hint("keep one of them; send the rows of the other by a mapping of their own"));
        }
        let is_several = field.polymorphic || field.reference_to.len() > 1;
        columns.0.push(Column {
            name: name.clone(),
            to: To::Parent {
                relationship: field.relationship.clone().unwrap_or_default(),
                field: field.name.clone(),
                object: is_several.then(|| parent.name.clone()),
                key: key.name.clone(),
            },
        });
        // A parent by its external id gives what a required reference asks for.
        if let Some(reference) = properties.iter_mut().find(|property| property.name == field.name) {
            reference.required = false;
        }
    }
    Ok((columns, Catalog { properties, notes: object.notes(), ..Catalog::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(reference_to: &[&str], polymorphic: bool) -> Field {
        let reference_to = reference_to.iter().map(|&name| name.to_owned()).collect();
        Field { name: "WhoId".into(), reference_to, polymorphic, ..Field::default() }
    }

    #[test]
    fn a_parent_is_named_as_salesforce_writes_it() {
        let named = Named::parse("Contact:Who.Ext__c").unwrap();
        assert_eq!((named.object, named.relationship, named.key), (Some("Contact"), "Who", "Ext__c"));
        assert_eq!(Named::parse("Rel__r.Ext__c").unwrap().object, None);
        for name in ["LastName", "a.b.c", ".x", "A.", "A:.x", "A B.x", "A:B:C.x"] {
            assert_eq!(Named::parse(name), None, "{name}");
        }
    }

    #[test]
    fn several_parents_must_be_told_apart_and_one_must_not() {
        let parent =
            |name: &str, field: &Field| Named::parse(name).unwrap().parent(name, field).map(str::to_owned);
        let (one, several) = (field(&["Account"], false), field(&["Contact", "Lead"], true));
        assert_eq!(parent("Account.E__c", &one).unwrap(), "Account");
        assert_eq!(parent("lead:Who.E__c", &several).unwrap(), "Lead");
        for (name, field, word) in [
            ("Account:Account.E__c", &one, "always refers to `Account`"),
            ("Who.E__c", &several, "may refer to several objects"),
            ("User:Who.E__c", &several, "does not refer to `User`"),
        ] {
            let error = parent(name, field).unwrap_err();
            assert!(error.kind == Kind::Config && error.message.contains(word), "{error}");
        }
    }
}
