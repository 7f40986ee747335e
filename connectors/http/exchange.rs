//! One attempt at one request.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

use super::request::Answer;
use super::secrets::Secrets;
use crate::contract::{ConnectorError, Kind, Retry};

/// The code of a request that cannot have left.
pub(super) const UNREACHABLE: &str = "UNREACHABLE";

/// The code of a request that did not leave because its receiver cannot show who it is.
const UNTRUSTED: &str = "UNTRUSTED";

/// An answer longer than this is not read.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Of an error no more than this is read: its status is an answer already.
const MAX_ERROR: usize = 1024 * 1024;

/// Sends once and reads the whole answer.
///
/// # Errors
/// [`Kind::Unavailable`] when the request cannot have left, [`Kind::Config`] when it did not for want of a certificate that
/// can be trusted, [`Kind::Ambiguous`] when it may have.
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
        Ok(Err(Broken::Http(error))) if is_before_sending(&error) => Err(unreachable(&host, &error)),
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
    let is_success = response.status().is_success();
    while let Some(chunk) = response.chunk().await? {
        if is_success && body.len() + chunk.len() > MAX_BODY {
            return Err(Broken::TooLarge);
        }
        body.extend_from_slice(&chunk);
        if !is_success && body.len() > MAX_ERROR {
            break;
        }
    }
    let (status, mut headers) = (response.status().as_u16(), response.headers().clone());
    secrets.cut_headers(&mut headers);
    // A body in which the other side repeats our credentials loses them before anybody can print it.
    Ok(Answer::read(status, headers, &secrets.cut(body)))
}

fn is_before_sending(error: &reqwest::Error) -> bool {
    error.is_connect() || error.is_builder()
}

fn unreachable(host: &str, error: &reqwest::Error) -> ConnectorError {
    if let Some(why) = distrust(error) {
        return untrusted(host, why);
    }
    let message = format!("cannot reach `{host}`: {}", root_cause(error));
    ConnectorError::new(Kind::Unavailable, message)
        .code(UNREACHABLE)
        .hint("check the network, the proxy and the connection's `base_url`")
}

/// What is wrong with the other side's certificate, if that is what failed.
fn distrust(error: &reqwest::Error) -> Option<&CertificateError> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
            return Some(why);
        }
        // An I/O error does not name what it holds as its source.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = held.map(|held| held as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// Nothing is sent to a host that cannot show who it is, and asking again does not change that.
fn untrusted(host: &str, why: &CertificateError) -> ConnectorError {
    let hint = match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "check the connection's `base_url`: it must name the host as its certificate does"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "check this machine's clock; else whoever runs the host must renew its certificate"
        }
        _ => {
            "if a private authority or a proxy of yours signs it, name that authority's certificate in the connection's \
             `ca_file`"
        }
    };
    let message = format!("the certificate of `{host}` is not accepted: {why}");
    ConnectorError::new(Kind::Config, message).code(UNTRUSTED).hint(hint)
}

/// The innermost cause, which says what a person wants to know ("Connection refused").
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
