//! What HubSpot says of an account and its limits.

use axum::http::StatusCode;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::json;

use super::{PORTAL, error, format, with};
use crate::sandbox::vendor::{Answer, Usage};

/// The account itself.
pub(super) fn details() -> Answer {
    Answer::new(
        StatusCode::OK,
        json!({
            "portalId": PORTAL, "accountType": "DEVELOPER_TEST", "timeZone": "UTC", "companyCurrency": "USD",
            "additionalCurrencies": [], "utcOffset": "+00:00", "utcOffsetMilliseconds": 0,
            "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1",
        }),
    )
}

/// How much of the day's quota is used.
pub(super) fn usage(usage: &Usage) -> Answer {
    let now = Timestamp::now();
    let midnight = now.to_zoned(TimeZone::UTC).start_of_day().and_then(|day| day.checked_add(1.day()));
    let resets = midnight.map(|day| day.timestamp()).unwrap_or(now);
    let result = json!({
        "name": "private-apps-api-calls-daily", "usageLimit": usage.daily,
        "currentUsage": usage.daily - usage.daily_remaining.min(usage.daily),
        "resetsAt": format(resets), "collectedAt": format(now), "fetchStatus": "SUCCESS",
    });
    Answer::new(StatusCode::OK, json!({"results": [result]}))
}

/// The token may not do this.
pub(super) fn lacks(scope: &str) -> Answer {
    let message = "This app hasn't been granted all required scopes to make this call.";
    let detail = json!([{
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": [scope]},
    }]);
    with(error(StatusCode::FORBIDDEN, "MISSING_SCOPES", message), "errors", detail)
}
