//! What `outflow explain` says of Klaviyo's codes.

use crate::registry::{ErrorEntry, entry};

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "invalid",
        "Klaviyo does not take a value, such as an e-mail address or a phone number that is none, or does not take the \
         request's revision.",
        "Read the message and the field; mend the value in the source or the mapping, and the next sync sends it again.",
    ),
    entry(
        "duplicate_profile",
        "Another profile already has one of these identifiers; in `mode: insert`, the profile is there.",
        "Use `mode: upsert` if the profile shall be changed; else merge the two in Klaviyo, or mend the value in the source.",
    ),
    entry(
        "not_found",
        "There is no such profile, list or import.",
        "Check `destination.list`; a row is tried again by itself.",
    ),
    entry(
        "OBJECT_NOT_FOUND",
        "There is no profile with this key, so it could not be changed or put on the list.",
        "Use `mode: upsert` if missing profiles shall be made; else nothing, the row is tried again.",
    ),
    entry(
        "SEVERAL_PROFILES",
        "Several profiles have this match key, and which of them is meant nobody can tell.",
        "Merge them in Klaviyo, or match on another identifier.",
    ),
    entry(
        "CONSENT_WITHDRAWN",
        "The answer to an earlier subscription was lost, so the profile may have been subscribed by it; now it is unsubscribed \
         or suppressed, and a second subscription would lift that.",
        "If the person has agreed since, subscribe the profile in Klaviyo: the next sync finds that and puts it on the list. \
         Else take the row out of the source.",
    ),
    entry(
        "KEY_EMPTY",
        "The match key of this row is empty, so Klaviyo could not find its profile.",
        "Fill the key in the source or leave such rows out of the model.",
    ),
    entry(
        "PHONE_NUMBER_NOT_E164",
        "The match key is a phone number in another form than Klaviyo finds profiles by: a plus, the country's code and the \
         number, without spaces, as in `+15005550006`.",
        "Bring phone numbers into this form in the model's SQL.",
    ),
    entry(
        "PROFILE_TOO_LARGE",
        "The row is larger than the 100 kB that Klaviyo takes of a profile.",
        "Send fewer or shorter fields of such rows.",
    ),
    entry(
        "not_authenticated",
        "Klaviyo does not know the key.",
        "Copy a private key (`pk_...`) again and set it as the connection's `api_key`.",
    ),
    entry(
        "permission_denied",
        "The key is valid, but lacks a scope that this call needs.",
        "Make a key with read and write access to profiles and lists (and to subscriptions or data privacy, where the mapping \
         asks for these), and read access to accounts.",
    ),
    entry(
        "not_acceptable",
        "Klaviyo does not take the request in the form in which it arrived.",
        "Check the connection's `base_url` and what stands between: something may change requests on their way.",
    ),
    entry(
        "throttled",
        "More requests than the endpoint allows; other programs with keys of the account use the same limit.",
        "Nothing, it waits by itself; set `limits.requests` lower if it comes often.",
    ),
];
