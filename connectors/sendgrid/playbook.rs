//! What `outflow explain` says of SendGrid's codes. It has none of its own, so these are outflow's words for its answers.

use crate::registry::{ErrorEntry, entry};

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "INVALID_CONTACT",
        "SendGrid refused a contact when it looked at the call: an address that is none, or a value of the wrong form.",
        "Read the message; mend the value in the source or the mapping, and the next sync sends it again.",
    ),
    entry(
        "INVALID_REQUEST",
        "SendGrid refused a call for its data and did not say for which contact, or refused to search for this key.",
        "Read the message; the rows of the call were sent in ever smaller parts until the ones at fault were found.",
    ),
    entry(
        "JOB_ROW_REFUSED",
        "SendGrid took the contact, and the job that worked on it refused it later: an invalid date, or an identifier that it \
         has and that was not sent.",
        "Read the message; send all identifiers that the contact has, mend the value, and the next sync sends it again.",
    ),
    entry(
        "JOB_FAILED",
        "The job for this one contact failed, and no file says why.",
        "Look at the contact in SendGrid; the row is tried again.",
    ),
    entry(
        "KEY_EMPTY",
        "The match key of this row is empty, so SendGrid could not find its contact.",
        "Fill the key in the source or leave such rows out of the model.",
    ),
    entry(
        "OBJECT_NOT_FOUND",
        "There is no contact with this key, so it could not be put on the list.",
        "Deliver the contacts by a sync of their own, and name it in `depends_on`; the row is tried again.",
    ),
    entry(
        "CONTACT_TOO_LONG",
        "The contact alone has more bytes than a call may have.",
        "Shorten its texts in the query.",
    ),
    entry(
        "ALTERNATE_EMAILS_TOO_MANY",
        "A contact has up to five alternate addresses, of up to 254 characters each.",
        "Keep the ones that matter in the query.",
    ),
    entry(
        "VALUE_NOT_A_NUMBER",
        "A custom field of numbers was to hold something else.",
        "Set `type: number` for the field in the mapping, or mend the value in the source.",
    ),
    entry(
        "FIELD_GONE",
        "A custom field was there when the mapping was checked, and was not when the rows were sent.",
        "Create it in SendGrid again, or take it out of the mapping; then run again.",
    ),
    entry(
        "FIELD_NOT_CREATED",
        "`create_missing_properties` was set, and SendGrid did not create a custom field; no row was sent.",
        "Read the message; create the field in SendGrid, or take it out of the mapping.",
    ),
    entry(
        "FIELD_TYPE_MISMATCH",
        "A custom field that the run was to create is there by now, with another type.",
        "Run again: the mapping is checked against the field as it is.",
    ),
    entry(
        "RESOURCE_NOT_FOUND",
        "SendGrid has no list, job or contact of this id.",
        "Check the ids of lists in the mapping.",
    ),
    entry(
        "UNAUTHORIZED",
        "SendGrid does not know the key.",
        "Copy the key again and set it as the connection's `api_key`; an account of the EU needs its own `base_url`.",
    ),
    entry(
        "FORBIDDEN",
        "The key is valid, but may not do this.",
        "Give the key full access to Marketing, and read access to the user's name (`user.username.read`).",
    ),
    entry(
        "BODY_TOO_LONG",
        "The call has more bytes than SendGrid, or a proxy before it, takes.",
        "Set `delivery: {batch_bytes: ..}` in the mapping to less.",
    ),
    entry(
        "UPLOAD_REFUSED",
        "The store that SendGrid names for the file of an import did not take it; none of its rows was sent.",
        "Run again; check whether a proxy lets this machine reach the store. `api: contacts` does without files.",
    ),
];
