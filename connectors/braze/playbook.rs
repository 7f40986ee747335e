//! What `outflow explain` says of Braze's refusals. Braze gives no codes, so these are the connector's own words.

use crate::registry::{ErrorEntry, entry};

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "INVALID_API_KEY",
        "Braze does not know the API key, or the key may not do this; its answer does not tell the two apart.",
        "Check the key's permissions: `users.track` and `custom_attributes.get`, for removals `users.delete`, for the bulk endpoint \
         `users.track.bulk`. Check that `base_url` is the instance of the key's workspace.",
    ),
    entry(
        "FORBIDDEN",
        "The key is known, but may not be used: the account is not active, or the key has a list of IP addresses.",
        "Check the account in Braze, and let this machine's address into the key's list.",
    ),
    entry(
        "TOO_MANY_OBJECTS",
        "The request held more objects than the contract allows; contracts by monthly active users allow 50.",
        "Set `batch_rows: 50` in the connection, and run again.",
    ),
    entry(
        "BAD_REQUEST",
        "Braze refused the request without naming a row; outflow sent parts of it to find the row.",
        "Read the message; mend the value in the source or the mapping, and the next sync sends the row again.",
    ),
    entry(
        "REQUEST_TOO_LARGE",
        "The request was larger than Braze, or something on the way to it, takes.",
        "Set `delivery: {batch_bytes: ..}` in the mapping to less, and look for a proxy with a limit of its own.",
    ),
    entry(
        "ROW_TOO_LARGE",
        "The row alone is larger than a request to Braze can be; it was not sent.",
        "Map fewer or shorter fields, or leave such rows out of the model.",
    ),
    entry(
        "KEY_EMPTY",
        "What names the user, `external_id` or an alias's name or label, is empty.",
        "Fill it in the source or leave such rows out of the model.",
    ),
    entry(
        "TEXT_TOO_LONG",
        "A custom attribute, or a property of an event, is a text of more than 255 characters, which Braze would cut; it was not \
         sent.",
        "Shorten it in the model, or send it in parts.",
    ),
    entry(
        "NULL_INSIDE",
        "There is a null inside of a JSON value. Braze would drop all changes of that attribute without a word, so the row was \
         not sent.",
        "Leave the key out in the model where there is no value.",
    ),
    entry(
        "EVENT_INCOMPLETE",
        "The event has no `name` or no `time`.",
        "Fill it in the source, or give every event one name with `name: {value: ..}` in the mapping.",
    ),
    entry(
        "USER_BLOCKED",
        "Braze takes nothing for this user: its workspace blocks them, as it does of test users with too many events.",
        "Leave such rows out of the model, or ask Braze to lift the block.",
    ),
    entry(
        "VALUE_MISSING",
        "Braze misses something that this row must have.",
        "Read the message; fill the field in the source, or leave such rows out of the model.",
    ),
    entry(
        "VALUE_INVALID",
        "Braze refused a value of this row; the message says which.",
        "Mend the value in the source or the mapping, and the next sync sends the row again.",
    ),
    entry(
        "EVENT_SCHEMA",
        "The event has a name for which Braze prescribes properties (`ecommerce.*`), and lacks one or has another.",
        "Read the message; map the properties that Braze's page on recommended events lists, or choose another name.",
    ),
    entry(
        "OBJECT_REFUSED",
        "Braze refused this row for a reason that outflow does not know.",
        "Read the message; Braze's support knows more by the request's id, which `-vv` shows.",
    ),
    entry(
        "RATE_LIMITED",
        "More requests than Braze takes for now; other programs use the same limit of the workspace.",
        "Nothing, it waits by itself; lower `limits.requests` if it comes often. A window of an hour ends the run, and the next \
         one goes on.",
    ),
];
