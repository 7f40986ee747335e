//! What Salesforce says of an object and its fields: `GET /sobjects/{name}/describe` (REST API Developer Guide, "sObject
//! Describe").

use serde_json::Value as Json;

use crate::contract::{FieldType, Property};
use crate::http::json;

/// An object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    pub(super) createable: bool,
    pub(super) updateable: bool,
    /// Names of the record types that the user may choose, beside the master's.
    pub(super) record_types: Vec<String>,
}

/// One field, in Salesforce's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    /// `string`, `double`, `picklist`, `reference`, ...
    pub(super) kind: String,
    pub(super) length: u32,
    /// Digits after the point, of a number.
    pub(super) scale: Option<u32>,
    pub(super) nillable: bool,
    pub(super) createable: bool,
    pub(super) updateable: bool,
    pub(super) defaulted_on_create: bool,
    pub(super) external_id: bool,
    pub(super) id_lookup: bool,
    pub(super) calculated: bool,
    /// Active values of a picklist that takes no others.
    pub(super) options: Vec<String>,
    /// `Account` of `AccountId`, `Rel__r` of `Rel__c`.
    pub(super) relationship: Option<String>,
    pub(super) reference_to: Vec<String>,
    /// Its parents may be of several objects.
    pub(super) polymorphic: bool,
}

impl Object {
    /// Reads a describe; `None` for what is none.
    pub(super) fn read(body: &Json) -> Option<Self> {
        let is = |name: &str| body.get(name) == Some(&Json::Bool(true));
        let types = json::list(body, "recordTypeInfos");
        let types = types.filter(|info| info["available"] == true && info["master"] != true);
        Some(Object {
            name: json::text(body, "name")?,
            fields: body.get("fields")?.as_array()?.iter().filter_map(Field::read).collect(),
            createable: is("createable"),
            updateable: is("updateable"),
            record_types: types.filter_map(|info| json::text(info, "name")).collect(),
        })
    }

    /// The field of this name, whatever its case: Salesforce compares names so.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The field that refers to a parent by this relationship.
    pub(super) fn relation(&self, relationship: &str) -> Option<&Field> {
        let is_it = |field: &&Field| {
            field.relationship.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(relationship))
        };
        self.fields.iter().find(is_it)
    }

    /// What a user should know of it beside its fields.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let parents: Vec<String> = self.fields.iter().flat_map(Field::parents).collect();
        if !parents.is_empty() {
            notes.push(format!(
                "Parents, by an External ID of theirs in place of FIELD: `{}`.",
                parents.join("`, `")
            ));
        }
        if self.field("IsPersonAccount").is_some() {
            notes.push(
                "The org has person accounts: an account with `LastName` and a person's record type is one; it takes no `Name`."
                    .to_owned(),
            );
        }
        if !self.record_types.is_empty() {
            notes.push(format!(
                "Record types: {}; `RecordTypeId` or `RecordType.DeveloperName` chooses one.",
                self.record_types.join(", ")
            ));
        }
        notes
    }
}

impl Field {
    fn read(body: &Json) -> Option<Self> {
        let is = |name: &str| body.get(name) == Some(&Json::Bool(true));
        let number = |name: &str| body.get(name)?.as_u64()?.try_into().ok();
        let kind = json::text(body, "type")?;
        let active = json::list(body, "picklistValues").filter(|value| value["active"] == true);
        let options = match is("restrictedPicklist") {
            true => active.filter_map(|value| json::text(value, "value")).collect(),
            false => Vec::new(),
        };
        Some(Field {
            name: json::text(body, "name")?,
            length: number("length").unwrap_or(0),
            scale: number("scale"),
            nillable: is("nillable"),
            createable: is("createable"),
            updateable: is("updateable"),
            defaulted_on_create: is("defaultedOnCreate"),
            external_id: is("externalId"),
            id_lookup: is("idLookup"),
            calculated: is("calculated"),
            options,
            relationship: json::text(body, "relationshipName").filter(|name| !name.is_empty()),
            reference_to: json::strings(body, "referenceTo").map(str::to_owned).collect(),
            polymorphic: is("polymorphicForeignKey"),
            kind,
        })
    }

