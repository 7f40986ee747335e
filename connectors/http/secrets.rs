//! What must never be printed or kept, cut out of whatever the other side says.

use std::sync::{PoisonError, RwLock};

use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

/// Secrets shorter than this would make holes in innocent words.
const SHORTEST: usize = 8;

/// What stands where a secret was.
const MARK: &str = "[secret]";

/// The secrets of one client; tokens come in as they are granted.
#[derive(Debug, Default)]
pub(super) struct Secrets(RwLock<Vec<SecretString>>);

impl Secrets {
    /// From now on this is one, too.
    pub(super) fn add(&self, secret: &SecretString) {
        let text = secret.expose_secret();
        // `Basic dXNlcg==` is repeated without its scheme by servers that show what they understood.
        let bare = text.split_once(' ').map_or(text, |(_, rest)| rest);
        let mut secrets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for text in [text, bare] {
            if text.len() >= SHORTEST && !secrets.iter().any(|known| known.expose_secret() == text) {
                secrets.push(SecretString::from(text));
            }
        }
    }

    /// A body without them; untouched where it holds none.
    pub(super) fn cut(&self, mut body: Vec<u8>) -> Vec<u8> {
        for secret in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let secret = secret.expose_secret();
            let is_repeated = match std::str::from_utf8(&body) {
                Ok(text) => text.contains(secret),
                Err(_) => body.windows(secret.len()).any(|part| part == secret.as_bytes()),
            };
            if is_repeated {
                body = String::from_utf8_lossy(&body).replace(secret, MARK).into_bytes();
            }
        }
        body
    }

    /// Headers without them: a redirect may repeat a query, an error the token.
    pub(super) fn cut_headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let clean = self.cut(value.as_bytes().to_vec());
            if clean != value.as_bytes() {
                *value = HeaderValue::from_bytes(&clean).unwrap_or(HeaderValue::from_static(MARK));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(texts: &[&str]) -> Secrets {
        let secrets = Secrets::default();
        for text in texts {
            secrets.add(&SecretString::from(*text));
        }
        secrets
    }

    #[test]
    fn credentials_in_an_answer_are_cut_out() {
        let secrets = secrets(&["pat-eu1-verysecret", "Basic dXNlcjpwYXNz", "short"]);
        for (body, clean) in [
            (r#"{"message":"token pat-eu1-verysecret expired"}"#, r#"{"message":"token [secret] expired"}"#),
            ("dXNlcjpwYXNz and Basic dXNlcjpwYXNz", "[secret] and [secret]"),
            ("in short", "in short"),
        ] {
            assert_eq!(String::from_utf8(secrets.cut(body.into())).unwrap(), clean);
        }
        let binary = [b"\xff\xfepat-eu1-verysecret".as_slice(), b"\xff"].concat();
        assert!(!String::from_utf8_lossy(&secrets.cut(binary)).contains("verysecret"));
    }

    #[test]
    fn headers_lose_them_too() {
        let mut headers = HeaderMap::new();
        headers.insert("location", "https://elsewhere/?token=pat-eu1-verysecret".parse().unwrap());
        secrets(&["pat-eu1-verysecret"]).cut_headers(&mut headers);
        assert_eq!(headers["location"], "https://elsewhere/?token=[secret]");
    }
}
