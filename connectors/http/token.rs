//! The access token of an OAuth grant: one at a time, asked for by one request however many wait for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;
use secrecy::SecretString;
use serde_json::Value as Json;

use super::BaseUrl;
use super::credentials::{Grant, GrantKind};
use super::request::Answer;
use super::retry::as_asked;
use crate::contract::{ConnectorError, Kind};

/// A token is renewed this long before its end, or a fifth of its life where that is less.
const AHEAD: Duration = Duration::from_secs(60);

const ADDRESS: &str = "if it stays, check the address of the token endpoint";

/// The tokens of one client.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) grant: Grant,
    state: Mutex<State>,
    /// Held by whoever asks for a new token, with the refresh token in force.
    pub(super) flight: tokio::sync::Mutex<Option<SecretString>>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Token>,
    /// The last token that was refused, while none has been accepted since.
    refused: Option<u64>,
    /// Two in a row were.
    hopeless: bool,
}

/// A token as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    /// Tokens are counted from 1.
    pub(super) number: u64,
    /// Where it is good, if the server says so.
    pub(super) base: Option<BaseUrl>,
    /// From then on it is not used for a new request; `None` where the server names no end.
    due: Option<Instant>,
}

impl Tokens {
    pub(super) fn new(grant: Grant) -> Self {
        let refresh_token = match &grant.kind {
            GrantKind::RefreshToken(token) => Some(token.clone()),
            GrantKind::ClientCredentials | GrantKind::Assertion(_) | GrantKind::Password(..) => None,
        };
        Tokens { grant, state: Mutex::default(), flight: tokio::sync::Mutex::new(refresh_token) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token in force, if it may still be used.
    pub(super) fn current(&self) -> Option<Token> {
        let usable = |token: &Token| token.due.is_none_or(|due| Instant::now() < due);
        self.state().current.clone().filter(usable)
    }

    /// A new token, and where it is good; `asked` is when its request left, and `lives` how long it is good from then.
    pub(super) fn renewed(
        &self,
        (header, base): (HeaderValue, Option<BaseUrl>),
        asked: Instant,
        lives: Option<Duration>,
    ) -> Token {
        let due = lives.map(|lives| asked + lives.saturating_sub(AHEAD.min(lives / 5)));
        let mut state = self.state();
        let number = state.current.as_ref().map_or(0, |token| token.number) + 1;
        state.current.insert(Token { header, number, base, due }).clone()
    }

    /// The API refused the token of this number. Returns whether to try again with another: once, for where a token is
    /// refused as soon as it is granted, all will be.
    pub(super) fn refused(&self, number: u64) -> bool {
        let mut state = self.state();
        let Some(token) = state.current.as_mut().filter(|token| token.number == number) else {
            return true;
        };
        token.due = Some(Instant::now());
        let before = state.refused.replace(number);
        state.hopeless |= before.is_some_and(|before| before < number);
        !state.hopeless
    }

    /// The API accepted a token.
    pub(super) fn accepted(&self) {
        let mut state = self.state();
        (state.refused, state.hopeless) = (None, false);
    }
}

/// What a token endpoint grants.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) access_token: SecretString,
    pub(super) lives: Option<Duration>,
    /// In place of the one that was sent.
    pub(super) refresh_token: Option<SecretString>,
}

/// Reads a token endpoint's answer (RFC 6749, sections 5.1 and 5.2) to a grant that showed this.
///
/// # Errors
/// [`Kind::Auth`] where the credentials are refused, [`Kind::Config`] where no token endpoint answered,
/// [`Kind::RateLimited`] and [`Kind::Unavailable`] where asking again may help.
pub(super) fn granted(answer: &Answer, host: &str, shown: &str) -> Result<Granted, ConnectorError> {
    let text = |name: &str| answer.text(name).filter(|text| !text.is_empty());
    let said = text("error_description").or_else(|| text("message")).map(|said| format!(": {said}"));
    let said = said.unwrap_or_default();
    let failed =
        |kind, what: String| ConnectorError::new(kind, what).code("TOKEN").with("status", answer.status);
    match (answer.status, text("access_token")) {
        (200..=299, Some(token)) => {
            let seconds = answer.json.as_ref().and_then(|body| match body.get("expires_in")? {
                Json::String(text) => text.trim().parse().ok(),
                number => number.as_f64(),
            });
            Ok(Granted {
                access_token: SecretString::from(token),
                lives: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
                refresh_token: text("refresh_token").map(SecretString::from),
            })
        }
        // One answer that is cut short, or another's, says nothing of the next; an address that is wrong goes on as it began.
        (200..=299, None) if text("error").is_none() => {
            let what = format!("`{host}` answered a token request with {} and no token", answer.status);
            Err(failed(Kind::Unavailable, what).hint(ADDRESS))
        }
        (300..=399 | 404 | 405 | 410, _) => {
            let what = format!("`{host}` answered a token request with {} and no token", answer.status);
            Err(failed(Kind::Config, what).hint(ADDRESS))
        }
        (429, _) => {
            Err(failed(Kind::RateLimited, format!("`{host}` grants no more tokens for a while{said}")))
        }
        (408 | 500..=599, _) => {
            let what = format!("`{host}` answered a token request with {}{said}", answer.status);
            Err(failed(Kind::Unavailable, what))
        }
        _ => {
            let code = text("error").or_else(|| text("status"));
            Err(refusal(code, &said, (host, shown)).with("status", answer.status))
        }
    }
    .map_err(|error| as_asked(error, answer, None))
}

fn refusal(code: Option<&str>, said: &str, (host, shown): (&str, &str)) -> ConnectorError {
    let not_any_more = format!("{shown} is not accepted (any more)");
    let (what, hint) = match code.unwrap_or_default() {
        "invalid_grant" | "BAD_REFRESH_TOKEN" if shown.contains("refresh token") => {
            (&*not_any_more, "authorise the app anew and set the connection's new `refresh_token`")
        }
        "invalid_grant" => (&*not_any_more, "check the connection's credentials"),
        "invalid_client" | "unauthorized_client" | "BAD_CLIENT_ID" | "BAD_CLIENT_SECRET" => (
            "the client id or the client secret is not accepted",
            "compare the connection's `client_id` and `client_secret` with the app's",
        ),
        "invalid_scope" => {
            ("the scope is not granted", "ask for fewer scopes, or have them granted to the app")
        }
        _ => ("the request for an access token was refused", "check the connection's credentials"),
    };
    ConnectorError::new(Kind::Auth, format!("`{host}`: {what}{said}"))
        .code(code.unwrap_or("TOKEN_REFUSED"))
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::super::ClientAuth;
    use super::*;
    use crate::contract::Retry;

    fn answer(status: u16, body: Json) -> Answer {
        Answer { status, headers: HeaderMap::new(), json: Some(body), plain: None, body_is_empty: false }
    }

    #[test]
    fn a_grant_is_read_and_a_refusal_says_what_to_mend() {
        let body = json!({"access_token": "abc", "expires_in": "1800", "refresh_token": "r2"});
        let granted_ = granted(&answer(200, body), "h", "the refresh token").unwrap();
        assert_eq!(granted_.access_token.expose_secret(), "abc");
        assert_eq!(granted_.lives, Some(Duration::from_secs(1800)));
        assert_eq!(granted_.refresh_token.unwrap().expose_secret(), "r2");
        let bare = granted(&answer(200, json!({"access_token": "abc"})), "h", "the refresh token").unwrap();
        assert!(bare.lives.is_none() && bare.refresh_token.is_none());

        for (status, body, kind, word) in [
            (400, json!({"error": "invalid_grant"}), Kind::Auth, "refresh_token"),
            (400, json!({"status": "BAD_REFRESH_TOKEN", "message": "missing"}), Kind::Auth, "refresh_token"),
            (401, json!({"error": "invalid_client"}), Kind::Auth, "client_secret"),
            (400, json!({"error": "invalid_scope"}), Kind::Auth, "scopes"),
            (403, json!({}), Kind::Auth, "credentials"),
            (200, json!({"error": "invalid_client"}), Kind::Auth, "client_secret"),
            (302, json!({}), Kind::Config, "token endpoint"),
            (404, json!({}), Kind::Config, "token endpoint"),
        ] {
            let error = granted(&answer(status, body), "h", "the refresh token").unwrap_err();
            assert_eq!((error.kind, error.retry), (kind, Retry::Never), "{error:?}");
            assert!(error.hint.as_ref().is_some_and(|hint| hint.contains(word)), "{:?}", error.hint);
        }
        let other =
            granted(&answer(400, json!({"error": "invalid_grant"})), "h", "the app itself").unwrap_err();
        assert!(other.message.contains("the app itself is not accepted"), "{other}");
        assert!(!other.hint.unwrap().contains("refresh"));
        for (status, kind) in [
            (429, Kind::RateLimited),
            (500, Kind::Unavailable),
            (503, Kind::Unavailable),
            (200, Kind::Unavailable),
        ] {
            let error = granted(&answer(status, json!({})), "h", "the refresh token").unwrap_err();
            assert_eq!((error.kind, error.retry), (kind, Retry::Backoff), "{error:?}");
        }
    }

    fn tokens() -> Tokens {
        Tokens::new(Grant {
            token_url: BaseUrl::parse("https://login.example/token", "crm").unwrap(),
            kind: GrantKind::ClientCredentials,
            client_id: "id".to_owned(),
            client_secret: SecretString::from("secret"),
            scope: None,
            client_auth: ClientAuth::Form,
            base: None,
            explain: None,
        })
    }

    #[test]
    fn a_token_is_left_ahead_of_its_end() {
        let tokens = tokens();
        assert!(tokens.current().is_none());
        let header = || HeaderValue::from_static("Bearer a");
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        for (age, lives, usable) in [
            (0, Some(1800), true),
            (1739, Some(1800), true),
            (1741, Some(1800), false),
            (7, Some(10), true),
            (9, Some(10), false),
            (0, Some(0), false),
            (9999, None, true),
        ] {
            tokens.renewed((header(), None), ago(age), lives.map(Duration::from_secs));
            assert_eq!(tokens.current().is_some(), usable, "{age} of {lives:?}");
        }
    }

    #[test]
    fn a_refusal_is_worth_one_renewal_until_something_is_accepted() {
        let tokens = tokens();
        let renew =
            || tokens.renewed((HeaderValue::from_static("Bearer a"), None), Instant::now(), None).number;
        let first = renew();
        assert!(tokens.refused(first));
        assert!(tokens.current().is_none(), "it is not used again");
        assert!(tokens.refused(first), "another request that had it waits for the same renewal");
        let second = renew();
        assert!(tokens.refused(first), "there is a new one for whoever still had the old one");
        assert!(!tokens.refused(second), "refused as soon as granted");
        assert!(!tokens.refused(second), "which holds for all that had it");
        let third = renew();
        tokens.accepted();
        assert!(tokens.refused(third));
    }
}
