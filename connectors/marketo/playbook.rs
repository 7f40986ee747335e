//! What `outflow explain` says of Marketo's codes (`error-codes.md`), and of the connector's own.

use crate::registry::{ErrorEntry, entry};

const WAITS: &str = "Nothing: it is tried again, now and in the next run. See status.adobe.com if it stays.";
const FIX_ROW: &str =
    "Read the message; mend the value in the source or the mapping, and the next sync sends it again.";
const FIX_FIELD: &str = "Compare the mapping with `outflow fields`; check the key under `match_on`.";
const PARTITION: &str =
    "Check `destination.partition`, and which workspaces and partitions the API user's role may write to.";
const REPORT: &str =
    "This is a defect of outflow, or of a proxy between here and there: report it with `--record`.";

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "EXPIRED_TOKEN",
        "Marketo did not accept the access token (600, 601, 602), and did not accept a new one either.",
        "Copy `client_id` and `client_secret` again from the service in Marketo: Admin, LaunchPoint, \"View Details\".",
    ),
    entry(
        "601",
        "The access token is not valid; outflow asks for another one and repeats the call once.",
        "Nothing.",
    ),
    entry(
        "602",
        "The access token has ended; outflow asks for another one and repeats the call once.",
        "Nothing.",
    ),
    entry(
        "unauthorized",
        "Marketo's identity service does not know the client id.",
        "Copy it again from the service in Marketo, and check that `base_url` is the same instance's.",
    ),
    entry(
        "603",
        "The token is good, but its user may not do this, or not from this address.",
        "Give the API user's role \"Read-Write Lead\", and check \"IP Restrictions\" for API access in Admin.",
    ),
    entry(
        "606",
        "The instance had more than 100 calls in 20 seconds, by all who use it together.",
        "Nothing, it waits by itself; lower `limits.requests` of the connection if it comes often.",
    ),
    entry(
        "607",
        "The instance has used up its calls of the day; it has new ones at midnight US Central time.",
        "Run again after that; `limits.daily_calls` keeps some for others. More are sold with the subscription.",
    ),
    entry(
        "615",
        "The instance had ten calls under way at once, by all who use it together.",
        "Nothing, it waits by itself; lower `limits.concurrency` of the connection if it comes often.",
    ),
    entry("500", "Marketo met a condition that it did not expect; the call may have had its effect.", WAITS),
    entry("502", "A server before Marketo failed; the call may have had its effect.", WAITS),
    entry(
        "604",
        "Marketo gave the call up after too long; outflow does not count on its having had no effect.",
        WAITS,
    ),
    entry("608", "The API cannot be used for the moment; nothing was done.", WAITS),
    entry(
        "611",
        "Marketo could not handle the call; outflow does not count on its having had no effect.",
        WAITS,
    ),
    entry("614", "The instance cannot be reached for the moment; nothing was done.", WAITS),
    entry("713", "Something that the call needs was taken for the moment; nothing was done.", WAITS),
    entry("719", "The call waited too long for a lock; nothing was done.", WAITS),
    entry("605", "There is no such method at this address.", "Check the connection's `base_url`."),
    entry(
        "610",
        "There is nothing at this address.",
        "Set `base_url` to the instance itself: `https://123-ABC-456.mktorest.com`.",
    ),
    entry("609", "Marketo could not read the JSON of a call.", REPORT),
    entry("612", "Marketo did not take the type of a call's body.", REPORT),
    entry("613", "Marketo could not read the body of an import.", REPORT),
    entry("616", "The subscription is not of the type that this needs.", "Ask whoever runs the instance."),
    entry("701", "Marketo misses a parameter of a call.", FIX_FIELD),
    entry("702", "Marketo found nothing to what was asked for.", "Check `destination.list`."),
    entry("703", "The subscription does not have this feature.", "Ask whoever runs the instance."),
    entry("1001", "A value is not of the type that its field has.", FIX_ROW),
    entry("1002", "A value that must be there is missing.", FIX_ROW),
    entry("1003", "A value is not valid for its field; the message names both.", FIX_ROW),
    entry(
        "1004",
        "There is no such lead.",
        "Nothing, if it is to appear; else use `mode: upsert`, which makes leads that are missing.",
    ),
    entry(
        "1005",
        "There is a lead with this key already, and `mode: insert` changes none.",
        "Use `mode: upsert`, or take the row out of the model.",
    ),
    entry("1006", "The instance has no such field.", FIX_FIELD),
    entry(
        "1007",
        "Several leads have this key, so Marketo changes none of them.",
        "Merge them in Marketo (Lead Database, \"Possible Duplicates\"), or match on another field.",
    ),
    entry("1008", "The API user may not write to the partition of this lead.", PARTITION),
    entry("1009", "The instance has several partitions, and the mapping names none.", PARTITION),
    entry("1010", "The lead is in another partition, and cannot be moved by this call.", PARTITION),
    entry("1011", "Leads cannot be found by this field.", FIX_FIELD),
    entry(
        "1013",
        "There is no such list, or the import is older than seven days.",
        "Check `destination.list`: the number behind `ST` in the address of the list's page.",
    ),
    entry("1015", "The lead is not on the list.", "Nothing: that is what was asked for."),
    entry(
        "1016",
        "Ten imports wait in the instance already; an import waits for its place, an hour at most.",
        "Nothing; run again later if the queue stays full, or use `api: leads`.",
    ),
    entry(
        "1018",
        "The instance is tied to a CRM that keeps this lead, so Marketo does not change it.",
        "Change it in the CRM.",
    ),
    entry(
        "1019",
        "Another import into the same list is under way; an import waits for its end, an hour at most.",
        "Nothing; run again later if it stays.",
    ),
    entry(
        "1021",
        "Fields of the company are not written through leads.",
        "Take them out of the mapping; `externalCompanyId` ties a lead to its company.",
    ),
    entry(
        "1022",
        "The lead is in use and cannot be removed.",
        "Look at the lead in Marketo; the row is tried again.",
    ),
    entry(
        "BODY_TOO_LONG",
        "A body was longer than Marketo, or something before it, takes.",
        "Set `delivery: {batch_bytes: ..}` to less, and look for a proxy with a limit of its own.",
    ),
    entry(
        "NOT_CONFIRMED",
        "An answer says neither that the call succeeded nor why it did not, so nothing is known of its rows.",
        "Check the connection's `base_url` and the proxy; the next run settles the rows.",
    ),
    entry("LEAD_SKIPPED", "Marketo skipped the lead and gave no code.", FIX_ROW),
    entry(
        "OBJECT_NOT_FOUND",
        "There is no lead with this key, so it could not be changed, or put on the list.",
        "Deliver the leads by a sync of their own, and name it in `depends_on`; the row is tried again.",
    ),
    entry(
        "KEY_EMPTY",
        "The match key of this row is empty, so Marketo could not find its lead.",
        "Fill the key in the source or leave such rows out of the model.",
    ),
    entry("KEY_NOT_AN_ID", "A lead's own id is a whole number, and this is none.", FIX_ROW),
    entry(
        "KEY_NOT_SEARCHABLE",
        "Marketo cannot look leads up by this value: it has a comma, or is too long, or was refused.",
        "Match on another field, such as the e-mail address.",
    ),
    entry(
        "SEVERAL_LEADS",
        "Several leads have this key, and which is meant is not said.",
        "Merge them in Marketo (Lead Database, \"Possible Duplicates\"), or match on another field.",
    ),
    entry(
        "LEAD_TOO_LONG",
        "The lead alone has more bytes than a call may have.",
        "Shorten its texts in the query.",
    ),
    entry(
        "EMAIL_NOT_ASCII",
        "Marketo takes e-mail addresses of ASCII letters only.",
        "Mend the address in the source, or leave the row out of the model.",
    ),
    entry(
        "IMPORT_ROW_FAILED",
        "An import refused this row; the message is the reason in its file of failures.",
        FIX_ROW,
    ),
    entry(
        "IMPORT_FAILED",
        "An import failed before its first row, as Marketo counts it.",
        "Read the message; `api: leads` does without imports and says of each row what is wrong with it.",
    ),
];
