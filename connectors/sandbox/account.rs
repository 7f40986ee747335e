//! One emulated account: its emulator, limits and faults.

use std::sync::Arc;
use std::time::Instant;

use axum::http::StatusCode;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::config::SandboxConfig;
use super::faults::Faults;
use super::limits::Window;
use super::state::State;
use super::vendor::{self, Answer, Exhausted, Request, Usage, Vendor};

/// One emulated account.
pub(super) struct Account {
    pub(super) vendor: Box<dyn Vendor>,
    window: Window,
    narrow: Option<(Window, fn(&str) -> bool)>,
    connections: Option<Arc<Semaphore>>,
    pub(super) daily: u64,
    pub(super) faults: Faults,
}

impl Account {
    pub(super) fn new(name: &str, config: &SandboxConfig) -> Result<Self, String> {
        let config = config.vendor(name);
        let vendor = vendor::make(name, &config)?;
        let (usual, daily) = vendor.limits();
        Ok(Account {
            window: Window::new(config.limits.requests.unwrap_or(usual)),
            narrow: vendor.narrow_window().map(|(limit, applies)| (Window::new(limit), applies)),
            connections: vendor.connections().map(|most| Arc::new(Semaphore::new(most))),
            daily: config.limits.daily_calls.unwrap_or(daily),
            faults: Faults::new(config.faults),
            vendor,
        })
    }

    /// A place among the requests under way, until it is dropped; none where they are too many.
    pub(super) fn connection(&self) -> Result<Option<OwnedSemaphorePermit>, Exhausted> {
        let place = self.connections.clone().map(Semaphore::try_acquire_owned).transpose();
        place.map_err(|_| Exhausted::Window)
    }

    fn is_narrow(&self, path: &str) -> bool {
        self.narrow.as_ref().is_some_and(|(_, applies)| applies(path))
    }

    /// The rest of the rolling window, or the window that is used up.
    pub(super) fn accept(&self, path: &str) -> Result<u32, Exhausted> {
        let now = Instant::now();
        if let Some((window, applies)) = &self.narrow
            && applies(path)
            && window.accept(now).is_none()
        {
            return Err(Exhausted::NarrowWindow);
        }
        self.window.accept(now).ok_or(Exhausted::Window)
    }

    pub(super) fn answer(
        &self,
        request: &Request,
        usage: &Usage,
        effects: &rusqlite::Connection,
    ) -> rusqlite::Result<Answer> {
        if !request.whole {
            let most = self.vendor.longest_body();
            let message = format!("The request's body broke off, or is longer than {most} bytes");
            return Ok(self.vendor.error(StatusCode::BAD_REQUEST, &message));
        }
        self.vendor.answer(request, usage, &State::new(effects, self.vendor.name()))
    }

    pub(super) fn usage(&self, path: &str, remaining: u32, daily_remaining: u64) -> Usage {
        Usage {
            window: self.window.limit(),
            remaining,
            daily: self.daily,
            daily_remaining,
            narrow: self.is_narrow(path),
        }
    }

    pub(super) fn used_up(&self, path: &str) -> Usage {
        self.usage(path, 0, 0)
    }

    /// The answer to a request over a limit. Where tokens are granted it is one of RFC 6749, as the limits of an API are
    /// no matter of whoever grants tokens.
    pub(super) fn exhausted(&self, limit: Exhausted, path: &str) -> Answer {
        let answer = self.vendor.exhausted(limit);
        if !self.vendor.grants(path) {
            return answer;
        }
        let refusal =
            json!({"error": "temporarily_unavailable", "error_description": "too many requests for tokens"});
        Answer { headers: answer.headers, ..Answer::new(StatusCode::TOO_MANY_REQUESTS, refusal) }
    }

    /// The status that a fault declares, in the vendor's words, whatever status these come with else.
    pub(super) fn fault_answer(&self, code: u16, path: &str) -> Answer {
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let answer = match code {
            429 => self.exhausted(Exhausted::Window, path),
            _ => self.vendor.error(status, "a fault that the sandbox was asked for"),
        };
        Answer { status, ..answer }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vendor::Content;
    use super::*;

    fn accounts() -> impl Iterator<Item = Account> {
        vendor::names().map(|name| Account::new(name, &SandboxConfig::default()).unwrap())
    }

    #[test]
    fn every_vendor_answers_the_status_that_a_fault_declares() {
        for account in accounts() {
            for code in [401, 403, 429, 503] {
                let answer = account.fault_answer(code, "/somewhere");
                assert_eq!(answer.status.as_u16(), code, "{}", account.vendor.name());
            }
        }
    }

    #[test]
    fn no_limit_of_an_api_is_told_where_tokens_are_granted() {
        let paths = ["/oauth/token", "/oauth/v1/token", "/services/oauth2/token", "/identity/oauth/token"];
        let mut granting = 0;
        for account in accounts() {
            let Some(path) = paths.iter().find(|path| account.vendor.grants(path)) else { continue };
            granting += 1;
            for limit in [Exhausted::Window, Exhausted::Day] {
                let answer = account.exhausted(limit, path);
                assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
                let Some(Content::Json(body)) = answer.body else { panic!("{path}: no JSON") };
                assert!(body["error"].is_string() && body["error_description"].is_string(), "{path}: {body}");
            }
        }
        assert_eq!(granting, paths.len());
    }
}
