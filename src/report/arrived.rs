//! What `outflow sandbox show` tells of the emulated accounts.

use std::fmt::Write;

use serde_json::{Map, Value as Json};

use super::Answer;
use super::format::{clean, plural, value};
use super::style::{STRONG, paint};

/// Most objects listed of one kind; JSON has all.
const MOST: usize = 20;

/// `shown` is `{objects: {vendor: {object: [{id, properties, archived}]}}, requests: {writes, reads, refused}}`.
pub fn show(shown: &Json) -> Answer {
    let mut text = String::new();
    for (vendor, objects) in shown["objects"].as_object().into_iter().flatten() {
        for (object, list) in objects.as_object().into_iter().flatten() {
            text.push_str(&listing(vendor, object, list.as_array().map_or(&[], Vec::as_slice)));
        }
    }
    if text.is_empty() {
        text.push_str("nothing has arrived\n");
    }
    let count = |name: &str| shown["requests"][name].as_u64().unwrap_or(0);
    let _ = writeln!(
        text,
        "{}, {}, {} refused",
        plural(count("writes"), "write request"),
        plural(count("reads"), "other"),
        count("refused")
    );
    Answer::new(text, shown.as_object().cloned().unwrap_or_default())
}

fn listing(vendor: &str, object: &str, list: &[Json]) -> String {
    let archived = list.iter().filter(|one| one["archived"] == true).count();
    let heading = format!("{}: {}", clean(vendor), clean(object));
    let mut text = format!("{}   {}", paint(STRONG, &heading), plural(list.len() as u64, "object"));
    match archived {
        0 => text.push('\n'),
        some => _ = writeln!(text, ", {some} archived"),
    }
    for one in list.iter().take(MOST) {
        let mark = if one["archived"] == true { "archived   " } else { "" };
        let properties = one["properties"].as_object().map(properties).unwrap_or_default();
        let _ = writeln!(text, "  {}   {mark}{properties}", value(&one["id"]));
    }
    if list.len() > MOST {
        let _ = writeln!(text, "  … {} more; `--format json` lists all", list.len() - MOST);
    }
    text
}

fn properties(properties: &Map<String, Json>) -> String {
    let filled = properties.iter().filter(|(_, v)| !v.is_null());
    filled.map(|(name, v)| format!("{}={}", clean(name), value(v))).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_and_requests() {
        let shown = json!({
            "objects": {"hubspot": {"contacts": [
                {"id": "1", "properties": {"email": "a@example.com", "plan": null}, "archived": false},
                {"id": "2", "properties": {"email": "b@example.com"}, "archived": true},
            ]}},
            "requests": {"writes": 1, "reads": 3, "refused": 0},
        });
        let answer = show(&shown);
        insta::assert_snapshot!(anstream::adapter::strip_str(&answer.text).to_string(), @r"
        hubspot: contacts   2 objects, 1 archived
          1   email=a@example.com
          2   archived   email=b@example.com
        1 write request, 3 others, 0 refused
        ");
        assert_eq!(Json::Object(answer.json), shown);
        let empty = json!({"objects": {}, "requests": {"writes": 0, "reads": 0, "refused": 0}});
        assert!(show(&empty).text.starts_with("nothing has arrived\n"));
    }
}
