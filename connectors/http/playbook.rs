//! What `outflow explain` says of the codes that the sender itself finds, whoever the vendor is. A connector explains only
//! what its vendor says, and what it finds itself.

use crate::registry::{ErrorEntry, entry};

/// Every code that is raised in `connectors/http/`.
pub const CODES: &[ErrorEntry] = &[
    entry(
        "UNREACHABLE",
        "No connection to the host could be made; nothing was sent.",
        "Check the network, the proxy and the connection's `base_url`.",
    ),
    entry(
        "UNTRUSTED",
        "The host's certificate is not one that this machine trusts, so nothing was sent.",
        "Where the host or a proxy uses an authority of your own, name its certificate with `ca_file`; else check `base_url`.",
    ),
    entry(
        "NO_ANSWER",
        "A request was sent, but no whole answer came; it may have had its effect.",
        "Nothing: the rows stay marked, and the next run settles them.",
    ),
    entry(
        "NOT_JSON",
        "The answer was a success, but not JSON, so nothing is known of the rows; a proxy or a wrong address is likely.",
        "Check the connection's `base_url` and the proxy; the next run settles the rows.",
    ),
    entry(
        "REDIRECTED",
        "The address answered with a redirect, which is not followed; nothing was sent there.",
        "Set the connection's `base_url` to the API itself.",
    ),
    entry(
        "NOT_AUTHORIZED",
        "The request was refused for its credentials, by the API or by a proxy before it (a status of 401 or 403).",
        "Check the connection's credentials and their permissions, and the proxy.",
    ),
    entry(
        "NOT_FOUND",
        "There is nothing at this address (a status of 404, 405 or 410).",
        "Check the object in the mapping and the connection's `base_url`.",
    ),
    entry(
        "SERVER_ERROR",
        "The API, or something before it, failed to handle the request (a status of 500 or more, or 408).",
        "Nothing at first: it is tried again, now and in the next run. See the vendor's status page if it stays.",
    ),
    entry(
        "RATE_LIMITS",
        "The API, or something before it, asks for a slower pace (a status of 429).",
        "Nothing, it waits by itself; lower `limits.requests` of the connection if it comes often.",
    ),
    entry(
        "DAILY",
        "The account has used up its API calls of the day.",
        "Nothing: the next run after midnight in the account's time zone goes on. `limits.daily_calls` keeps some for others.",
    ),
    entry(
        "DAILY_BUDGET",
        "The budget that `limits.daily_calls` sets for this connection is used up.",
        "Run again tomorrow, or raise the budget.",
    ),
    entry(
        "REFUSED",
        "The request was refused with a status that says no more, and without a code.",
        "Read the message; mend what it names.",
    ),
    entry("REJECTED", "The row was refused without a code.", "Read the message; mend the row in the source."),
    entry(
        "TOKEN",
        "The token endpoint of the connection's `auth` gave no token.",
        "Read the message: the address may be wrong, or the endpoint fails or asks for a slower pace. Nothing was sent.",
    ),
    entry(
        "TOKEN_REFUSED",
        "The token endpoint of the connection's `auth` refused the credentials without a code.",
        "Check the credentials under `auth`. Nothing was sent.",
    ),
    entry(
        "invalid_grant",
        "The token endpoint does not accept the refresh token (any more); RFC 6749, section 5.2.",
        "Authorise the app anew and set the connection's new `refresh_token`.",
    ),
    entry(
        "invalid_client",
        "The token endpoint does not accept the client id or the client secret; RFC 6749, section 5.2.",
        "Compare the connection's `client_id` and `client_secret` with the app's.",
    ),
    entry(
        "unauthorized_client",
        "The app may not ask for a token in this way; RFC 6749, section 5.2.",
        "Compare the connection's `client_id` and `client_secret` with the app's, and its permitted grants.",
    ),
    entry(
        "invalid_scope",
        "The token endpoint does not grant the scope that is asked for; RFC 6749, section 5.2.",
        "Ask for fewer scopes, or have them granted to the app.",
    ),
];