    /// As a mapping is compared with it.
    pub(super) fn property(&self) -> Property {
        let kind = match self.kind.as_str() {
            "int" | "long" => FieldType::Integer,
            "double" | "currency" | "percent" => FieldType::Number,
            "boolean" => FieldType::Boolean,
            "date" => FieldType::Date,
            "datetime" => FieldType::DateTime,
            "multipicklist" => FieldType::List,
            _ => FieldType::String,
        };
        let has_length = kind == FieldType::String && self.length > 0 && self.kind != "picklist";
        Property {
            required: self.createable
                && !self.nillable
                && !self.defaulted_on_create
                && kind != FieldType::Boolean,
            read_only: !(self.createable || self.updateable) || self.calculated,
            unique: self.is_key(),
            options: self.options.clone(),
            multiple: self.kind == "multipicklist",
            scale: self.scale.filter(|_| kind == FieldType::Number),
            max_length: has_length.then_some(self.length),
            ..Property::new(self.name.clone(), kind)
        }
    }

    /// How a mapping names the parents that it may refer to.
    fn parents(&self) -> Vec<String> {
        let Some(relationship) = self.relationship.as_deref().filter(|_| self.createable || self.updateable)
        else {
            return Vec::new();
        };
        match self.reference_to.as_slice() {
            [_] => vec![format!("{relationship}.FIELD")],
            many => many.iter().map(|object| format!("{object}:{relationship}.FIELD")).collect(),
        }
    }

    /// Records can be upserted by it, or parents named.
    pub(super) fn is_key(&self) -> bool {
        self.external_id || self.id_lookup
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(more: Json) -> Property {
        let mut body = json!({"name": "F__c", "type": "string", "length": 80, "nillable": true, "createable": true,
            "updateable": true, "defaultedOnCreate": false, "picklistValues": [], "referenceTo": []});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Field::read(&body).unwrap().property()
    }

    #[test]
    fn a_field_becomes_what_a_mapping_is_compared_with() {
        assert_eq!(field(json!({})).max_length, Some(80));
        for (kind, expected) in [
            ("int", FieldType::Integer),
            ("currency", FieldType::Number),
            ("boolean", FieldType::Boolean),
            ("date", FieldType::Date),
            ("datetime", FieldType::DateTime),
            ("multipicklist", FieldType::List),
            ("reference", FieldType::String),
            ("something new", FieldType::String),
        ] {
            assert_eq!(field(json!({"type": kind})).kind, expected, "{kind}");
        }
        assert_eq!(field(json!({"type": "double", "scale": 2})).scale, Some(2));
        assert_eq!((field(json!({"type": "double"})).scale, field(json!({"scale": 0})).scale), (None, None));
        assert!(field(json!({"nillable": false})).required);
        assert!(!field(json!({"nillable": false, "defaultedOnCreate": true})).required);
        assert!(!field(json!({"nillable": false, "type": "boolean"})).required);
        assert!(field(json!({"createable": false, "updateable": false})).read_only);
        assert!(field(json!({"calculated": true})).read_only);
        assert!(!field(json!({"updateable": false})).read_only, "it can be set once");
        assert!(field(json!({"externalId": true})).unique && field(json!({"idLookup": true})).unique);
        assert!(!field(json!({})).unique);
        let values = json!([{"value": "A", "active": true}, {"value": "Old", "active": false}]);
        let pick = json!({"type": "picklist", "picklistValues": values, "restrictedPicklist": true});
        assert_eq!(field(pick).options, ["A"]);
        let open = json!({"type": "picklist", "picklistValues": values, "restrictedPicklist": false});
        assert!(field(open).options.is_empty(), "others are taken as well");
    }

    #[test]
    fn what_is_no_describe_is_none() {
        for body in [json!(null), json!([]), json!({"name": "X"}), json!({"fields": []})] {
            assert_eq!(Object::read(&body), None, "{body}");
        }
        let person = json!({"name": "Account", "fields": [{"name": "IsPersonAccount", "type": "boolean"}],
            "recordTypeInfos": [{"available": true, "master": false, "name": "Partner"}, {"available": true, "master": true, "name": "Master"}]});
        let notes = Object::read(&person).unwrap().notes();
        let reference = |name: &str, to: &[&str]| json!({"name": format!("{name}Id"), "type": "reference", "createable": true, "relationshipName": name, "referenceTo": to});
        let task = json!({"name": "Task", "fields": [reference("Who", &["Contact", "Lead"]), reference("Owner", &["User"])]});
        let parents = Object::read(&task).unwrap().notes().remove(0);
        assert!(
            parents.ends_with("FIELD: `Contact:Who.FIELD`, `Lead:Who.FIELD`, `Owner.FIELD`."),
            "{parents}"
        );
        assert!(notes[0].contains("person accounts") && notes[1].contains("Partner;"), "{notes:?}");
    }
}
