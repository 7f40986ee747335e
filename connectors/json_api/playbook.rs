//! What `outflow explain` says of the codes of this connector; all others in an answer are the API's own.

use crate::registry::{ErrorEntry, entry};

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "HTTP_UNRECOGNISED",
        "The API answered with a success status, but neither `success` nor `rejected` of the mapping recognises the answer, so nobody knows what became of the rows.",
        "Send one row with `outflow sync --limit 1 -vv` and compare the answer with the rules; then mend `success`, or add a `rejected` rule for this answer.",
    ),
    entry(
        "HTTP_REFUSED",
        "The API refused the row, by a `rejected` or `row_errors` rule of the mapping, and the answer has no code where the rule looks for one.",
        "Read the message; give the rule a `code` and a `message`, JSON Pointers to where the answer says why.",
    ),
    entry(
        "OBJECT_NOT_FOUND",
        "By the mapping's rules the answer says that there is no such object.",
        "Use `mode: upsert` if missing objects shall be made; else nothing, the row is tried again.",
    ),
    entry(
        "HTTP_TEMPLATE",
        "A template of the mapping's request does not work with this row's values, or made a path or header that cannot be sent; nothing was sent.",
        "Read the message; a field that a row may lack needs `{% if fields.NAME is defined %}`, an empty value cannot stand in a path.",
    ),
    entry(
        "HTTP_BODY",
        "The template of the body made no JSON with this row's values; nothing was sent.",
        "Print values with `{{ fields.NAME | tojson }}`, without quotes around it, or send another `Content-Type`.",
    ),
    entry(
        "HTTP_TOO_LARGE",
        "The body of one row alone is longer than the mapping's `batch.bytes`; nothing was sent.",
        "Leave out or shorten fields, or raise `batch.bytes` where the API takes more.",
    ),
    entry(
        "HTTP_KEY_EMPTY",
        "A part of the row's key is empty, and the request could reach another object than the row's; nothing was sent.",
        "Fill the match column in the source, or leave such rows out of the model.",
    ),
    entry(
        "HTTP_NO_ACCOUNT",
        "The request of the connection's `account` was answered, but the account's id is not where `id` points.",
        "Check the credentials, and compare the answer with the pointer.",
    ),
];
