//! One attempt at one request.

use std::error::Error;
use std::time::Duration;

use super::request::Answer;
use super::secrets::Secrets;
use crate::contract::{ConnectorError, Kind, Retry};

/// The code of a request that cannot have left.
pub(super) const UNREACHABLE: &str = "UNREACHABLE";

/// An answer longer than this is not read.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Sends once and reads the whole answer.
///
/// # Errors
/// [`Kind::Unavailable`] when the request cannot have left, [`Kind::Ambiguous`] when it may have.
pub(super) async fn exchange(
    client: &reqwest::Client,
    request: reqwest::Request,
    timeout: Duration,
    secrets: &Secrets,
) -> Result<Answer, ConnectorError> {
    let host = address(request.url());
    match tokio::time::timeout(timeout, whole(client, request, secrets)).await {
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
pub(super) fn address(url: &reqwest::Url) -> String {
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
    secrets: &Secrets,
) -> Result<Answer, Broken> {
    let mut response = client.execute(request).await?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Broken::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let (status, mut headers) = (response.status().as_u16(), response.headers().clone());
    secrets.cut_headers(&mut headers);
    // A body in which the other side repeats our credentials loses them before anybody can print it.
    Ok(Answer::read(status, headers, &secrets.cut(body)))
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
