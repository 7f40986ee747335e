//! What `outflow explain` says of Brevo's codes.

use crate::registry::{ErrorEntry, entry};

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "invalid_parameter",
        "Brevo does not take a value: an address or phone number that is none, or a value of the wrong form.",
        "Read the message; mend the value in the source or the mapping, and the next sync sends it again.",
    ),
    entry(
        "missing_parameter",
        "Brevo misses a value that the contact needs, such as its e-mail address.",
        "Fill it in the source, or map a field to it.",
    ),
    entry(
        "out_of_range",
        "A value is larger, or a text longer, than Brevo takes.",
        "Shorten it in the query, or mend the value in the source.",
    ),
    entry(
        "duplicate_parameter",
        "Another contact already has this e-mail address, phone number or `ext_id`; in `mode: insert`, the contact is there.",
        "Use `mode: upsert` if the contact shall be changed; else merge the two in Brevo, or mend the value in the source.",
    ),
    entry(
        "duplicate_request",
        "Brevo takes the request for a repeat of an earlier one.",
        "Nothing at first: the row is tried again. Read the message if it stays.",
    ),
    entry(
        "document_not_found",
        "There is no such contact.",
        "Use `mode: upsert` if missing contacts shall be made; else nothing, the row is tried again.",
    ),
    entry(
        "OBJECT_NOT_FOUND",
        "There is no contact with this key, so it could not be changed or put on the list.",
        "Use `mode: upsert` if missing contacts shall be made; else nothing, the row is tried again.",
    ),
    entry(
        "method_not_allowed",
        "Brevo does not let this contact be removed: the address is that of a user of the account.",
        "Leave such rows out of the model, or remove the user in Brevo first.",
    ),
    entry(
        "not_acceptable",
        "Brevo does not take the request in this form.",
        "Read the message; mend what it names.",
    ),
    entry("bad_request", "Brevo cannot read the request.", "Read the message; mend the row that it names."),
    entry(
        "unprocessable_entity",
        "Brevo reads the request, but cannot do what it says.",
        "Read the message; mend the row in the source.",
    ),
    entry(
        "KEY_EMPTY",
        "The match key of this row is empty, so Brevo could not find its contact.",
        "Fill the key in the source or leave such rows out of the model.",
    ),
    entry(
        "unauthorized",
        "Brevo does not know the key, or does not take it from this machine's address.",
        "Copy the key again and set it as the connection's `api_key`; where the account allows known addresses only, add this one.",
    ),
    entry(
        "permission_denied",
        "The key is valid, but may not do this.",
        "Check what the account's plan allows, and the user whose key it is.",
    ),
    entry(
        "account_under_validation",
        "Brevo has not released the account yet.",
        "End the validation in Brevo, or ask its support.",
    ),
    entry(
        "account_in_process",
        "Brevo is at work on the same contact or account.",
        "Nothing, it is tried again; keep other imports to other hours if it comes often.",
    ),
    entry(
        "not_enough_credits",
        "The account's plan takes no more contacts.",
        "Raise the plan in Brevo, or remove contacts; the rows go in the next run.",
    ),
    entry(
        "too_many_requests",
        "More requests than the account's plan allows; other programs use the same limit.",
        "Nothing, it waits by itself; set `limits.requests` to less than the plan's rate if it comes often.",
    ),
    entry(
        "ATTRIBUTE_NOT_CREATED",
        "`create_missing_properties` was set, and Brevo did not create an attribute; no row was sent.",
        "Read the message; create the attribute in Brevo, or take it out of the mapping.",
    ),
    entry(
        "ATTRIBUTE_TYPE_MISMATCH",
        "An attribute that the run was to create is there by now, with another type.",
        "Run again: the mapping is checked against the attribute as it is.",
    ),
];
