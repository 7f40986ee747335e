//! A vendor's own OpenAPI 3.0 description, to hold requests and answers against: what of it speaks of a request, as JSON
//! Schema. In JSON Schema there is no `nullable`, so what has it is made into a choice between null and the rest.

use serde_json::{Map, Value as Json, json};

/// A description, its schemas made into JSON Schema.
pub struct Description(Json);

impl Description {
    /// Reads a description.
    pub fn new(mut openapi: Json) -> Self {
        nullable(&mut openapi);
        Description(openapi)
    }

    /// The operation of a method at a path, which has no query; `None` where the vendor describes none.
    pub fn operation(&self, method: &str, path: &str) -> Option<&Json> {
        let paths = self.0["paths"].as_object()?;
        let is_it = |template: &String| {
            let (template, path) = (template.split('/'), path.split('/'));
            template.clone().count() == path.clone().count()
                && template.zip(path).all(|(a, b)| a == b || (a.starts_with('{') && !b.is_empty()))
        };
        // A path without a variable comes before one that has one.
        let mut fitting: Vec<&String> = paths.keys().filter(|template| is_it(template)).collect();
        fitting.sort_by_key(|template| template.matches('{').count());
        paths[*fitting.first()?].get(method.to_ascii_lowercase())
    }

    /// The JSON Schema of an operation's body; `None` where it takes none.
    pub fn request(&self, operation: &Json) -> Option<Json> {
        self.schema(operation.get("requestBody")?)
    }

    /// The JSON Schema of what an operation answers with this status; `None` where the vendor describes no body.
    pub fn answer(&self, operation: &Json, status: u16) -> Option<Json> {
        let answers = operation.get("responses")?;
        let exact = answers.get(status.to_string());
        let answer = exact.or_else(|| answers.get(format!("{}XX", status / 100)))?;
        self.schema(answer)
    }

    /// Whether an operation is described as answering with this status.
    pub fn knows(&self, operation: &Json, status: u16) -> bool {
        let answers = &operation["responses"];
        [status.to_string(), format!("{}XX", status / 100)].iter().any(|word| answers.get(word).is_some())
    }

    /// Of a body or an answer, which may stand elsewhere; whole, with all that it refers to.
    fn schema(&self, part: &Json) -> Option<Json> {
        let part = match part.get("$ref").and_then(Json::as_str) {
            Some(place) => self.0.pointer(place.strip_prefix('#')?)?,
            None => part,
        };
        let schema = part.get("content")?.as_object()?.values().next()?.get("schema")?;
        Some(json!({"components": self.0["components"], "allOf": [schema]}))
    }
}

fn nullable(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(nullable),
        Json::Object(entries) => {
            entries.values_mut().for_each(nullable);
            if entries.get("nullable") == Some(&Json::Bool(true)) {
                let mut rest: Map<String, Json> = std::mem::take(entries);
                rest.remove("nullable");
                entries.insert("anyOf".to_owned(), json!([{"type": "null"}, rest]));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_found_by_its_template() {
        let described = Description::new(json!({
            "paths": {
                "/a/{id}": {"get": {"n": 1}},
                "/a/all": {"get": {"n": 2}, "post": {"requestBody": {"$ref": "#/components/bodies/B"}}},
            },
            "components": {
                "bodies": {"B": {"content": {"application/json": {"schema": {"type": "string", "nullable": true}}}}},
            },
        }));
        let number = |path: &str| described.operation("GET", path).map(|found| found["n"].clone());
        assert_eq!((number("/a/7"), number("/a/all")), (Some(json!(1)), Some(json!(2))));
        assert_eq!((number("/a"), number("/a/"), number("/a/7/b")), (None, None, None));
        let body = described.request(described.operation("POST", "/a/all").unwrap()).unwrap();
        assert_eq!(body["allOf"][0], json!({"anyOf": [{"type": "null"}, {"type": "string"}]}));
    }
}
