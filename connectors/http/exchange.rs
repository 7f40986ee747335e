//! One attempt at one request.

use std::error::Error;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::request::Answer;
use crate::contract::{ConnectorError, Kind, Retry};

/// The code of a request that cannot have left.
pub(super) const UNREACHABLE: &str = "UNREACHABLE";

/// An answer longer than this is not read.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Secrets shorter than this would make holes in innocent words.
const SHORTEST_SECRET: usize = 8;

/// Sends once and reads the whole answer.
///
/// # Errors
/// [`Kind::Unavailable`] when the request cannot have left, [`Kind::Ambiguous`] when it may have.
pub(super) async fn exchange(
    client: &reqwest::Client,
    request: reqwest::Request,
    timeout: Duration,
    secret: Option<&SecretString>,
) -> Result<Answer, ConnectorError> {
    let host = address(request.url());
    match tokio::time::timeout(timeout, whole(client, request, secret)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Broken::TooLarge)) => Err(lost(format!("`{host}` answered with more than {MAX_BODY} bytes"))),
        Ok(Err(Broken::Http(error))) if is_before_sending(&error) => {
            let message = format!("cannot reach `{host}`: {}", root_cause(&error));
            Err(ConnectorError::new(Kind::Unavailable, message)
                .code(UNREACHABLE)
                .hint("check the network, the proxy and the connection's `base_url`"))
        }
        Ok(Err(Broken::Http(error))) => {
            let message = format!("the answer of `{host}` was cut off: {}", root_cause(&error));
            Err(lost(message))
        }
        Err(_) => Err(lost(format!("`{host}` gave no answer within {} ms", timeout.as_millis()))),
    }
}

/// `host:port`, the port even where it is the scheme's own: a person compares it with what the network lets through.
fn address(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn lost(message: String) -> ConnectorError {
    ConnectorError::new(Kind::Ambiguous, message).code("NO_ANSWER").retry(Retry::Backoff)
}

enum Broken {
    Http(reqwest::Error),
    TooLarge,
}

impl From<reqwest::Error> for Broken {
    fn from(error: reqwest::Error) -> Self {
        Broken::Http(error)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that sends requests")]
async fn whole(
    client: &reqwest::Client,
    request: reqwest::Request,
    secret: Option<&SecretString>,
) -> Result<Answer, Broken> {
    let mut response = client.execute(request).await?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Broken::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let body = without_secret(body, secret);
    Ok(Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        json: serde_json::from_slice(&body).ok(),
        body_is_empty: body.is_empty(),
    })
}

/// A body in which the other side repeats our credentials loses them before anybody can print it.
fn without_secret(body: Vec<u8>, secret: Option<&SecretString>) -> Vec<u8> {
    let Some(secret) = secret.map(ExposeSecret::expose_secret).filter(|s| s.len() >= SHORTEST_SECRET) else {
        return body;
    };
    let is_repeated = match std::str::from_utf8(&body) {
        Ok(text) => text.contains(secret),
        Err(_) => body.windows(secret.len()).any(|w| w == secret.as_bytes()),
    };
    if !is_repeated {
        return body;
    }
    String::from_utf8_lossy(&body).replace(secret, "[secret]").into_bytes()
}

fn is_before_sending(error: &reqwest::Error) -> bool {
    error.is_connect() || error.is_builder()
}

/// The innermost cause, which says what a person wants to know ("Connection refused").
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_an_answer_are_cut_out() {
        let secret = SecretString::from("pat-eu1-verysecret");
        let body = br#"{"message":"token pat-eu1-verysecret expired"}"#.to_vec();
        let clean = without_secret(body, Some(&secret));
        assert_eq!(clean, br#"{"message":"token [secret] expired"}"#);
    }
}
