//! What a property's value must look like, and the words HubSpot refuses it with.
//!
//! Codes seen in real answers: `PROPERTY_DOESNT_EXIST`, `INVALID_EMAIL`, `INVALID_OPTION`, `INVALID_LONG`, `INVALID_DATE`,
//! `LEADING_TRAILING_WHITESPACE`, `READ_ONLY_VALUE`, `CONFLICTING_UNIQUE_VALUE`; the others follow their style.

use jiff::{Timestamp, civil};
use serde_json::{Value as Json, json};

use super::properties::{Kind, ObjectType, Property};
use crate::contract::Number;

/// The longest text a property holds.
const MAX_TEXT: usize = 65_536;
const DAY_MS: i64 = 86_400_000;

/// One invalid value, as it stands in the list inside an error's `message`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invalid {
    pub name: String,
    pub error: &'static str,
    pub message: String,
}

impl Invalid {
    pub(super) fn new(name: &str, error: &'static str, message: impl Into<String>) -> Self {
        Invalid { name: name.into(), error, message: message.into() }
    }
}

/// `Property values were not valid: [{...}]`.
pub(super) fn message(invalid: &[Invalid]) -> String {
    let list: Vec<_> = invalid
        .iter()
        .map(|i| json!({"isValid": false, "message": i.message, "error": i.error, "name": i.name}))
        .collect();
    format!("Property values were not valid: {}", Json::Array(list))
}

/// Checks one property of an input and gives the value in the form it is kept in; `None` clears it.
pub(super) fn check(kind: &ObjectType, name: &str, value: &str) -> Result<Option<String>, Invalid> {
    let invalid = |error, message| Err(Invalid::new(name, error, message));
    let Some(property) = kind.properties.get(name) else {
        return invalid("PROPERTY_DOESNT_EXIST", format!("Property \"{name}\" does not exist"));
    };
    if property.read_only {
        return invalid(
            "READ_ONLY_VALUE",
            format!("\"{name}\" is a read only property; its value cannot be set."),
        );
    }
    if value.is_empty() {
        return match property.required {
            true => invalid("REQUIRED_FIELD", format!("\"{name}\" is required and cannot be cleared.")),
            false => Ok(None),
        };
    }
    if property.refuse.iter().any(|refused| refused == value) {
        return invalid(
            "INVALID_VALUE",
            format!("{value} is not allowed by a validation rule of this account"),
        );
    }
    let texts = matches!(property.kind, Kind::Text | Kind::Email);
    if !texts && is_padded(value) {
        let message = format!("\"{value}\" includes leading or trailing whitespace.");
        return invalid("LEADING_TRAILING_WHITESPACE", message);
    }
    parse(property, value).map(Some).map_err(|(error, message)| Invalid {
        name: name.to_owned(),
        error,
        message,
    })
}

fn is_padded(value: &str) -> bool {
    let blank = |c: char| c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}');
    value.starts_with(blank) || value.ends_with(blank)
}

type Parsed = Result<String, (&'static str, String)>;

fn parse(property: &Property, value: &str) -> Parsed {
    match property.kind {
        Kind::Text => text(value),
        Kind::Email => email(value),
        Kind::Number | Kind::Integer => number(property.kind, value),
        Kind::Bool => match value {
            "true" | "false" => Ok(value.to_owned()),
            _ => {
                Err(("INVALID_OPTION", format!("{value} was not one of the allowed options: [true, false]")))
            }
        },
        Kind::Date => date(value),
        Kind::DateTime => datetime(value),
        Kind::Enumeration => options(property, value),
        Kind::Json => match serde_json::from_str::<Json>(value) {
            Ok(_) => Ok(value.to_owned()),
            Err(_) => Err(("INVALID_JSON", format!("{value} was not valid JSON"))),
        },
    }
}

fn text(value: &str) -> Parsed {
    let length = value.chars().count();
    if length > MAX_TEXT {
        let message = format!("The value has {length} characters, more than the {MAX_TEXT} allowed");
        return Err(("PROPERTY_VALUE_TOO_LONG", message));
    }
    Ok(value.to_owned())
}

/// Kept in lower case, as HubSpot does. Letters of any script may stand before the `@`.
fn email(value: &str) -> Parsed {
    let valid = || {
        let (local, domain) = value.rsplit_once('@')?;
        let local_fits = !local.is_empty()
            && local.len() <= 64
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && !local
                .contains(|c: char| c.is_whitespace() || c.is_control() || r#""(),:;<>@[\]"#.contains(c));
        let label_fits = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let last = domain.rsplit('.').next()?;
        let domain_fits = domain.contains('.')
            && domain.split('.').all(label_fits)
            && last.chars().count() >= 2
            && !last.chars().all(|c| c.is_ascii_digit());
        (local_fits && domain_fits && value.len() <= 254).then_some(())
    };
    match valid() {
        Some(()) => Ok(value.to_lowercase()),
        None => Err(("INVALID_EMAIL", format!("Email address {value} is invalid"))),
    }
}

fn number(kind: Kind, value: &str) -> Parsed {
    match Number::parse(value) {
        Ok(number) if kind == Kind::Number || number.is_integral() => Ok(value.to_owned()),
        _ => Err(("INVALID_NUMBER", format!("{value} was not a valid number."))),
    }
}

fn milliseconds(value: &str) -> Option<i64> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| value.parse().ok()).flatten()
}

