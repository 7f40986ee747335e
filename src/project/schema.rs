//! JSON Schema of the project's files, made from the same shapes that the files are held against.

use std::collections::BTreeMap;

use outflow_connectors::registry::{Connector, Registry};
use serde_json::{Map, Value as Json, json};

use super::shape::{self, CONNECTION_KEYS, DESTINATION_KEYS, Key, Shape};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of `outflow.yml`, with the settings of these connectors.
pub fn project(registry: Registry) -> Json {
    document("outflow.yml", Writer { registry }.value(shape::PROJECT))
}

/// The schema of a file under `mappings/`.
pub fn mapping(registry: Registry) -> Json {
    document("A mapping of outflow", Writer { registry }.value(shape::MAPPING))
}

fn document(title: &str, body: Json) -> Json {
    let mut schema = json!({"$schema": DIALECT, "title": title});
    if let (Json::Object(schema), Json::Object(body)) = (&mut schema, body) {
        schema.extend(body);
        schema.insert(
            "$defs".to_owned(),
            json!({"variable": {
                "description": "Filled in from the environment, `.env` or a file.",
                "type": "string",
                "pattern": r"\$\{[^}]*\}",
            }}),
        );
    }
    schema
}

struct Writer {
    registry: Registry,
}

impl Writer {
    fn value(&self, shape: Shape) -> Json {
        match shape {
            Shape::Text => json!({"type": "string", "pattern": r"\S"}),
            Shape::Any => json!({"not": {"type": "null"}}),
            Shape::OneOrMore(inner) => {
                let item = self.value(*inner);
                json!({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})
            }
            Shape::List(inner) => json!({"type": "array", "items": self.value(*inner)}),
            Shape::Map(inner) => json!({
                "type": "object",
                "propertyNames": {"pattern": r"\S"},
                "additionalProperties": self.value(*inner),
            }),
            Shape::Block(keys) => self.block(keys),
            Shape::Connection => self.connection(),
            Shape::ConnectionOverlay => self.overlay(),
            Shape::Destination => self.destination(),
            Shape::Tagged(keys) => {
                let mut block = self.block(keys);
                block["minProperties"] = 1.into();
                block["maxProperties"] = 1.into();
                block
            }
            Shape::Choice(keys, choices) => {
                let mut block = self.block(keys);
                let built = choices.iter().filter(|name| block["properties"].get(**name).is_some());
                block["oneOf"] = built.map(|name| json!({"required": [name]})).collect();
                block
            }
            Shape::TextOr(block) => json!({"anyOf": [self.value(Shape::Text), self.value(*block)]}),
            Shape::Sandbox => self.sandbox(),
            Shape::Unsupported => json!(false),
            _ => json!({"anyOf": [scalar(shape), {"$ref": "#/$defs/variable"}]}),
        }
    }

    fn block(&self, keys: &[Key]) -> Json {
        let built = || keys.iter().filter(|key| !matches!(key.shape, Shape::Unsupported));
        let properties: Map<String, Json> = built()
            .map(|key| {
                let mut value = self.value(key.shape);
                value["description"] = key.help.into();
                (key.name.to_owned(), value)
            })
            .collect();
        let mut block = json!({"type": "object", "properties": properties, "additionalProperties": false});
        let required: Vec<&str> = built().filter(|key| key.required).map(|key| key.name).collect();
        if !required.is_empty() {
            block["required"] = json!(required);
        }
        block
    }

    /// Settings that some connector takes; `settings` says which one takes which.
    fn overlay(&self) -> Json {
        let mut block = self.block(CONNECTION_KEYS);
        let names: Vec<&str> = self.registry.0.iter().map(|c| c.name).collect();
        block["properties"]["type"]["enum"] = json!(names);
        block["additionalProperties"] = true.into();
        block.as_object_mut().map(|b| b.remove("required"));
        block
    }

    fn connection(&self) -> Json {
        let mut block = self.overlay();
        block["required"] = json!(["type"]);
        block["allOf"] = self.registry.0.iter().map(settings).collect();
        block
    }

