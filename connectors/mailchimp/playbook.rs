//! What `outflow explain` says of Mailchimp's codes. Mailchimp's own titles are written as codes.

use crate::registry::{ErrorEntry, entry};

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "INVALID_RESOURCE",
        "Mailchimp does not take a value: an address that is none or looks made up, or a merge field of the wrong form.",
        "Read the message, which names the field; mend the value in the source or the mapping, and the next sync sends it again.",
    ),
    entry(
        "ERROR_GENERIC",
        "A call for many members refused this one; Mailchimp says why in words only.",
        "Read the message, which names the field where one is at fault; mend the row in the source.",
    ),
    entry(
        "ERROR_CONTACT_EXISTS",
        "In `mode: insert`, the member is on the list already.",
        "Use `mode: upsert` if members that are there shall be changed; else nothing.",
    ),
    entry(
        "MEMBER_EXISTS",
        "Another member of the list has this address already.",
        "Archive one of the two in Mailchimp, or mend the address in the source.",
    ),
    entry(
        "MEMBER_ARCHIVED",
        "The member is archived. It may have left the list before that, so it is not brought back unasked.",
        "Set `restore_archived: true` in the mapping's `destination` if archived members shall come back; else nothing.",
    ),
    entry(
        "MEMBER_IN_COMPLIANCE_STATE",
        "The person left the list or complained, and only they themselves can come back, by a sign-up form.",
        "Nothing can be done from here; take the status out of the row, and its other fields are sent.",
    ),
    entry(
        "FORGOTTEN_EMAIL_NOT_SUBSCRIBED",
        "The member was removed for good, and Mailchimp takes the address from a sign-up form only.",
        "Leave such rows out of the model, or ask the person to sign up again.",
    ),
    entry(
        "RESOURCE_NOT_FOUND",
        "There is no such list, member or batch.",
        "Check `list` in the mapping's `destination`; a member that is missing is tried again.",
    ),
    entry(
        "OBJECT_NOT_FOUND",
        "There is no member with this address, so it could not be changed or tagged.",
        "Use `mode: upsert` if missing members shall be made; else nothing, the row is tried again.",
    ),
    entry(
        "METHOD_NOT_ALLOWED",
        "Mailchimp does not archive this member, because it has not confirmed its subscription yet.",
        "Nothing, the row is tried again; or remove the member in Mailchimp.",
    ),
    entry(
        "MAILCHIMP_BAD_REQUEST",
        "Mailchimp cannot make sense of the request.",
        "Read the message; mend the row that it names.",
    ),
    entry(
        "JSON_PARSE_ERROR",
        "Mailchimp cannot read the request.",
        "Read the message; mend the row that it names.",
    ),
    entry(
        "MERGE_FIELD_FORM",
        "A value does not have the form of its merge field: a birthday is a month and a day, an address an object.",
        "Mend the value in the query: a date, or a text as `MM/DD`; a JSON object with `addr1`, `city`, `state` and `zip`.",
    ),
    entry(
        "KEY_EMPTY",
        "The match key of this row is empty, so Mailchimp could not find its member.",
        "Fill the key in the source or leave such rows out of the model.",
    ),
    entry(
        "API_KEY_REFUSED",
        "Mailchimp does not know the key, knows it at another data centre, or does not let its user do this.",
        "Copy the whole key again and set it as the connection's `api_key`; check the user's role in Mailchimp.",
    ),
    entry(
        "UPGRADE_REQUIRED",
        "The connection to Mailchimp is encrypted in a way that it takes no more.",
        "Check `base_url` and the proxy between here and Mailchimp.",
    ),
    entry(
        "TOO_MANY_CONNECTIONS",
        "The account's user has more than 10 requests under way; other programs use the same limit.",
        "Nothing, it waits by itself; set `limits.concurrency` to less if it comes often.",
    ),
    entry(
        "RESULTS_NOT_UNDERSTOOD",
        "The file with the results of a batch of operations was not understood, so its rows go again.",
        "Set `api: members` in the mapping's `destination` if it stays.",
    ),
    entry(
        "MERGE_FIELD_NOT_CREATED",
        "`create_missing_properties` was set, and Mailchimp did not create a merge field; no row was sent.",
        "Read the message; create the field in Mailchimp, or take it out of the mapping.",
    ),
    entry(
        "MERGE_FIELD_TYPE_MISMATCH",
        "A merge field that the run was to create is there by now, with another type.",
        "Run again: the mapping is checked against the field as it is.",
    ),
];
