//! What went wrong, by the reason that BigQuery gives: <https://cloud.google.com/bigquery/docs/error-messages>.

use std::error::Error as _;

use google_cloud_bigquery::read::retry_policy::RetryableErrors;
use google_cloud_bigquery_v2::model::ErrorProto;
use google_cloud_gax::error::rpc::{Code, StatusDetails};
use google_cloud_gax::error::{CredentialsError, Error};
use google_cloud_gax::retry_policy::RetryPolicy;
use google_cloud_gax::retry_result::RetryResult;
use google_cloud_gax::retry_state::RetryState;

use super::config::Config;
use crate::contract::{ConnectorError, Kind, Retry};

/// Reasons that a pause mends; they come with status 403 or 400 too.
const PASSING: [&str; 5] =
    ["rateLimitExceeded", "jobRateLimitExceeded", "backendError", "internalError", "tableUnavailable"];

/// Sends again what failed on the way. A job has an id of ours, so that even an insert does no more the second time.
#[derive(Debug, Clone)]
pub(super) struct Patience;

impl RetryPolicy for Patience {
    fn on_error(&self, state: &RetryState, error: Error) -> RetryResult {
        if reason(&error).is_some_and(|reason| PASSING.contains(&reason)) {
            return RetryResult::Continue(error);
        }
        RetryableErrors.on_error(state, error)
    }
}

/// The reason in an answer, such as `notFound`.
pub(super) fn reason(error: &Error) -> Option<&str> {
    error.status()?.details.iter().find_map(|detail| match detail {
        StatusDetails::ErrorInfo(info) if !info.reason.is_empty() => Some(info.reason.as_str()),
        _ => None,
    })
}

/// Whether the Storage Read API may not be used, or is not there.
pub(super) fn is_denied(error: &Error) -> bool {
    let denied = [Code::PermissionDenied, Code::Unimplemented];
    error.status().is_some_and(|status| denied.contains(&status.code))
        || error.http_status_code() == Some(403)
}

/// Whether the job is not known.
pub(super) fn is_unknown(error: &Error) -> bool {
    reason(error) == Some("notFound") || error.http_status_code() == Some(404)
}

/// Whether a job of this id is there already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    reason(error) == Some("duplicate") || error.http_status_code() == Some(409)
}

/// A request that failed.
pub(super) fn failed(config: &Config, doing: &str, error: Error) -> ConnectorError {
    // When patience ran out, the last error is inside.
    let inner = error.source().and_then(|inner| inner.downcast_ref::<Error>());
    let told = match inner.filter(|_| error.is_exhausted()) {
        Some(inner) => judge(config, doing, inner),
        None => judge(config, doing, &error),
    };
    let told = if told.retry == Retry::Backoff { told.retry(Retry::Exhausted) } else { told };
    // What logging in says can quote what was sent; the message has it without.
    if error.is_authentication() { told } else { told.source(error) }
}

fn judge(config: &Config, doing: &str, error: &Error) -> ConnectorError {
    if error.is_authentication() {
        return login_failed(config, error);
    }
    let words = error.status().map_or_else(|| error.to_string(), |status| status.message.clone());
    if let Some(reason) = reason(error) {
        return by_reason(config, doing, reason, &words);
    }
    let status = error.http_status_code().unwrap_or_default();
    let reason = match (error.status().map(|status| status.code), status) {
        (Some(Code::Unauthenticated), _) | (_, 401) => "authError",
        (Some(Code::PermissionDenied), _) | (_, 403) => "accessDenied",
        (Some(Code::NotFound), _) | (_, 404) => "notFound",
        (Some(Code::InvalidArgument), _) | (_, 400) => "invalid",
        (Some(Code::ResourceExhausted), _) | (_, 429) => "rateLimitExceeded",
        _ => "backendError",
    };
    let told = by_reason(config, doing, reason, &words);
    if status == 0 && error.status().is_none() {
        return told
            .code("unreachable")
            .hint("check the network, `base_url` and any proxy; nothing was lost");
    }
    told
}

fn login_failed(config: &Config, error: &Error) -> ConnectorError {
    let mut words = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push(inner.to_string());
        cause = inner.source();
    }
    let all: String = words.join(": ").chars().take(400).collect();
    let passing =
        error.source().and_then(|c| c.downcast_ref::<CredentialsError>()).is_some_and(|c| c.is_transient());
    let kind = if passing { Kind::Unavailable } else { Kind::Auth };
    config.error(kind, &format!("logging in to Google failed: {all}")).code("credentials").hint(
        "the key may have expired or been deleted, or the clock of this machine is wrong; \
         `gcloud auth application-default login` renews a person's login",
    )
}

/// A job that ended in errors, or an answer that has some.
pub(super) fn job_failed(config: &Config, error: &ErrorProto) -> ConnectorError {
    by_reason(config, "the query failed", &error.reason, &error.message)
}

/// By BigQuery's own reason.
pub(super) fn by_reason(config: &Config, doing: &str, reason: &str, words: &str) -> ConnectorError {
    let (kind, hint) = meaning(reason, words);
    let said = if words.is_empty() { reason } else { words };
    config.error(kind, &format!("{doing}: {said}")).code(reason).hint(hint)
}

const ROLES: &str = "give the account `roles/bigquery.jobUser` on the project, and `roles/bigquery.dataViewer` on the datasets";

fn meaning(reason: &str, words: &str) -> (Kind, &'static str) {
    match reason {
        "accessDenied" if words.contains("readsessions") => {
            (Kind::Auth, "give the account `roles/bigquery.readSessionUser`, or set `storage_read: false`")
        }
        "accessDenied" if words.contains("bigquery.jobs.create") => {
            (Kind::Auth, "give the account `roles/bigquery.jobUser` on the project that `project` names")
        }
        "accessDenied" if words.contains("scope") => (
            Kind::Auth,
            "the login has not the scope `https://www.googleapis.com/auth/bigquery`; log in anew with it",
        ),
        "accessDenied" => (Kind::Auth, ROLES),
        "authError" => (Kind::Auth, "the login has expired or was revoked; log in anew, or make a new key"),
        "blocked" | "billingNotEnabled" | "userRateLimitExceededUnreg" => {
            (Kind::Auth, "the project is blocked, or has no billing; see to it in Google's console")
        }
        "notFound" => (
            Kind::Config,
            "check the names of project, dataset and table; set `location` where the data is not where BigQuery looked",
        ),
        "invalidQuery" | "invalid" | "parseError" | "notImplemented" => {
            (Kind::Config, "try the query in BigQuery's own editor")
        }
        "bytesBilledLimitExceeded" | "billingTierLimitExceeded" => (
            Kind::Config,
            "nothing was run or billed; read less (fewer columns, a partition), or raise `maximum_bytes_billed`",
        ),
        "responseTooLarge" => (Kind::Config, "read less at once, or leave `storage_read` on"),
        "resourcesExceeded" => {
            (Kind::Config, "the query needs more memory than BigQuery gives; order or join less at once")
        }
        "quotaExceeded" => {
            (Kind::Quota, "a quota of the project is used up; see its quotas in Google's console")
        }
        "rateLimitExceeded" | "jobRateLimitExceeded" => {
            (Kind::RateLimited, "run again later, and less at once")
        }
        "stopped" => (Kind::Unavailable, "somebody cancelled the job; run again"),
        "timeout" | "jobTimeout" => (Kind::Unavailable, "raise `job_timeout`, or read less"),
        _ => (Kind::Unavailable, "the fault is on Google's side; run again later"),
    }
}
