//! Reading a connection's settings, with errors that name the connection and the fix.

use std::time::Duration;

use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind};
use crate::http::{HttpClient, Setup};
use crate::registry::{Setting, Settings};

impl Settings {
    /// An error about this connection: what is wrong with it, and what to do.
    pub fn refuse(&self, kind: &str, what: &str, hint: &str) -> ConnectorError {
        let message = format!("connection `{}` ({kind}): {what}", self.connection);
        ConnectorError::new(Kind::Config, message).hint(hint)
    }

    /// Checks that the connection has no other settings than these, `base_url` and `limits`.
    ///
    /// # Errors
    /// [`Kind::Config`] for the first unknown one; its hint lists those that there are.
    pub fn only(&self, kind: &str, known: &[Setting]) -> Result<(), ConnectorError> {
        let unknown = self.values.keys().find(|name| known.iter().all(|setting| setting.name != *name));
        let Some(name) = unknown else { return Ok(()) };
        let names = known.iter().map(|setting| format!("`{}`", setting.name));
        let hint = format!("it takes {}, `base_url` and `limits`", names.collect::<Vec<_>>().join(", "));
        Err(self.refuse(kind, &format!("unknown setting `{name}`"), &hint))
    }

    /// The sender of this connection, under its own limits.
    ///
    /// # Errors
    /// Those of [`HttpClient::new`], with the connection's name.
    pub fn client(&self, kind: &str, setup: Setup) -> Result<HttpClient, ConnectorError> {
        HttpClient::new(setup).map_err(|mut error| {
            error.message = format!("connection `{}` ({kind}): {}", self.connection, error.message);
            error
        })
    }

    /// A setting's text without the space around it; `None` where it is not set.
    ///
    /// # Errors
    /// What is wrong with it: empty, or no text.
    pub fn text(&self, name: &str) -> Result<Option<&str>, String> {
        self.values.get(name).map(|value| text(name, Some(value))).transpose()
    }

    /// As [`Self::text`], of a setting that must be there.
    ///
    /// # Errors
    /// What is wrong with it: missing, empty, or no text.
    pub fn required(&self, name: &str) -> Result<&str, String> {
        text(name, self.values.get(name))
    }
}

/// The text of a setting, or of a key inside one, by its name in messages.
///
/// # Errors
/// What is wrong with it: missing, empty, or no text.
pub fn text<'a>(name: &str, value: Option<&'a Json>) -> Result<&'a str, String> {
    match value {
        Some(Json::String(text)) if !text.trim().is_empty() => Ok(text.trim()),
        Some(Json::String(_)) => Err(format!("`{name}` is empty")),
        Some(_) => Err(format!("`{name}` must be a text")),
        None => Err(format!("`{name}` is missing")),
    }
}

/// A length of time, written as `90s`, `10m`, `1h30m`, or a number of seconds. `None` for anything else.
pub fn duration(value: &Json) -> Option<Duration> {
    match value {
        Json::Number(seconds) => seconds.as_u64().map(Duration::from_secs),
        Json::String(text) => duration_of(text),
        _ => None,
    }
}

/// `90s`, `10m`, `1h30m`, `500ms`, `7d`.
pub fn duration_of(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
        let amount: u64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let millis: u64 = match &rest[digits..unit_end] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(amount.checked_mul(millis)?))?;
        rest = &rest[unit_end..];
    }
    Some(total)
}

/// A size in bytes, written as `512kB`, `1MB`, `10GB`, `2TB` or a number of bytes; `kB` is 1,000, `KiB` is 1,024. `None` for anything else, and for zero.
pub fn size(value: &Json) -> Option<usize> {
    let text = match value {
        Json::String(text) => text.trim().to_ascii_lowercase(),
        Json::Number(number) => format!("{number}b"),
        _ => return None,
    };
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let factor = match text[digits..].trim() {
        "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    text[..digits].parse::<usize>().ok()?.checked_mul(factor).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conformance::support::written as settings;
    use crate::http::CA_FILE;

    #[test]
    fn an_unknown_setting_is_named_with_those_that_there_are() {
        const KEY: Setting = Setting { name: "api_key", required: true, secret: true, help: "" };
        assert!(settings(json!({"api_key": "x", "ca_file": "y"})).only("acme", &[KEY, CA_FILE]).is_ok());
        let error = settings(json!({"apikey": "x"})).only("acme", &[KEY, CA_FILE]).unwrap_err();
        assert_eq!(
            (error.kind, &*error.message),
            (Kind::Config, "connection `mail` (acme): unknown setting `apikey`")
        );
        assert_eq!(error.hint.as_deref(), Some("it takes `api_key`, `ca_file`, `base_url` and `limits`"));
    }

    #[test]
    fn a_text_is_there_whole_or_the_error_says_what_it_is() {
        let settings = settings(json!({"key": " x\n", "empty": " ", "number": 7}));
        assert_eq!((settings.text("key"), settings.text("none")), (Ok(Some("x")), Ok(None)));
        assert_eq!(settings.required("key"), Ok("x"));
        assert_eq!(settings.required("none"), Err("`none` is missing".to_owned()));
        assert_eq!(settings.text("empty"), Err("`empty` is empty".to_owned()));
        assert_eq!(settings.required("number"), Err("`number` must be a text".to_owned()));
    }

    #[test]
    fn a_length_of_time_has_units_or_is_in_seconds() {
        let seconds = |value| duration(&value).map(|d| d.as_secs_f64());
        assert_eq!(seconds(json!("10m")), Some(600.0));
        assert_eq!(seconds(json!("1h30m")), Some(5400.0));
        assert_eq!(seconds(json!(90)), Some(90.0));
        for wrong in [json!("90"), json!(""), json!("-1s"), json!(1.5), json!(null)] {
            assert_eq!(duration(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_size_has_a_unit_or_is_in_bytes() {
        for (value, bytes) in [
            (json!("512kB"), Some(512_000)),
            (json!(" 8 MB "), Some(8_000_000)),
            (json!("1KiB"), Some(1024)),
            (json!(7), Some(7)),
            (json!(0), None),
            (json!(-7), None),
            (json!(1.5), None),
            (json!("8"), None),
            (json!("8PB"), None),
            (json!("10GB"), Some(10_000_000_000)),
            (json!("8 TiB"), Some(8 << 40)),
            (json!("99999999999999999999MB"), None),
            (json!(null), None),
        ] {
            assert_eq!(size(&value), bytes, "{value}");
        }
    }
}
