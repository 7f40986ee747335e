//! What `outflow explain` says of Template's codes.

use crate::registry::{ErrorEntry, entry};

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "unauthorized",
        "Template does not know the key, or the key may not do this.",
        "Check `api_key` of the connection; a new key is made in the account's settings.",
    ),
    entry(
        "invalid_request",
        "Template could not read the request as a whole.",
        "Run with `-vv` and report it: the request is made by outflow.",
    ),
    entry(
        "invalid_value",
        "A field does not take this value.",
        "Read the message; mend the value in the source or the mapping, and the next sync sends it again.",
    ),
    entry(
        "unknown_field",
        "The account has no field of this name.",
        "Make the field in the account, or take it out of the mapping.",
    ),
    entry(
        "KEY_EMPTY",
        "The row's match key is empty, so the person cannot be found; nothing was sent.",
        "Give the column of `match_on` a value, or leave such rows out of the model.",
    ),
    entry(
        "TOO_LARGE",
        "The row is longer than a whole request may be; nothing was sent.",
        "Shorten the row's values, or leave the longest out of the mapping.",
    ),
];
