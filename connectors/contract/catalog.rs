//! The destination's own schema of one object.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ConnectorError, Kind};

/// The types a mapping can name and a catalogue can report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// Text of any kind.
    String,
    /// A decimal number, to its last digit.
    Number,
    /// A whole number, of 64 bits.
    Integer,
    /// True or false.
    Boolean,
    /// A day of the calendar, without a time.
    Date,
    /// An instant; sent with its zone.
    DateTime,
    /// Any JSON value.
    Json,
    /// Several values of one field, such as those chosen of an enumeration.
    List,
}

impl FieldType {
    /// Every type, in the order in which they are shown.
    pub const ALL: [FieldType; 8] = [
        FieldType::String,
        FieldType::Number,
        FieldType::Integer,
        FieldType::Boolean,
        FieldType::Date,
        FieldType::DateTime,
        FieldType::Json,
        FieldType::List,
    ];

    /// The word a mapping uses.
    pub fn name(self) -> &'static str {
        match self {
            FieldType::String => "string",
            FieldType::Number => "number",
            FieldType::Integer => "integer",
            FieldType::Boolean => "boolean",
            FieldType::Date => "date",
            FieldType::DateTime => "datetime",
            FieldType::Json => "json",
            FieldType::List => "list",
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One field of the destination's object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The API's name of it, not its label.
    pub name: String,
    /// The type of its values.
    pub kind: FieldType,
    /// An object cannot be created without it.
    pub required: bool,
    /// Values are refused; only the destination sets them.
    pub read_only: bool,
    /// Values are unique, so it can be matched on.
    pub unique: bool,
    /// The allowed values of an enumeration (internal values), empty where any are.
    pub options: Vec<String>,
    /// An enumeration of which several values can be chosen.
    pub multiple: bool,
    /// Longest text in characters, where the API states one.
    pub max_length: Option<u32>,
    /// Digits after the point that a number keeps, where the API states it; the destination would round others away.
    pub scale: Option<u32>,
    /// Texts that cannot be sent, because the API means something else by them.
    pub reserved: &'static [&'static str],
}

impl Property {
    /// A plain property: neither required nor unique nor read-only, of any value.
    pub fn new(name: impl Into<String>, kind: FieldType) -> Self {
        Property {
            name: name.into(),
            kind,
            required: false,
            read_only: false,
            unique: false,
            options: Vec::new(),
            multiple: false,
            max_length: None,
            scale: None,
            reserved: &[],
        }
    }
}

/// All fields of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// In the order in which the API gives them.
    pub properties: Vec<Property>,
    /// Whether fields that are not listed can be sent as well (a file, a schemaless API).
    pub open: bool,
    /// What a user should know of the object beside its fields, one sentence each.
    pub notes: Vec<String>,
}

impl Catalog {
    /// Those of the wanted fields that are not there. One that is there must take the values of the wanted one: it is of its
    /// type, or a text.
    ///
    /// # Errors
    /// [`Kind::Config`] with this code for the first one that does not, by the destination's word for a field.
    pub fn lacking<'a>(
        &self,
        wanted: &'a [Property],
        word: &str,
        code: &str,
    ) -> Result<Vec<&'a Property>, ConnectorError> {
        let mut lacking = Vec::new();
        for property in wanted {
            let Some(found) = self.get(&property.name) else {
                lacking.push(property);
                continue;
            };
            let ours = if property.kind == FieldType::Integer { FieldType::Number } else { property.kind };
            if found.read_only || ![ours, FieldType::String].contains(&found.kind) {
                let message = format!(
                    "somebody created the {word} `{}` in the meantime, as {}, but the mapping sends {}",
                    property.name, found.kind, property.kind
                );
                return Err(ConnectorError::new(Kind::Config, message)
                    .code(code)
                    .hint("run again to have the mapping checked against it"));
            }
        }
        Ok(lacking)
    }

    /// The property with exactly this name.
    pub fn get(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|p| p.name == name)
    }
}
