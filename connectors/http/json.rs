//! Reading the JSON of answers, in which every part may be missing.

use serde_json::Value as Json;

/// The elements of the array at this key; none where there is none.
pub fn list<'a>(object: &'a Json, name: &str) -> impl Iterator<Item = &'a Json> {
    object.get(name).and_then(Json::as_array).into_iter().flatten()
}

/// The text at this key, or a number as text: ids come as either.
pub fn text(object: &Json, name: &str) -> Option<String> {
    match object.get(name)? {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The texts at this key: a list of them, or a single one.
pub fn strings<'a>(object: &'a Json, name: &str) -> impl Iterator<Item = &'a str> {
    let value = object.get(name);
    let many = value.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    many.chain(value.and_then(Json::as_str))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_or_of_another_type_is_nothing() {
        let object = json!({"ids": ["a", 1, "b"], "id": 7, "name": "x", "deep": {}});
        assert_eq!(strings(&object, "ids").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(strings(&object, "name").collect::<Vec<_>>(), ["x"]);
        assert_eq!((list(&object, "ids").count(), list(&object, "name").count()), (3, 0));
        assert_eq!(text(&object, "id").as_deref(), Some("7"));
        assert_eq!(
            (text(&object, "deep"), text(&object, "none"), text(&Json::Null, "id")),
            (None, None, None)
        );
    }
}