/// `YYYY-MM-DD`, or milliseconds at midnight UTC; kept as `YYYY-MM-DD`.
fn date(value: &str) -> Parsed {
    if let Some(ms) = milliseconds(value) {
        let not_midnight = |at: &str| ("INVALID_DATE", format!("{value} is at {at} UTC, not midnight!"));
        let time = Timestamp::from_millisecond(ms).map_err(|_| not_midnight("an impossible time"))?;
        if ms.rem_euclid(DAY_MS) != 0 {
            return Err(not_midnight(&time.strftime("%H:%M:%S%.f").to_string()));
        }
        return Ok(time.strftime("%F").to_string());
    }
    let plain = value.len() == 10 && value.parse::<civil::Date>().is_ok();
    if plain { Ok(value.to_owned()) } else { Err(("INVALID_LONG", format!("{value} was not a valid long."))) }
}

/// ISO 8601 with a zone, or milliseconds; kept in UTC with milliseconds.
fn datetime(value: &str) -> Parsed {
    let invalid = || ("INVALID_LONG", format!("{value} was not a valid long."));
    let time = match milliseconds(value) {
        Some(ms) => Timestamp::from_millisecond(ms).map_err(|_| invalid())?,
        None if value.contains('T') => value.parse::<Timestamp>().map_err(|_| invalid())?,
        None => return Err(invalid()),
    };
    Ok(time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// Internal values; `a;b` where several can be chosen.
fn options(property: &Property, value: &str) -> Parsed {
    let known = |chosen: &str| property.options.iter().any(|option| option == chosen);
    let fits = if property.multiple { value.split(';').all(known) } else { known(value) };
    if fits {
        return Ok(value.to_owned());
    }
    let message = format!("{value} was not one of the allowed options: [{}]", property.options.join(", "));
    Err(("INVALID_OPTION", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hubspot::sandbox::properties::Catalogue;
    use crate::sandbox::SandboxConfig;

    fn catalogue() -> Catalogue {
        let mut config = SandboxConfig::default();
        let properties = json!({
            "n": "number", "i": "integer", "b": "bool", "d": "date", "t": "datetime", "j": "json",
            "e": {"enum": ["A", "B b"]}, "m": {"enum": ["x", "y"], "multiple": true},
            "ro": {"type": "string", "read_only": true}, "rq": {"type": "string", "required": true},
            "rule": {"type": "string", "refuse": ["blocked", "bad"]},
        });
        config.add("hubspot", &json!({"objects": {"CONTACT": properties}})).unwrap();
        Catalogue::new(&config.vendor("hubspot").objects).unwrap()
    }

    #[test]
    fn good_values_are_kept_in_one_form() {
        let catalogue = catalogue();
        let contacts = catalogue.get("0-1").unwrap();
        for (name, value, kept) in [
            ("firstname", "  Ana  ", "  Ana  "),
            ("email", "Stanisław.Wójcik@WP.pl", "stanisław.wójcik@wp.pl"),
            ("email", "a+b_c'd@x-y.co.uk", "a+b_c'd@x-y.co.uk"),
            ("n", "-12.50", "-12.50"),
            ("i", "7", "7"),
            ("b", "true", "true"),
            ("d", "2024-02-29", "2024-02-29"),
            ("d", "1430438400000", "2015-05-01"),
            ("t", "2015-04-02T18:02:46Z", "2015-04-02T18:02:46.000Z"),
            ("t", "2015-04-02T20:02:46.5+02:00", "2015-04-02T18:02:46.500Z"),
            ("t", "1427997766000", "2015-04-02T18:02:46.000Z"),
            ("e", "B b", "B b"),
            ("m", "x;y", "x;y"),
            ("j", "{\"a\":1}", "{\"a\":1}"),
            ("lifecyclestage", "lead", "lead"),
        ] {
            assert_eq!(check(contacts, name, value), Ok(Some(kept.to_owned())), "{name}={value}");
        }
        assert_eq!(check(contacts, "n", ""), Ok(None));
    }

    #[test]
    fn bad_values_are_refused_with_the_vendors_code() {
        let catalogue = catalogue();
        let contacts = catalogue.get("contacts").unwrap();
        let long = "é".repeat(MAX_TEXT + 1);
        for (name, value, error) in [
            ("nope", "1", "PROPERTY_DOESNT_EXIST"),
            ("nope", "", "PROPERTY_DOESNT_EXIST"),
            ("ro", "x", "READ_ONLY_VALUE"),
            ("createdate", "2015-04-02T18:02:46Z", "READ_ONLY_VALUE"),
            ("hs_object_id", "1", "READ_ONLY_VALUE"),
            ("rq", "", "REQUIRED_FIELD"),
            ("rule", "bad", "INVALID_VALUE"),
            ("firstname", &long, "PROPERTY_VALUE_TOO_LONG"),
            ("email", "no-at.example", "INVALID_EMAIL"),
            ("email", "a@b", "INVALID_EMAIL"),
            ("email", "a b@x.io", "INVALID_EMAIL"),
            ("email", " a@x.io", "INVALID_EMAIL"),
            ("email", "a..b@x.io", "INVALID_EMAIL"),
            ("email", "a@-x.io", "INVALID_EMAIL"),
            ("email", "a@b@x.io", "INVALID_EMAIL"),
            ("n", "1,5", "INVALID_NUMBER"),
            ("n", "NaN", "INVALID_NUMBER"),
            ("n", "1 ", "LEADING_TRAILING_WHITESPACE"),
            ("n", "\u{a0}1", "LEADING_TRAILING_WHITESPACE"),
            ("i", "1.5", "INVALID_NUMBER"),
            ("b", "True", "INVALID_OPTION"),
            ("b", "1", "INVALID_OPTION"),
            ("d", "2023-02-29", "INVALID_LONG"),
            ("d", "2024-02-29T00:00:00Z", "INVALID_LONG"),
            ("d", "1430438400001", "INVALID_DATE"),
            ("t", "2024-02-29", "INVALID_LONG"),
            ("t", "2024-02-29T10:00:00", "INVALID_LONG"),
            ("t", "soon", "INVALID_LONG"),
            ("e", "a", "INVALID_OPTION"),
            ("e", "A;B b", "INVALID_OPTION"),
            ("m", "x;z", "INVALID_OPTION"),
            ("m", "x;", "INVALID_OPTION"),
            ("j", "{", "INVALID_JSON"),
            ("lifecyclestage", "Lead", "INVALID_OPTION"),
        ] {
            let refused = check(contacts, name, value).unwrap_err();
            assert_eq!(refused.error, error, "{name}={value}: {refused:?}");
            assert_eq!(refused.name, name);
        }
    }

    #[test]
    fn the_message_embeds_a_json_list() {
        let list = [Invalid::new("email", "INVALID_EMAIL", "Email address \"x\" is invalid")];
        let text = message(&list);
        let (head, tail) = text.split_once(": ").unwrap();
        assert_eq!(head, "Property values were not valid");
        let parsed: Json = serde_json::from_str(tail).unwrap();
        assert_eq!(parsed[0]["message"], "Email address \"x\" is invalid");
        assert!(tail.starts_with("[{\"isValid\":false,\"message\":"), "{tail}");
    }

    #[test]
    fn a_declaration_that_contradicts_hubspot_is_refused() {
        for (block, part) in [
            (json!({"createdate": "date"}), "HubSpot itself sets"),
            (json!({"email": "number"}), "another type"),
            (json!({"lifecyclestage": "number"}), "another type"),
            (json!({"Plan": "string"}), "lower-case"),
            (json!({"phone": {"type": "string", "unique": true}}), "not unique"),
        ] {
            let mut config = SandboxConfig::default();
            config.add("hubspot", &json!({"objects": {"contacts": block}})).unwrap();
            let error = Catalogue::new(&config.vendor("hubspot").objects).err().unwrap();
            assert!(error.contains(part), "{error}");
        }
    }
}
