//! What `outflow fields` shows.

use outflow_connectors::contract::{Catalog, Property};
use serde_json::{Map, Value as Json, json};

use super::format::{clean, plural};
use super::{Answer, table};

/// The fields of one object.
pub fn fields(catalog: &Catalog) -> Answer {
    let rows = catalog.properties.iter().map(|property| {
        vec![clean(&property.name), property.kind.to_string(), traits(property), options(property)]
    });
    let mut text = table::text(&["field", "type", "", "options"], rows.collect());
    if catalog.open {
        text.push_str("other fields can be sent as well\n");
    }
    for note in &catalog.notes {
        text.push_str(&format!("{}\n", clean(note)));
    }
    let body = catalog.properties.iter().map(object).collect();
    let mut json = Map::from_iter([("fields".to_owned(), Json::Array(body))]);
    if !catalog.notes.is_empty() {
        json.insert("notes".to_owned(), json!(catalog.notes));
    }
    Answer::new(text, json)
}

fn traits(property: &Property) -> String {
    let named = [
        (property.unique, "unique"),
        (property.required, "required"),
        (property.read_only, "read-only"),
        (property.multiple, "several values"),
    ];
    named.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
}

fn options(property: &Property) -> String {
    const MOST: usize = 6;
    let mut shown: Vec<String> = property.options.iter().take(MOST).map(|option| clean(option)).collect();
    if property.options.len() > MOST {
        shown.push(format!("… {} in all", plural(property.options.len() as u64, "value")));
    }
    shown.join(", ")
}

fn object(property: &Property) -> Json {
    json!({
        "name": property.name,
        "type": property.kind.name(),
        "required": property.required,
        "read_only": property.read_only,
        "unique": property.unique,
        "options": property.options,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use outflow_connectors::contract::FieldType;

    #[test]
    fn fields_with_what_matters_about_them() {
        let email = Property { unique: true, ..Property::new("email", FieldType::String) };
        let plan = Property {
            options: (1..=9).map(|n| format!("P{n}")).collect(),
            required: true,
            ..Property::new("plan", FieldType::String)
        };
        let created = Property { read_only: true, ..Property::new("createdate", FieldType::DateTime) };
        let notes = vec!["A note.".to_owned()];
        let properties = vec![email, plan, created];
        let answer = fields(&Catalog { properties, notes, ..Catalog::default() });
        insta::assert_snapshot!(answer.text, @r"
        field        type                   options
        email        string     unique
        plan         string     required    P1, P2, P3, P4, P5, P6, … 9 values in all
        createdate   datetime   read-only
        A note.
        ");
        let keys: Vec<_> = answer.json["fields"][0].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["name", "type", "required", "read_only", "unique", "options"]);
    }
}
