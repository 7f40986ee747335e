//! What arrives encoded in a request.

use axum::http::{HeaderMap, header};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::Url;

/// A part of a path or query without its percent signs; what is no code stays as it is.
pub(crate) fn unescaped(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.filter(|_| *first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The fields of a form; the query of an address is written in the same way.
pub(crate) fn form_fields(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    Url::parse(&format!("form:?{text}"))
        .map(|url| url.query_pairs().into_owned().collect())
        .unwrap_or_default()
}

/// The user and the password of HTTP basic authentication.
pub(crate) fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let pair = BASE64_STANDARD.decode(header.strip_prefix("Basic ")?.trim()).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_stand_for_bytes() {
        for (escaped, text) in
            [("a%20b%2Fc", "a b/c"), ("S%C3%A3o", "São"), ("100%", "100%"), ("%zz%4", "%zz%4")]
        {
            assert_eq!(unescaped(escaped), text);
        }
    }

    #[test]
    fn a_form_has_fields() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(form_fields(b"a=1&b=x+y%26z&a="), [pair("a", "1"), pair("b", "x y&z"), pair("a", "")]);
        assert!(form_fields(b"").is_empty());
    }

    #[test]
    fn basic_authentication_has_a_user_and_a_password() {
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            basic_credentials(&headers)
        };
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(of("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), pair("Aladdin", "open sesame"));
        assert_eq!(of("Basic c2l0ZTo="), pair("site", ""));
        assert_eq!(of("Basic c2l0ZQ=="), None);
        assert_eq!(of("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), None);
    }
}
