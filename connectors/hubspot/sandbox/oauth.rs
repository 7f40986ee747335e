//! The token endpoint of OAuth apps: it knows refresh tokens only, and a token it grants ends when it says.
//!
//! The words of its refusals are those of RFC 6749 beside HubSpot's own; which of them HubSpot sends is unconfirmed.

use std::time::Duration;

use axum::http::{StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::PORTAL;
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{form_fields, known_keys, object};

/// How long HubSpot's own tokens live.
const USUAL_LIFE: Duration = Duration::from_secs(1800);

/// `oauth: {expires_in: 60}`: how long granted tokens live, in seconds.
pub(super) fn life(declared: Option<&Json>) -> Result<Duration, String> {
    let Some(declared) = declared else { return Ok(USUAL_LIFE) };
    let entries = object(declared, "`oauth`")?;
    known_keys(entries, &["expires_in"], "oauth.")?;
    let seconds = entries.get("expires_in").and_then(Json::as_u64);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "`oauth.expires_in` must be a number of seconds".to_owned())
}

/// A granted token holds its end, so that it ends in every process that serves the same account.
const PREFIX: &str = "oauth-";

pub(super) fn is_token_path(path: &[&str]) -> bool {
    matches!(path, ["oauth", "v1" | "2026-03", "token"])
}

/// Whether this is a granted token whose end has come.
pub(super) fn is_over(token: &str) -> bool {
    let Some(rest) = token.strip_prefix(PREFIX) else { return false };
    let end = rest.split('-').next().and_then(|end| end.parse::<i64>().ok());
    end.is_none_or(|end| end <= Timestamp::now().as_millisecond())
}

/// Answers a request for a token.
pub(super) fn grant(request: &Request, life: Duration) -> Answer {
    let media = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if request.method != "POST" || media != Some("application/x-www-form-urlencoded") {
        return refuse("invalid_request", "BAD_REQUEST", "a token is asked for by a POST of a form");
    }
    let fields = form_fields(&request.body);
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
    match (field("grant_type"), field("client_id"), field("client_secret"), field("refresh_token")) {
        ("refresh_token", "" | "invalid", ..) => {
            refuse("invalid_client", "BAD_CLIENT_ID", "missing or unknown client ID")
        }
        ("refresh_token", _, "" | "invalid", _) => {
            refuse("invalid_client", "BAD_CLIENT_SECRET", "missing or invalid client secret")
        }
        ("refresh_token", .., "" | "invalid") => {
            refuse("invalid_grant", "BAD_REFRESH_TOKEN", "missing or invalid refresh token")
        }
        ("refresh_token", _, _, refresh_token) => Answer::new(StatusCode::OK, granted(refresh_token, life)),
        _ => refuse("unsupported_grant_type", "BAD_GRANT_TYPE", "missing or unknown grant type"),
    }
}

fn granted(refresh_token: &str, life: Duration) -> Json {
    let end = Timestamp::now().as_millisecond().saturating_add(i64::try_from(life.as_millis()).unwrap_or(0));
    let token = format!("{PREFIX}{end}-{:08x}", getrandom::u32().unwrap_or_default());
    json!({
        "access_token": token, "refresh_token": refresh_token, "expires_in": life.as_secs(),
        "token_type": "bearer", "token_use": "access_token", "hub_id": PORTAL,
    })
}

fn refuse(error: &str, status: &str, message: &str) -> Answer {
    let body = json!({"error": error, "error_description": message, "status": status, "message": message});
    Answer::new(StatusCode::BAD_REQUEST, body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::tests::Rig;

    const GOOD: &str = "grant_type=refresh_token&client_id=app&client_secret=s%26t&refresh_token=rt";

    #[tokio::test]
    async fn a_granted_token_serves_until_its_end() {
        let rig = Rig::memory(json!({"oauth": {"expires_in": 1}})).await;
        for path in ["/hubspot/oauth/v1/token", "/hubspot/oauth/2026-03/token"] {
            let (status, body) = rig.form(path, GOOD).await;
            assert_eq!((status, &body["expires_in"], &body["refresh_token"]), (200, &json!(1), &json!("rt")));
            let token = body["access_token"].as_str().unwrap().to_owned();
            assert_eq!(rig.get_as(&token, "/hubspot/account-info/v3/details").await.0, 200);
            tokio::time::sleep(std::time::Duration::from_millis(1010)).await;
            let (status, body) = rig.get_as(&token, "/hubspot/account-info/v3/details").await;
            assert_eq!((status, &body["category"]), (401, &json!("EXPIRED_AUTHENTICATION")));
        }
    }

    #[tokio::test]
    async fn wrong_grants_are_refused() {
        let rig = Rig::memory(json!({})).await;
        for (form, status) in [
            (GOOD.replace("=refresh_token", "=password"), "BAD_GRANT_TYPE"),
            (GOOD.replace("client_id=app&", ""), "BAD_CLIENT_ID"),
            (GOOD.replace("s%26t", "invalid"), "BAD_CLIENT_SECRET"),
            (GOOD.replace("=rt", "=invalid"), "BAD_REFRESH_TOKEN"),
            (GOOD.replace("&refresh_token=rt", ""), "BAD_REFRESH_TOKEN"),
        ] {
            let (code, body) = rig.form("/hubspot/oauth/v1/token", &form).await;
            assert_eq!((code, &body["status"]), (400, &json!(status)), "{form}");
        }
        let (code, _) = rig.post("/hubspot/oauth/v1/token", &json!({"grant_type": "refresh_token"})).await;
        assert_eq!(code, 400, "JSON is no form");
        let stats = rig.sandbox.stats();
        assert_eq!((&stats["requests"]["reads"], &stats["requests"]["writes"]), (&json!(6), &json!(0)));
    }

    #[test]
    fn a_life_that_is_no_number_is_refused() {
        assert_eq!(life(None), Ok(USUAL_LIFE));
        assert!(
            life(Some(&json!({"expires_in": "soon"}))).unwrap_err().contains("`oauth.expires_in` must be")
        );
        assert!(life(Some(&json!({"expire": 1}))).unwrap_err().contains("`oauth.expire`"));
    }
}
