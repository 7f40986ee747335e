//! Sessions: `POST /services/oauth2/token` (Salesforce Help, "OAuth Authorization Flows") and what is accepted elsewhere.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{StatusCode, header};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value as Json, json};

use super::schema::{ORG, USER};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{basic_credentials, form_fields};

/// What every flow needs beside `grant_type`.
const FLOWS: [(&str, &[&str]); 4] = [
    ("client_credentials", &["client_id", "client_secret"]),
    ("refresh_token", &["client_id", "client_secret", "refresh_token"]),
    ("urn:ietf:params:oauth:grant-type:jwt-bearer", &["assertion"]),
    ("password", &["client_id", "client_secret", "username", "password"]),
];

/// Which secrets are refused, and how.
const REFUSALS: [(&str, &str, &str); 5] = [
    ("client_id", "invalid_client_id", "client identifier invalid"),
    ("client_secret", "invalid_client", "invalid client credentials"),
    ("refresh_token", "invalid_grant", "expired access/refresh token"),
    ("password", "invalid_grant", "authentication failure"),
    ("assertion", "invalid_grant", "invalid assertion"),
];

/// Sessions that were granted, with the calls that each is still good for.
pub(super) struct Sessions {
    lives: Option<u64>,
    granted: Mutex<HashMap<String, u64>>,
}

impl Sessions {
    pub(super) fn new(lives: Option<u64>) -> Self {
        Sessions { lives, granted: Mutex::default() }
    }

    /// Whether the request has a session that is good. One that this process did not grant has no end.
    pub(super) fn accept(&self, request: &Request) -> bool {
        let value = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(token) = value.and_then(|value| value.strip_prefix("Bearer ")) else { return false };
        if matches!(token, "" | "invalid") {
            return false;
        }
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        match granted.get_mut(token) {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    pub(super) fn grant(&self, request: &Request) -> Answer {
        let mut form = form_fields(&request.body);
        // An app may show itself by a header as well.
        if let Some((id, secret)) = basic_credentials(&request.headers) {
            form.extend([("client_id".to_owned(), id), ("client_secret".to_owned(), secret)]);
        }
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let Some((_, needed)) = FLOWS.iter().find(|(flow, _)| field("grant_type") == Some(flow)) else {
            return refuse("unsupported_grant_type", "grant type not supported");
        };
        if let Some(missing) = needed.iter().find(|name| field(name).is_none_or(str::is_empty)) {
            return refuse("invalid_request", &format!("missing required parameter: {missing}"));
        }
        for (name, code, said) in REFUSALS {
            if needed.contains(&name) && field(name) == Some("invalid") {
                return refuse(code, said);
            }
        }
        if let Some(wrong) = field("assertion").and_then(flaw) {
            return refuse("invalid_grant", wrong);
        }
        let token = format!("{}!{:032x}", &ORG[..15], getrandom::u64().unwrap_or_default());
        if let Some(lives) = self.lives {
            self.granted.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), lives);
        }
        let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        Answer::new(
            StatusCode::OK,
            json!({
                "access_token": token, "instance_url": format!("http://{host}/salesforce"), "scope": "api",
                "id": format!("https://login.salesforce.com/id/{ORG}/{USER}"), "token_type": "Bearer",
                "issued_at": "1764385810000", "signature": "c2FuZGJveA==",
            }),
        )
    }
}

/// What is wrong with an assertion, apart from its signature: no certificate is kept here.
pub(super) fn flaw(assertion: &str) -> Option<&'static str> {
    let mut parts = assertion.split('.').map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap_or_default());
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Some("invalid assertion");
    };
    let read = |part: &[u8]| serde_json::from_slice::<Json>(part).unwrap_or_default();
    let (header, claims) = (read(&header), read(&claims));
    let text = |name: &str| claims[name].as_str().unwrap_or_default();
    let ends = claims["exp"].as_i64().or_else(|| text("exp").parse().ok()).unwrap_or_default();
    let left = ends - jiff::Timestamp::now().as_second();
    match () {
        () if header["alg"] != "RS256" || signature.is_empty() => Some("invalid assertion"),
        () if text("iss").is_empty() || text("sub").is_empty() => Some("user hasn't approved this consumer"),
        () if !text("aud").starts_with("http") => Some("audience is invalid"),
        () if !(0..=300).contains(&left) => Some("expired authorization code"),
        () => None,
    }
}

fn refuse(code: &str, said: &str) -> Answer {
    Answer::new(StatusCode::BAD_REQUEST, json!({"error": code, "error_description": said}))
}
