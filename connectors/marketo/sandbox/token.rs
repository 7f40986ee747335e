//! Access tokens: the identity service, and what is accepted elsewhere (`authentication.md`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{StatusCode, header};
use serde_json::json;

use super::refused;
use crate::sandbox::form_fields;
use crate::sandbox::vendor::{Answer, Request};

/// Tokens that were granted, with the calls that each is still good for.
pub(super) struct Tokens {
    lives: Option<u64>,
    granted: Mutex<HashMap<String, u64>>,
}

impl Tokens {
    pub(super) fn new(lives: Option<u64>) -> Self {
        Tokens { lives, granted: Mutex::default() }
    }

    /// `GET` or `POST /identity/oauth/token`
    pub(super) fn answer(&self, request: &Request) -> Answer {
        let mut fields = request.query.clone();
        fields.extend(form_fields(&request.body));
        let field = |name: &str| {
            let found = fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            found.unwrap_or_default()
        };
        let refuse = |status: StatusCode, error: &str, said: &str| {
            Answer::new(status, json!({"error": error, "error_description": said}))
        };
        if request.path != "/identity/oauth/token" || field("grant_type") != "client_credentials" {
            return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", "Unsupported grant type");
        }
        if matches!(field("client_id"), "" | "invalid") {
            let said = format!("No client with requested id: {}", field("client_id"));
            return refuse(StatusCode::UNAUTHORIZED, "unauthorized", &said);
        }
        if matches!(field("client_secret"), "" | "invalid") {
            return refuse(StatusCode::UNAUTHORIZED, "invalid_client", "Bad client credentials");
        }
        let token = format!("{:016x}:sandbox", getrandom::u64().unwrap_or_default());
        if let Some(lives) = self.lives {
            self.granted.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), lives);
        }
        let body = json!({"access_token": token, "token_type": "bearer", "expires_in": 3599, "scope": "api@example.com"});
        Answer::new(StatusCode::OK, body)
    }

    /// The refusal of a request without a token that is good. One that this process did not grant has no end.
    pub(super) fn refusal(&self, request: &Request) -> Option<Answer> {
        let value = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        if matches!(token, "" | "invalid") {
            return Some(refused("601", "Access token invalid"));
        }
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        match granted.get_mut(token) {
            None => None,
            Some(0) => Some(refused("602", "Access token expired")),
            Some(left) => {
                *left -= 1;
                None
            }
        }
    }
}
