//! The address of an API, checked once.

use std::fmt;

use reqwest::Url;

use crate::contract::{ConnectorError, Kind};

/// Where an API stands: `https`, or `http` on this machine only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// Without a slash at the end.
    text: String,
    host: String,
    /// Host and port, the port even where it is the scheme's own.
    authority: String,
    loopback: bool,
    encrypted: bool,
}

/// A text as one segment of a path: all but the unreserved characters of RFC 3986 percent-encoded.
pub fn escaped(segment: &str) -> String {
    let mut escaped = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

impl BaseUrl {
    /// # Errors
    /// [`Kind::Config`] for what is no address of an API, and for `http://` to another machine.
    pub fn parse(text: &str, connection: &str) -> Result<Self, ConnectorError> {
        let refuse = |why: &str| {
            ConnectorError::new(Kind::Config, format!("`base_url` of connection `{connection}` {why}"))
        };
        let example = "write it as `https://host` or `https://host/path`";
        let url =
            Url::parse(text.trim()).map_err(|e| refuse(&format!("is not an address: {e}")).hint(example))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        if !matches!(url.scheme(), "http" | "https") || host.is_empty() {
            return Err(refuse("must begin with `https://`").hint(example));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("must not hold a user name or password")
                .hint("put credentials into the connection's own settings"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("must not have a `?` or `#` part").hint(example));
        }
        let loopback = is_loopback(&host);
        let encrypted = url.scheme() == "https";
        if !encrypted && !loopback {
            return Err(refuse(&format!(
                "is `http://` to `{host}`, which would send credentials in the clear"
            ))
            .hint("use `https://`; plain `http://` is for this machine only (127.0.0.1, ::1, localhost)"));
        }
        let authority = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(BaseUrl { text, host, authority, loopback, encrypted })
    }

    /// The host alone, for messages.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The whole address, without a `/` at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port; where two addresses have the same one, one server's limits hold for both.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// It is this machine, which no proxy stands before.
    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// It is spoken to by TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_anywhere_and_http_at_home() {
        for good in [
            "https://api.hubapi.com",
            "https://proxy.example/hubspot/",
            "http://127.0.0.1:8080/hubspot",
            "http://127.9.9.9",
            "http://[::1]:9",
            "http://localhost:1",
        ] {
            let url = BaseUrl::parse(good, "crm").unwrap();
            assert_eq!(url.as_str(), good.trim_end_matches('/'));
        }
    }

    #[test]
    fn the_rest_is_refused_with_the_connection_named() {
        for bad in [
            "",
            "api.hubapi.com",
            "ftp://host",
            "http://api.hubapi.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example",
            "https://user:pw@host",
            "https://host?a=b",
            "https://",
        ] {
            let error = BaseUrl::parse(bad, "crm").unwrap_err();
            assert_eq!(error.kind, Kind::Config, "{bad}");
            assert!(error.message.contains("`crm`") && error.hint.is_some(), "{error}");
            assert!(!error.message.contains("pw"), "{error}");
        }
    }
}
