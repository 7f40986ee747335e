//! What a store's refusal means, and whose turn it is then.

use std::error::Error as StdError;
use std::path::Path;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use super::Store;
use crate::contract::{ConnectorError, Kind, Retry};
use crate::files::errors;

/// Most letters of a store's own words in a message.
const MOST_WORDS: usize = 300;
/// How the store's client words a status: <https://docs.rs/object_store> has no other way to ask for it.
const STATUS: &str = "Server returned non-2xx status code";
const BARE_REDIRECT: &str = "Received redirect without LOCATION";
/// Where machines are asked which role they have.
const MACHINES: [&str; 3] = ["169.254.", "metadata.google.internal", "http://metadata"];

/// Nobody is logged in.
#[derive(Debug)]
pub(super) struct LoginFailed(pub String);

impl std::fmt::Display for LoginFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for LoginFailed {}

/// What is known of a refusal.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    status: Option<u16>,
    /// The vendor's own code.
    vendor: String,
    /// The vendor's own words.
    words: String,
    /// It was not logged in, for this reason.
    login: Option<String>,
    /// The store was not reached, for this reason.
    network: Option<String>,
    /// A redirect that leads nowhere.
    redirect: bool,
}

impl Answer {
    fn of(error: &Error) -> Self {
        let mut answer = Answer::default();
        let (mut cause, mut machine): (Option<&(dyn StdError + 'static)>, bool) = (Some(error), false);
        while let Some(error) = cause {
            let text = error.to_string();
            machine |= MACHINES.iter().any(|address| text.contains(address));
            if let Some(LoginFailed(why)) = error.downcast_ref() {
                answer.login = Some(why.clone());
            }
            if let Some(rest) = text.strip_prefix(STATUS).and_then(|rest| rest.strip_prefix(": ")) {
                answer.status = rest.get(..3).and_then(|status| status.parse().ok());
                answer.read(rest.split_once(": ").map_or("", |(_, body)| body));
            }
            answer.redirect |= text.starts_with(BARE_REDIRECT);
            if let Some(error) = error.downcast_ref::<HttpError>() {
                answer.network = match error.kind() {
                    HttpErrorKind::Connect => Some(root(error)),
                    HttpErrorKind::Timeout => Some(format!("it does not answer in time: {}", root(error))),
                    _ => None, // it was reached, and broke off
                };
            }
            cause = error.source();
        }
        if machine && answer.login.is_none() {
            answer.login = Some("no credentials are set, and this machine has no role of its own".to_owned());
        }
        answer
    }

    /// All three vendors answer in XML with these two elements.
    fn read(&mut self, body: &str) {
        let element = |name: &str| {
            let (_, rest) = body.split_once(&format!("<{name}>"))?;
            rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim().to_owned())
        };
        self.vendor = element("Code").unwrap_or_default();
        let words = element("Message").unwrap_or_default();
        self.words = words.lines().next().unwrap_or_default().chars().take(MOST_WORDS).collect();
    }

    /// As part of a sentence.
    fn told(&self) -> String {
        let status = self.status.map(|status| status.to_string()).unwrap_or_default();
        let parts = [status, self.vendor.clone(), self.words.clone()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    fn meaning(&self, error: &Error) -> Meaning {
        let words = self.words.to_ascii_lowercase();
        let expired = words.contains("expire");
        match self.vendor.as_str() {
            "NoSuchBucket" | "ContainerNotFound" | "ContainerBeingDeleted" => Meaning::NoBucket,
            "ExpiredToken" | "TokenRefreshRequired" | "RequestExpired" => Meaning::Expired,
            "AuthenticationFailed" | "InvalidToken" | "ExpiredTokenException" if expired => Meaning::Expired,
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "AuthenticationFailed"
            | "InvalidToken"
            | "InvalidAuthenticationInfo"
            | "NoAuthenticationInformation"
            | "RequestTimeTooSkewed"
            | "AuthenticationRequired" => Meaning::Login,
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "TemporaryRedirect"
            | "IllegalLocationConstraintException" => Meaning::Region,
            // Azurite's word for a wrong signature, and Azure's for an account that may not.
            "AuthorizationFailure" if words.contains("failed to authenticate") => Meaning::Login,
            _ if self.login.is_some() => Meaning::Login,
            _ if self.redirect => Meaning::Region,
            _ => match (self.status, error) {
                (Some(301 | 307 | 308), _) => Meaning::Region,
                (Some(404), _) | (_, Error::NotFound { .. }) => Meaning::Missing,
                (Some(412), _) | (_, Error::Precondition { .. }) => Meaning::Changed,
                (Some(401), _) | (_, Error::Unauthenticated { .. }) => Meaning::Login,
                (Some(403), _) | (_, Error::PermissionDenied { .. }) => Meaning::Denied,
                (None, _) if self.network.is_some() => Meaning::Unreachable,
                _ => Meaning::Other,
            },
        }
    }
}

/// What a refusal means to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    NoBucket,
    Missing,
    Changed,
    Login,
    Expired,
    Denied,
    Region,
    Unreachable,
    Other,
}

/// What lies at the bottom of an error.
fn root(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// Whether a body would tell more: a `HEAD` has none.
pub(super) fn is_bare(error: &Error) -> bool {
    let answer = Answer::of(error);
    answer.vendor.is_empty() && answer.status.is_some() || answer.redirect
}

/// The error about this object, or this folder, of a store.
pub(super) fn judge(store: &Store, what: &str, shown: &Path, error: &Error) -> ConnectorError {
    let answer = Answer::of(error);
    let meaning = answer.meaning(error);
    if meaning == Meaning::Changed {
        return errors::changed(shown);
    }
    let (shown, url, told) = (shown.display(), store.url(), answer.told());
    let refused = || format!("`{shown}` cannot be {what}: the store answers {told}");
    let (kind, code, message, hint) = match meaning {
        Meaning::Missing | Meaning::Changed => (
            Kind::Config,
            errors::MISSING,
            format!("`{shown}` does not exist"),
            "check `file` and the connection's `url`",
        ),
        Meaning::NoBucket => (
            Kind::Config,
            errors::STORE_MISSING,
            format!("`{shown}` cannot be {what}: there is no such bucket or container ({told})"),
            "check the name in the connection's `url`, and that its account and region are the bucket's",
        ),
        Meaning::Login => (
            Kind::Auth,
            errors::STORE_LOGIN,
            match &answer.login {
                Some(why) => format!("nobody is logged in for `{url}`: {why}"),
                None => refused(),
            },
            "check the credentials of the connection, or of the environment where it names none",
        ),
        Meaning::Expired => (
            Kind::Auth,
            errors::STORE_LOGIN,
            refused(),
            "the token is expired: set a new one, or log in by a role, which renews its own",
        ),
        Meaning::Denied => (
            Kind::Auth,
            errors::STORE_DENIED,
            refused(),
            "let the account list the bucket and read its objects (`s3:ListBucket` and `s3:GetObject`, `Storage Object Viewer`, `Storage \
             Blob Data Reader`)",
        ),
        Meaning::Region => (
            Kind::Config,
            errors::STORE_REGION,
            match told.is_empty() {
                true => format!("`{shown}` cannot be {what}: the bucket is in another region"),
                false => refused(),
            },
            "set `region` of the connection to the bucket's",
        ),
        Meaning::Unreachable => (
            Kind::Unavailable,
            errors::STORE_UNREACHABLE,
            format!("the store of `{url}` cannot be reached: {}", answer.network.unwrap_or_default()),
            "check the network, `base_url` or `endpoint`, and `region`; nothing was sent",
        ),
        Meaning::Other => (
            Kind::Unavailable,
            errors::STORE_FAILED,
            match told.is_empty() {
                true => format!("`{shown}` cannot be {what}: {}", root(error)),
                false => refused(),
            },
            "run again later; nothing was sent",
        ),
    };
    // The store's client has repeated what repeating may mend.
    let retry = if kind == Kind::Unavailable { Retry::Exhausted } else { Retry::Never };
    ConnectorError::new(kind, store.secrets.redact(&message)).code(code).retry(retry).hint(hint)
}

/// The error about this object of a store, of a request that was to write it or to make room for it.
pub(super) fn unwritten(store: &Store, what: &str, shown: &Path, error: &Error) -> ConnectorError {
    let told = judge(store, what, shown, error);
    match told.code.as_deref() {
        Some(errors::STORE_DENIED) => told.hint(
            "let the account list the bucket, and read, write and remove its objects (`s3:ListBucket`, `s3:GetObject`, `s3:PutObject`, \
             `s3:DeleteObject` and `s3:AbortMultipartUpload`; `Storage Object User`; `Storage Blob Data Contributor`)",
        ),
        Some(errors::STORE_FAILED | errors::STORE_UNREACHABLE) => {
            told.hint("check the network and the store; the next run goes on where this one ended")
        }
        // Nobody asked for something that is not there.
        Some(errors::MISSING | errors::CHANGED) => {
            let (shown, said) = (shown.display(), Answer::of(error).told());
            let message = format!("`{shown}` cannot be {what}: the store answers {said}");
            ConnectorError::new(Kind::Unavailable, store.secrets.redact(&message))
                .code(errors::STORE_FAILED)
                .retry(Retry::Exhausted)
                .hint("run again: what is not complete is sent anew")
        }
        _ => told,
    }
}

/// Whether the store does not know an upload any more, or its pieces.
pub(super) fn is_gone(error: &Error) -> bool {
    let answer = Answer::of(error);
    match answer.vendor.as_str() {
        "NoSuchUpload" | "InvalidBlockList" => true,
        "NoSuchBucket" | "ContainerNotFound" | "ContainerBeingDeleted" => false,
        _ => answer.status == Some(404) || matches!(error, Error::NotFound { .. }),
    }
}
