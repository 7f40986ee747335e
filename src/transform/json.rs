//! JSON in one form: object keys sorted, numbers canonical, no white space.

use outflow_connectors::contract::Number;
use serde_json::{Map, Value as Json};

/// Parses JSON text into its canonical value: sorted keys, `1.0` as `1`, other floats rounded to 15 significant
/// digits. Of equal keys in one object the last counts, as in PostgreSQL's `jsonb`.
///
/// # Errors
/// A sentence fragment: where the text is not JSON, or which integer is too large to keep exactly.
pub(super) fn parse(text: &str) -> Result<Json, String> {
    let parsed: Json = serde_json::from_str(text).map_err(|e| format!("is not valid JSON: {e}"))?;
    match inexact_integer(text) {
        Some(digits) => Err(format!("holds the integer `{digits}`, which a JSON number cannot keep exactly")),
        None => Ok(canonical(parsed)),
    }
}

/// The canonical form of a parsed value.
pub(super) fn canonical(value: Json) -> Json {
    match value {
        Json::Number(n) => canonical_number(&n),
        Json::Array(items) => Json::Array(items.into_iter().map(canonical).collect()),
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(fields.into_iter().map(|(name, v)| (name, canonical(v))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn canonical_number(number: &serde_json::Number) -> Json {
    match number.as_f64().filter(|_| number.is_f64()).map(float) {
        Some(Ok(n)) => exact(&n).unwrap_or_else(|| Json::Number(number.clone())),
        _ => Json::Number(number.clone()),
    }
}

/// A float as a number: integers that a double holds exactly stay whole, all else has 15 significant digits.
pub(super) fn float(value: f64) -> Result<Number, outflow_connectors::contract::NumberError> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Ok(Number::from_integer(value as i64));
    }
    Number::from_float(value)
}

/// The JSON number that says exactly this, if there is one.
pub(super) fn exact(number: &Number) -> Option<Json> {
    let text = number.as_str();
    if number.is_integral() {
        if let Ok(i) = text.parse::<i64>() {
            return Some(i.into());
        }
        if let Ok(u) = text.parse::<u64>() {
            return Some(u.into());
        }
    }
    let nearest: f64 = text.parse().ok()?;
    let same = Number::from_float(nearest).is_ok_and(|n| n == *number);
    if same { serde_json::Number::from_f64(nearest).map(Json::Number) } else { None }
}

/// Writes the canonical text.
pub(super) fn write(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Json::Number(n) => match n.as_f64().filter(|_| n.is_f64()).map(float) {
            Some(Ok(number)) => out.push_str(number.as_str()),
            _ => out.push_str(&n.to_string()),
        },
        Json::String(s) => write_string(s, out),
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Json::Object(fields) => write_object(fields, out),
    }
}

fn write_object(fields: &Map<String, Json>, out: &mut String) {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(b.0));
    out.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        write(value, out);
    }
    out.push('}');
}

fn write_string(text: &str, out: &mut String) {
    out.push_str(&Json::from(text).to_string());
}

/// The first integer in a valid JSON text that neither an `i64` nor a `u64` holds; the parser turns it into a float.
fn inexact_integer(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = string_end(bytes, at),
            b'-' | b'0'..=b'9' => {
                let length = bytes[at..]
                    .iter()
                    .take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
                    .count();
                let token = &text[at..at + length];
                let integer = !token.contains(['.', 'e', 'E']);
                if integer && token.parse::<i64>().is_err() && token.parse::<u64>().is_err() {
                    return Some(token);
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

/// The position after a string that begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> Result<String, String> {
        let mut out = String::new();
        write(&parse(source)?, &mut out);
        Ok(out)
    }

    #[test]
    fn one_text_per_meaning() {
        for (source, canonical) in [
            (r#"{ "b": 1.0, "a": [ -0.0, 1e2, 0.30000000000000004 ] }"#, r#"{"a":[0,100,0.3],"b":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#""é\u0041\n""#, r#""éA\n""#),
            ("18446744073709551615", "18446744073709551615"),
            ("1e300", &format!("1{}", "0".repeat(300))),
            (
                r#""99999999999999999999 \" 99999999999999999999""#,
                r#""99999999999999999999 \" 99999999999999999999""#,
            ),
        ] {
            assert_eq!(text(source).as_deref(), Ok(canonical), "{source}");
        }
    }

    #[test]
    fn refuses_what_it_would_change() {
        assert!(text(r#"{"a":[1,99999999999999999999]}"#).unwrap_err().contains("`99999999999999999999`"));
        for source in ["", "{", "nul", "1e999", "{'a':1}", "[1,]"] {
            assert!(text(source).unwrap_err().contains("not valid JSON"), "{source}");
        }
    }

    #[test]
    fn numbers_become_json_numbers_when_exact() {
        for (number, json) in [("1", Some("1")), ("10.25", Some("10.25")), ("0.1", Some("0.1"))] {
            let found = exact(&Number::parse(number).unwrap()).map(|j| j.to_string());
            assert_eq!(found.as_deref(), json, "{number}");
        }
        for number in ["0.1234567890123456789", "123456789012345678901"] {
            assert_eq!(exact(&Number::parse(number).unwrap()), None, "{number}");
        }
    }
}
