//! What Salesforce's codes mean, for `outflow explain`: those of the guides (REST API Developer Guide, "Status Codes and Error
//! Responses"; SOAP API Developer Guide, "StatusCode"), and our own.

use super::encode::SEMICOLON;
use super::results::NOT_RESULTS;
use super::sheet::{RESERVED, TOO_LONG};
use crate::contract::Outcome;
use crate::registry::{ErrorEntry, entry};

const PERMISSION: &str =
    "Give the connection's user the permission, by a permission set; then run again: nothing is lost.";
const HARD: &str =
    "Enable it in Setup, or give it to the user; a hard delete needs \"Bulk API Hard Delete\".";
const JOB: &str = "Check `object`, `match_on`, `mode` and the options of the mapping.";
const WAIT: &str = "Run again; the rows are kept. outflow waits and repeats by itself for a while.";

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        Outcome::OBJECT_NOT_FOUND,
        "There is no record with this key or id, and the mapping does not make any.",
        "Make the record in Salesforce, or use `mode: upsert`; a row that waits for one is tried again in every run.",
    ),
    entry(
        SEMICOLON,
        "A chosen option has a semicolon, by which Salesforce separates the options of a multi-select picklist.",
        "Give the option without a semicolon in the query.",
    ),
    entry(
        "INVALID_SESSION_ID",
        "Salesforce does not accept the session; a new one was asked for, and not accepted either.",
        "Check that the app and its user may use the API; a fixed `access_token` ends within hours.",
    ),
    entry(
        "INVALID_AUTH_HEADER",
        "Salesforce does not understand the token that was sent.",
        "Check the connection's `auth`: look for a line break or a quote copied along with the token.",
    ),
    entry(
        "REQUEST_LIMIT_EXCEEDED",
        "The org has used up its calls of the rolling day, or has too many long calls under way; the message says which.",
        "Run again later. `limits: {daily_calls: 30%}` leaves some calls to others; Setup, \"Company Information\" shows what is used.",
    ),
    entry("SERVER_UNAVAILABLE", "Salesforce is not available for the moment.", WAIT),
    entry("API_CURRENTLY_DISABLED", "The API is not available to this user.", PERMISSION),
    entry(
        "API_DISABLED_FOR_ORG",
        "The org's edition or the user has no API.",
        "Enable the API for the user (\"API Enabled\"), or have it added to the edition.",
    ),
    entry("INSUFFICIENT_ACCESS", "The user may not do this.", PERMISSION),
    entry(
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "The user may not change this record, or it is locked for editing.",
        PERMISSION,
    ),
    entry(
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        "The user may not see or use the record that a reference names, such as an owner or a parent.",
        PERMISSION,
    ),
    entry(
        "FUNCTIONALITY_NOT_ENABLED",
        "The org does not have this feature.",
        "Enable it in Setup, or leave the field out.",
    ),
    entry(
        "INVALID_TYPE",
        "There is no such object, or the user may not see it.",
        "Correct `object` in the mapping; give the user access to it.",
    ),
    entry(
        "NOT_FOUND",
        "There is nothing at this address.",
        "Check the object and `match_on` in the mapping, and the connection's `api_version`.",
    ),
    entry(
        "INVALID_FIELD",
        "A field is not there, the user may not see it, or a parent with this external id was not found; the message says which.",
        "Compare the mapping with `outflow fields`; for a parent, deliver it first (`depends_on`).",
    ),
    entry(
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "The field cannot be set: it is read-only, or only set when a record is made.",
        "Take it out of the mapping, or give the user edit on it by field-level security.",
    ),
    entry(
        "MALFORMED_QUERY",
        "Salesforce does not understand a query of outflow's.",
        "Report it, with the message; it holds no values.",
    ),
    entry(
        "EXCEEDED_ID_LIMIT",
        "A request had more records than Salesforce takes.",
        "Report it; outflow sends 200 at most.",
    ),
    entry(
        "JSON_PARSER_ERROR",
        "A value has another type than its field takes.",
        "Give the field a `type`, or convert it in the query.",
    ),
    entry(
        "UNABLE_TO_LOCK_ROW",
        "Another transaction held the record or its parent, to the end of several tries.",
        "Run again, or at a quieter hour; look for automation in Salesforce that touches the same parents.",
    ),
    entry("TooManyLockFailure", "Too many records of a job were locked.", "Run again, or at a quieter hour."),
    entry(
        "REQUEST_RUNNING_TOO_LONG",
        "A request took Salesforce longer than it allows.",
        "Set a smaller `delivery: {batch_rows: 50}`; triggers and flows make records slow.",
    ),
    entry(
        "QUERY_TIMEOUT",
        "A query took Salesforce longer than it allows.",
        "Run again; make the match key's field an External ID, which is indexed.",
    ),
    entry(
        "Timeout",
        "Salesforce gave up a batch of a job.",
        "Run again; triggers and flows make records slow.",
    ),
    entry(
        "DUPLICATE_VALUE",
        "Another record has this value in a unique field.",
        "Find the record that the message names; match on that field, or correct the value.",
    ),
    entry(
        "DUPLICATES_DETECTED",
        "A duplicate rule of the org finds a record like this.",
        "Merge them in Salesforce, or set `destination: {duplicate_rule: {allow_save: true}}`.",
    ),
    entry(
        "DUPLICATE_EXTERNAL_ID",
        "Several records have this external id, so none is meant.",
        "Make the field unique in Salesforce, after correcting the records.",
    ),
    entry(
        "INVALID_CROSS_REFERENCE_KEY",
        "A reference names a record that is not there, or is of another object.",
        "Correct the id, or deliver the record first (`depends_on`).",
    ),
    entry(
        "MALFORMED_ID",
        "A value is no id of a record.",
        "Give an id of 15 or 18 characters, or name the parent by its external id (`Account.Ext__c`).",
    ),
    entry(
        "STRING_TOO_LONG",
        "A text is longer than its field takes.",
        "Shorten it in the query, or lengthen the field in Salesforce.",
    ),
    entry(
        "REQUIRED_FIELD_MISSING",
        "A field that every new record must have is empty.",
        "Map a value to the field that the message names.",
    ),
    entry(
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "A validation rule of the org refuses the record; the message is its own.",
        "Correct the value in the warehouse, or the rule in Salesforce.",
    ),
    entry(
        "INVALID_EMAIL_ADDRESS",
        "A value is no e-mail address.",
        "Correct it in the warehouse, or leave such rows out.",
    ),
    entry(
        "CANNOT_UPDATE_CONVERTED_LEAD",
        "The lead was converted, and cannot be changed any more.",
        "Leave converted leads out of the query.",
    ),
    entry(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "A value is not one of a restricted picklist's.",
        "Add the value in Salesforce, or map it to one that is there.",
    ),
    entry(
        "BAD_VALUE_FOR_RESTRICTED_PICKLIST",
        "A value is not one of a restricted picklist's.",
        "Add the value in Salesforce, or map it to one that is there.",
    ),
    entry(
        "ENTITY_IS_DELETED",
        "The record is in the recycle bin.",
        "Restore it in Salesforce, or let the row go by an external id.",
    ),
    entry(
        "NUMBER_OUTSIDE_VALID_RANGE",
        "A number has more digits than its field takes.",
        "Round it with `scale`, or enlarge the field in Salesforce.",
    ),
    entry(
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "A trigger or flow of the org refuses the record; the message is its own.",
        "Correct the record, or the automation in Salesforce.",
    ),
    entry(
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Another record of the request was refused, and took this one with it.",
        WAIT,
    ),
    entry(
        "CANNOT_EXECUTE_FLOW_TRIGGER",
        "A flow of the org failed on the record.",
        "The message names the flow; correct it in Salesforce.",
    ),
    entry("UNKNOWN_EXCEPTION", "Salesforce failed on the record and gave no reason.", WAIT),
    entry(
        RESERVED,
        "The text is `#N/A`, by which a job of the Bulk API clears a field, so that no job can say it.",
        "Leave out `api: bulk`: under `auto` such a row goes by a collection; or change the text in the query.",
    ),
    entry(
        TOO_LONG,
        "The record has more than 400,000 characters, or more bytes than a whole job: a job of the Bulk API does not take it.",
        "Shorten it in the query, or leave out `api: bulk`: under `auto` it goes by a collection.",
    ),
    entry(
        NOT_RESULTS,
        "A file of a job's results is not what the guide says; what became of its rows is not known from it.",
        "Run again: such rows are sent again, or looked for. Where it stays so, report it with `--record`.",
    ),
    entry(
        "ExceededQuota",
        "The org's batches of the Bulk API for the rolling day are used up.",
        "Run again when the rolling day has room; `destination: {api: collections}` needs none.",
    ),
    entry("ClientInputError", "Salesforce does not understand a job.", "Report it, with the message."),
    entry("FeatureNotEnabled", "The org or the user does not have this feature.", HARD),
    entry(
        "InvalidBatch",
        "Salesforce does not understand a job's data; often a field that the mapping names is gone, or hidden from the user.",
        "Compare the mapping with `outflow fields`. Nothing of the job had an effect.",
    ),
    entry("InvalidJob", "A job asks for what cannot be.", JOB),
    entry("INVALIDJOB", "A job asks for what cannot be; the message says what.", JOB),
    entry("INVALIDJOBSTATE", "A job is not in the state that a call needs.", WAIT),
    entry("InvalidJobState", "A job is not in the state that a call needs.", WAIT),
    entry(
        "InvalidOperation",
        "The object does not take this operation.",
        "Check `mode` and `on_delete` of the mapping.",
    ),
    entry("InvalidSessionId", "As INVALID_SESSION_ID.", "See `outflow explain INVALID_SESSION_ID`."),
    entry("InvalidUrl", "There is nothing at this address.", "Check the connection's `api_version`."),
    entry("InvalidUser", "The user may not use jobs.", PERMISSION),
    entry("InvalidXML", "Salesforce does not understand a request.", "Report it, with the message."),
    entry(
        "MethodNotAllowed",
        "The address does not take this method.",
        "Check the connection's `base_url` and `api_version`.",
    ),
    entry("NotFound", "As NOT_FOUND.", "See `outflow explain NOT_FOUND`."),
    entry("Unknown", "Salesforce failed and gave no reason.", WAIT),
];
