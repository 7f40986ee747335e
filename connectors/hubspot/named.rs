//! Which rows a refusal of a whole batch names.
//!
//! HubSpot answers for each row where it takes the trace ids. Where it does not, it refuses the batch for the first bad
//! value it meets, and tells the property and, in its message, the value: `Email address foo is invalid`. The rows that
//! were sent with this very value of this property are named by it: the same value is refused in any row.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;

use super::answers::Index;
use super::encode::Inputs;
use super::errors::{Invalid, Refusal, invalid_values, refusal};
use crate::contract::Outcome;
use crate::http::{json::list, shortened};

/// What stands before and after the value in HubSpot's messages. `{}` is the property's name.
const WORDS: &[(&str, &str)] = &[
    ("Email address ", " is invalid"),
    ("", " was not "),
    ("", " is at "),
    ("", " is not "),
    ("\"", "\" includes leading or trailing whitespace"),
    ("Cannot set {} to ", ". "),
];

/// Codes of a property that nobody can set, whatever the value.
const WHOLE_PROPERTY: [&str; 2] = ["PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"];

/// The rows of a part that this refusal names, each with its outcome: by trace id or id, else by value. Empty where it
/// names none.
pub(super) fn named(inputs: &Inputs, part: &[usize], refused: &Json) -> Vec<(usize, Outcome)> {
    let mut rows = BTreeMap::new();
    let index = Index::new(inputs, part);
    for error in std::iter::once(refused).chain(list(refused, "errors")) {
        for place in index.of_error(error) {
            rows.entry(part[place]).or_insert_with(|| refusal(error).outcome());
        }
    }
    let errors = || std::iter::once(refused).chain(list(refused, "errors"));
    let messages = errors().filter_map(|error| error.get("message")?.as_str());
    let invalid: Vec<Invalid> = messages.flat_map(invalid_values).collect();
    if rows.is_empty() && !invalid.is_empty() {
        for place in part {
            let properties = inputs.properties(*place);
            if let Some(refusal) = invalid.iter().find_map(|invalid| invalid.of(&properties)) {
                rows.insert(*place, refusal.outcome());
            }
        }
    }
    rows.into_iter().collect()
}

impl Invalid {
    /// The refusal of a row with these properties, if it is one that this speaks of.
    fn of(&self, properties: &HashMap<String, String>) -> Option<Refusal> {
        let name = self.property.as_ref()?;
        let value = properties.get(name)?;
        let speaks_of_it = WHOLE_PROPERTY.contains(&self.code.as_str()) || self.is_of_value(name, value);
        speaks_of_it.then(|| Refusal {
            code: self.code.clone(),
            field: Some(name.clone()),
            message: shortened(&self.words),
        })
    }

    fn is_of_value(&self, name: &str, value: &str) -> bool {
        WORDS.iter().any(|(before, after)| {
            let rest = self.words.strip_prefix(&before.replace("{}", name));
            let rest = rest.and_then(|rest| rest.strip_prefix(value));
            !value.is_empty() && rest.is_some_and(|rest| rest.starts_with(after))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::{Change, FieldValue, Value, Verb};

    fn sent(rows: &[&[(&str, &str)]]) -> Inputs {
        let mut inputs = Inputs::new("row");
        for (at, row) in rows.iter().enumerate() {
            let field =
                |name: &str, value: &str| FieldValue { name: name.into(), value: Value::Text(value.into()) };
            let change = Change {
                verb: Verb::Upsert,
                destination_key: vec![field("code", &format!("k{at}"))],
                remote_id: None,
                fields: row.iter().map(|(name, value)| field(name, value)).collect(),
            };
            change.borrowed(|change| inputs.push(change)).unwrap();
        }
        inputs
    }

    fn refused(values: &[(&str, &str, &str)]) -> Json {
        let list: Vec<Json> = values
            .iter()
            .map(|(name, error, message)| json!({"isValid": false, "name": name, "error": error, "message": message}))
            .collect();
        let message = format!("Property values were not valid: {}", Json::Array(list));
        json!({"status": "error", "category": "VALIDATION_ERROR", "message": message})
    }

    fn places(inputs: &Inputs, part: &[usize], refused: &Json) -> Vec<usize> {
        named(inputs, part, refused).into_iter().map(|(place, _)| place).collect()
    }

    #[test]
    fn a_value_names_the_rows_that_hold_it_in_this_property() {
        let inputs = sent(&[
            &[("email", "ann@x.io"), ("plan", "A")],
            &[("email", "nobody"), ("plan", "C")],
            &[("email", "nobod"), ("plan", "B"), ("note", "nobody")],
            &[("email", "nobody")],
            &[("email", ""), ("plan", "")],
        ]);
        let all = [0, 1, 2, 3, 4];
        let email = refused(&[("email", "INVALID_EMAIL", "Email address nobody is invalid")]);
        assert_eq!(places(&inputs, &all, &email), [1, 3]);
        assert_eq!(places(&inputs, &[0, 2, 3], &email), [3]);
        let rows = named(&inputs, &all, &email);
        let Outcome::Rejected { code, field, message } = &rows[0].1 else { panic!("{rows:?}") };
        assert_eq!((code.as_str(), field.as_deref()), ("INVALID_EMAIL", Some("email")));
        assert_eq!(message, "Email address nobody is invalid");
        // The options that would do are no culprits.
        let plan = refused(&[("plan", "INVALID_OPTION", "C was not one of the allowed options: [A, B]")]);
        assert_eq!(places(&inputs, &all, &plan), [1]);
        let two = refused(&[
            ("plan", "INVALID_OPTION", "B was not one of the allowed options: [A]"),
            ("email", "INVALID_EMAIL", "Email address ann@x.io is invalid"),
        ]);
        assert_eq!(places(&inputs, &all, &two), [0, 2]);
    }

    #[test]
    fn each_of_hubspots_sentences_is_understood() {
        let long = "x".repeat(1_000);
        for (code, value, words) in [
            ("INVALID_LONG", "abc", "abc was not a valid long."),
            ("INVALID_DATE", "1", "1 is at 00:00:00.001 UTC, not midnight!"),
            ("LEADING_TRAILING_WHITESPACE", " 7", "\" 7\" includes leading or trailing whitespace."),
            ("CONFLICTING_UNIQUE_VALUE", "X.1", "Cannot set it to X.1. 1001 already has that value."),
            ("INVALID_NUMBER", long.as_str(), &format!("{long} was not a valid number.")),
            ("PROPERTY_DOESNT_EXIST", "any", "Property \"it\" does not exist"),
        ] {
            let inputs = sent(&[&[("other", value)], &[("it", value)]]);
            assert_eq!(places(&inputs, &[0, 1], &refused(&[("it", code, words)])), [1], "{words}");
        }
    }

    #[test]
    fn trace_ids_and_ids_come_first() {
        let inputs = sent(&[&[("email", "a")], &[("email", "b")], &[("email", "c")]]);
        let by_trace = json!({"status": "error", "category": "VALIDATION_ERROR", "message": "no",
            "errors": [{"message": "no", "context": {"objectWriteTraceId": ["row-2"]}}]});
        assert_eq!(places(&inputs, &[0, 1, 2], &by_trace), [2]);
        let by_id = json!({"status": "error", "category": "OBJECT_NOT_FOUND", "message": "no", "context": {"ids": ["k0"]}});
        assert_eq!(places(&inputs, &[0, 1, 2], &by_id), [0]);
        let by_none = json!({"status": "error", "category": "VALIDATION_ERROR", "message": "no"});
        assert!(places(&inputs, &[0, 1, 2], &by_none).is_empty());
    }
}
