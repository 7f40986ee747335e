//! One attempt at one request.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::stream;
use rustls::CertificateError;
use tokio::sync::mpsc;

use super::carried::{Carried, Pieces, Sink};
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

/// Sends once and reads the whole answer. The time is that of the exchange, or of each step of one that carries something.
///
/// # Errors
/// [`Kind::Unavailable`] when the request cannot have left, [`Kind::Config`] when it did not for want of a certificate that
/// can be trusted, [`Kind::Ambiguous`] when it may have; those of what it carries.
pub(super) async fn exchange(
    (client, request): (&reqwest::Client, reqwest::Request),
    timeout: Duration,
    secrets: &Secrets,
    carried: &mut Carried<'_>,
) -> Result<Answer, ConnectorError> {
    let host = address(request.url());
    let answered = match carried {
        Carried::Nothing => within(timeout, whole(client, request, secrets)).await,
        Carried::Up(pieces, sent) => {
            *sent = 0;
            fed((client, request), timeout, secrets, (*pieces, sent)).await
        }
        Carried::Down(sink) => taken((client, request), timeout, secrets, &mut **sink).await,
    };
    answered.map_err(|broken| match broken {
        Broken::TooLarge => lost(format!("`{host}` answered with more than {MAX_BODY} bytes")),
        Broken::Http(error) if is_before_sending(&error) => unreachable(&host, &error),
        Broken::Http(error) => lost(format!("the answer of `{host}` was cut off: {}", root_cause(&error))),
        Broken::Late => lost(format!("`{host}` gave no answer within {} ms", timeout.as_millis())),
        Broken::Early => lost(format!("`{host}` answered before it had the whole body")),
        Broken::Own(error) => error,
    })
}

async fn within<T>(timeout: Duration, step: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
    tokio::time::timeout(timeout, step).await.unwrap_or(Err(Broken::Late))
}

/// What a body is made of on its way.
enum Piece {
    Bytes(Vec<u8>),
    End,
}

/// Sends a body piece by piece.
async fn fed(
    (client, mut request): (&reqwest::Client, reqwest::Request),
    timeout: Duration,
    secrets: &Secrets,
    (pieces, sent): (&dyn Pieces, &mut u64),
) -> Result<Answer, Broken> {
    let (ready, leaving) = mpsc::channel::<Piece>(1);
    let stream = stream::unfold(leaving, |mut leaving| async {
        match leaving.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), leaving)),
            Some(Piece::End) => None,
            // Whoever made it has given up: what was sent must not look whole.
            None => Some((Err(io::Error::from(io::ErrorKind::BrokenPipe)), leaving)),
        }
    });
    *request.body_mut() = Some(reqwest::Body::wrap_stream(stream));
    let mut answer = pin!(whole(client, request, secrets));
    let mut next = 0;
    loop {
        let room = tokio::select! {
            biased;
            // A refusal need not hear the end; what is no refusal has not heard it.
            answered = &mut answer => return match answered {
                Ok(answer) if answer.is_success() => Err(Broken::Early),
                answered => answered,
            },
            room = tokio::time::timeout(timeout, ready.reserve()) => room.map_err(|_| Broken::Late)?,
        };
        // Nobody takes more of it: the answer says why.
        let Ok(room) = room else { break };
        match pieces.piece(next) {
            Ok(Some((bytes, after))) => {
                next = after;
                *sent += bytes.len() as u64;
                room.send(Piece::Bytes(bytes));
            }
            Ok(None) => {
                room.send(Piece::End);
                break;
            }
            Err(error) => return Err(Broken::Own(error)),
        }
    }
    within(timeout, answer).await
}

/// Gives the body of a success away while it comes.
#[expect(clippy::disallowed_methods, reason = "one of the two places that send requests")]
async fn taken(
    (client, request): (&reqwest::Client, reqwest::Request),
    timeout: Duration,
    secrets: &Secrets,
    sink: &mut dyn Sink,
) -> Result<Answer, Broken> {
    let mut response = within(timeout, async { Ok(client.execute(request).await?) }).await?;
    if !response.status().is_success() {
        return within(timeout, read(response, secrets)).await;
    }
    sink.begin();
    while let Some(chunk) = within(timeout, async { Ok(response.chunk().await?) }).await? {
        sink.take(&chunk).map_err(Broken::Own)?;
    }
    sink.end().map_err(Broken::Own)?;
    let (status, mut headers) = (response.status().as_u16(), response.headers().clone());
    secrets.cut_headers(&mut headers);
    Ok(Answer { status, headers, json: None, plain: None, body_is_empty: true })
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
    Late,
    /// Answered well before all was sent.
    Early,
    /// Of what the request carries.
    Own(ConnectorError),
}

impl From<reqwest::Error> for Broken {
    fn from(error: reqwest::Error) -> Self {
        Broken::Http(error)
    }
}

#[expect(clippy::disallowed_methods, reason = "one of the two places that send requests")]
async fn whole(
    client: &reqwest::Client,
    request: reqwest::Request,
    secrets: &Secrets,
) -> Result<Answer, Broken> {
    read(client.execute(request).await?, secrets).await
}

async fn read(mut response: reqwest::Response, secrets: &Secrets) -> Result<Answer, Broken> {
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
