//! JSON Schema of what a mapping declares, for editors; the check itself is stricter.

use serde_json::{Value as Json, json};

use super::requests::METHODS;

/// The schema of one key of the `destination` block.
pub(super) fn of_option(option: &str) -> Json {
    let mut schema = match option {
        "request" | "create" | "update" | "delete" | "join" | "leave" => request(),
        rule => of_rule(rule),
    };
    schema["description"] = help(option).into();
    schema
}

fn help(option: &str) -> &'static str {
    match option {
        "request" => "What is sent for rows that are new or have changed; it may be sent twice for a row.",
        "create" => "What is sent in `mode: insert`; never sent again blindly.",
        "update" => "What is sent for objects that are there.",
        "delete" => "What is sent for rows that vanished.",
        "join" => "What puts a row on a list, in `mode: audience`.",
        "leave" => "What takes a row off a list, in `mode: audience`.",
        "unauthorized" => "Answers that refuse the credentials; the run stops.",
        "retry" => "Answers that mean: not done, ask again.",
        "rejected" => "Answers that refuse the row or the batch, without any effect.",
        "absent" => "Answers that say that the object is not there.",
        "success" => "Answers that mean: done. What no rule recognises is not.",
        "row_errors" => "Rows of a batch that were refused alone.",
        "row_results" => "Rows of a batch that are confirmed; with it, no other row is.",
        "remote_id" => "Where the answer names the object's id, a JSON Pointer.",
        _ => "",
    }
}

fn request() -> Json {
    let mut properties = json!({
        "method": {"enum": METHODS},
        "path": {"type": "string", "pattern": "^/", "description": "Behind `base_url`; a Jinja template."},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "body": {"type": "string", "description": "A Jinja template: `{{ fields | tojson }}`."},
        "batch": block(json!({"rows": {"type": "integer", "minimum": 1}, "bytes": {"type": ["string", "integer"]}}), &["rows"]),
        "repeatable": {"type": "boolean", "description": "It may be sent again when its answer was lost."},
    });
    for rule in super::rules::KEYS {
        properties[rule] = of_rule(rule);
    }
    block(properties, &["method", "path"])
}

fn of_rule(rule: &str) -> Json {
    let told = ["code", "message", "field"];
    match rule {
        "remote_id" => pointer(),
        "row_errors" => rows(&[&told[..], &["absent"]].concat()),
        "row_results" => rows(&["id"]),
        "success" | "absent" => one_or_more(&answers(&[])),
        _ => one_or_more(&answers(&told)),
    }
}

/// A rule on answers.
fn answers(more: &[&str]) -> Json {
    let status = json!({"type": "integer", "minimum": 200, "maximum": 599});
    let mut properties = json!({"status": one_or_more(&status), "when": one_or_more(&condition())});
    for name in more {
        properties[*name] = pointer();
    }
    block(properties, &["status"])
}

/// A rule on the items of a list in an answer.
fn rows(more: &[&str]) -> Json {
    let mut properties = json!({
        "list": pointer(),
        "index": pointer(),
        "key": {"type": "object", "additionalProperties": pointer()},
        "order": {"const": true},
        "when": one_or_more(&condition()),
    });
    for name in more {
        properties[*name] = pointer();
    }
    if more.contains(&"absent") {
        properties["absent"] = one_or_more(&json!({"type": ["string", "integer"]}));
    }
    block(properties, &["list"])
}

fn condition() -> Json {
    block(
        json!({
            "pointer": pointer(), "equals": {}, "one_of": {"type": "array", "minItems": 1},
            "exists": {"type": "boolean"}, "text": {"type": "string"},
        }),
        &[],
    )
}

fn pointer() -> Json {
    json!({"type": "string", "pattern": "^(/.*)?$"})
}

fn one_or_more(item: &Json) -> Json {
    json!({"anyOf": [item, {"type": "array", "items": item}]})
}

fn block(properties: Json, required: &[&str]) -> Json {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}
