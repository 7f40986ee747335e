//! The destination's own schema of one object.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The types a mapping can name and a catalogue can report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    String,
    Number,
    Integer,
    Boolean,
    Date,
    DateTime,
    Json,
    List,
}

impl FieldType {
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
    pub name: String,
    pub kind: FieldType,
    pub required: bool,
    pub read_only: bool,
    /// Values are unique, so it can be matched on.
    pub unique: bool,
    /// The allowed values of an enumeration (internal values), empty where any are.
    pub options: Vec<String>,
    /// An enumeration of which several values can be chosen.
    pub multiple: bool,
    /// Longest text in characters, where the API states one.
    pub max_length: Option<u32>,
}

impl Property {
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
        }
    }
}

/// All fields of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    pub properties: Vec<Property>,
    /// Whether fields that are not listed can be sent as well (a file, a schemaless API).
    pub open: bool,
}

impl Catalog {
    pub fn get(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|p| p.name == name)
    }
}