    fn destination(&self) -> Json {
        let mut block = self.block(DESTINATION_KEYS);
        let mut options: BTreeMap<&str, Vec<Json>> = BTreeMap::new();
        for connector in self.registry.0 {
            for option in connector.options {
                let schema = connector.option_schema.map_or_else(|| json!({}), |of| of(option));
                let known = options.entry(option).or_default();
                if !known.contains(&schema) {
                    known.push(schema);
                }
            }
        }
        // Two connectors may mean different things by one name; which of them it is, `check` knows.
        for (option, schemas) in options {
            block["properties"][option] = match schemas.as_slice() {
                [one] => one.clone(),
                several => json!({"anyOf": several}),
            };
        }
        block
    }

    /// Properties by object, limits and faults of an emulated account, and what some emulator takes beyond them.
    fn sandbox(&self) -> Json {
        let types = ["string", "number", "integer", "boolean", "date", "datetime", "json"];
        let property = json!({"anyOf": [{"enum": types}, {"type": "object"}]});
        let mut properties = json!({
            "objects": {"additionalProperties": {"type": "object", "additionalProperties": property}},
            "limits": {"type": "object"},
            "faults": {"type": "array", "items": {"type": "object"}},
        });
        for key in self.registry.0.iter().filter_map(|c| c.emulator).flat_map(|emulator| emulator.keys) {
            properties[key] = json!({"not": {"type": "null"}});
        }
        json!({"type": "object", "properties": properties, "additionalProperties": false})
    }
}

/// What a connection of this type takes beyond the common keys.
fn settings(connector: &Connector) -> Json {
    let properties: Map<String, Json> = connector
        .settings
        .iter()
        .map(|s| (s.name.to_owned(), json!({"description": s.help, "not": {"type": "null"}})))
        .collect();
    let common = CONNECTION_KEYS.iter().map(|key| key.name);
    let names: Vec<&str> = connector.settings.iter().map(|s| s.name).chain(common).collect();
    let required: Vec<&str> = connector.settings.iter().filter(|s| s.required).map(|s| s.name).collect();
    json!({
        "if": {"properties": {"type": {"const": connector.name}}, "required": ["type"]},
        "then": {"properties": properties, "propertyNames": {"enum": names}, "required": required},
    })
}

/// A value without parts; each pattern is the form that `units` reads.
fn scalar(shape: Shape) -> Json {
    let text = |pattern: &str| json!({"type": "string", "pattern": pattern});
    match shape {
        // Letters by what they are not: `\p{L}` is unknown to some validators, Python's among them.
        Shape::Name => {
            let (first, inner) = (r"[^\x00-/:-@\[-^`{-\x7F]", r"[^\x00-,/:-@\[-^`{-\x7F]");
            json!({"type": "string", "pattern": format!("^(?!.*\\.$){first}{inner}*$"), "maxLength": 100})
        }
        Shape::Integer(least) => json!({"type": "integer", "minimum": least, "maximum": u32::MAX}),
        Shape::Calls => json!({"anyOf": [
            scalar(Shape::Integer(1)),
            text(r"^(?![\s0.]*%)\s*(100(\.0*)?|[0-9]{1,2}(\.[0-9]*)?)\s*%\s*$"),
        ]}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Word(words) => json!({"enum": words}),
        Shape::Duration => text(r"^\s*([0-9]+(ms|s|m|h|d))+\s*$"),
        Shape::Rate => text(r"^\s*[1-9][0-9]*\s*/\s*([0-9]+(ms|s|m|h|d)|(ms|s|m|h|d))+\s*$"),
        Shape::Size => text(r"^\s*[1-9][0-9]*\s*([kKmMgG][iI]?)?[bB]\s*$"),
        Shape::Bound => json!({"anyOf": [
            {"type": "integer", "minimum": 0},
            text(r"^\s*([0-9]+|(100(\.0*)?|[0-9]{1,2}(\.[0-9]*)?)\s*%)\s*$"),
        ]}),
        Shape::TimeOfDay => text(r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"),
        Shape::Window => {
            let time = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?";
            text(&format!(r"^\s*{time}-{time}(\s+\S+)?\s*$"))
        }
        Shape::Delimiter => text(r#"^(tab|[\x01-\x09\x0b\x0c\x0e-!#-\x7f])$"#),
        _ => json!({"type": "string"}),
    }
}
