//! What `outflow explain` says of Customer.io's codes. Where Customer.io gives none, they are the connector's own words.

use crate::registry::{ErrorEntry, entry};

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "invalid",
        "Customer.io refused a value of this row; the message says which and why.",
        "Mend the value in the source or the mapping, and the next sync sends the row again. A value has at most 1,000 bytes, \
         an attribute's name 150.",
    ),
    entry(
        "required",
        "Customer.io misses something that this row must have.",
        "Read the message; fill the field in the source, or leave such rows out of the model.",
    ),
    entry(
        "BAD_REQUEST",
        "Customer.io refused the request without naming a row; outflow sent parts of it to find the row.",
        "Read the message; mend the value in the source or the mapping, and the next sync sends the row again.",
    ),
    entry(
        "REQUEST_TOO_LARGE",
        "The request was larger than Customer.io, or something on the way to it, takes.",
        "Set `delivery: {batch_bytes: ..}` in the mapping to less, and look for a proxy with a limit of its own.",
    ),
    entry(
        "ROW_TOO_LARGE",
        "The row is over 32,000 bytes as it is sent, which is what Customer.io takes of one; it was not sent.",
        "Map fewer or shorter fields, or leave such rows out of the model.",
    ),
    entry(
        "KEY_EMPTY",
        "The `id`, `email` or `cio_id` that names the person is empty.",
        "Fill it in the source or leave such rows out of the model.",
    ),
    entry(
        "KEY_TOO_LONG",
        "What names the person is longer than Customer.io takes: 150 bytes of an `id` or `cio_id`, 1,000 of an `email`.",
        "Send a shorter identifier, such as a number or a hash of the long one.",
    ),
    entry(
        "EVENT_INCOMPLETE",
        "The event has no `name`, or no `event_id`.",
        "Fill it in the source, or give every event one name with `name: {value: ..}` in the mapping.",
    ),
    entry(
        "SEGMENT_UNUSABLE",
        "Customer.io did not change the segment that `destination.list` names.",
        "Check that the number is the id of a manual segment of this workspace; one that fills itself cannot be changed.",
    ),
    entry(
        "WRONG_REGION",
        "The account's data is kept in the other region than the connection says.",
        "Set `region: eu` (or `region: us`) in the connection.",
    ),
    entry(
        "UNAUTHORIZED",
        "Customer.io does not know these credentials.",
        "Copy site id and API key of the Track API again (Settings, API credentials); a key of the App API is another.",
    ),
    entry(
        "FORBIDDEN",
        "The credentials are known, but may not do this.",
        "Check that the account is active and that its IP allowlist, if it has one, lets this machine in.",
    ),
    entry(
        "RATE_LIMITED",
        "More requests than Customer.io takes for now; other programs use the same workspace.",
        "Nothing, it waits by itself; lower `limits.requests` if it comes often.",
    ),
];
