//! What `outflow explain` says of HubSpot's codes.

use crate::registry::{ErrorEntry, entry};

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "VALIDATION_ERROR",
        "HubSpot refused a value without naming a more specific reason.",
        "Read the message; mend the value in the source or the mapping, and the next sync sends it again.",
    ),
    entry(
        "INVALID_EMAIL",
        "The e-mail address is not one that HubSpot accepts.",
        "Mend it in the source, or leave such rows out of the model.",
    ),
    entry(
        "PROPERTY_DOESNT_EXIST",
        "The object has no property of this name.",
        "Compare with `outflow fields CONNECTION OBJECT`; create the property in HubSpot or mend the mapping.",
    ),
    entry(
        "INVALID_OPTION",
        "The value is not among the property's options; HubSpot wants the option's internal value.",
        "Add the option in HubSpot, or map the value to an internal value.",
    ),
    entry(
        "INVALID_INTEGER",
        "The property takes a whole number.",
        "Give the field `type: integer` or mend the value.",
    ),
    entry(
        "INVALID_LONG",
        "The property takes a whole number.",
        "Give the field `type: integer` or mend the value.",
    ),
    entry(
        "INVALID_NUMBER",
        "The property takes a number.",
        "Give the field `type: number` or mend the value.",
    ),
    entry("INVALID_BOOLEAN", "The property takes `true` or `false`.", "Give the field `type: boolean`."),
    entry(
        "INVALID_DATE",
        "The property takes a date, at midnight UTC.",
        "Give the field `type: date`, or `type: datetime` for an instant.",
    ),
    entry(
        "READ_ONLY_VALUE",
        "HubSpot calculates this property; nobody can set it.",
        "Take the field out of the mapping.",
    ),
    entry(
        "INVALID_VALUE",
        "The property does not take this value.",
        "Read the message; mend the value in the source or the mapping.",
    ),
    entry("INVALID_JSON", "The property takes JSON text.", "Give the field `type: json`."),
    entry(
        "LEADING_TRAILING_WHITESPACE",
        "The value begins or ends with white space, which this property does not take.",
        "Trim it in the query, or with a template: `{{ column | trim }}`.",
    ),
    entry(
        "PROPERTY_VALUE_TOO_LONG",
        "The text is longer than HubSpot keeps (65,536 characters).",
        "Shorten it in the query.",
    ),
    entry(
        "REQUIRED_FIELD",
        "The object has a property that must be set, and this row leaves it empty.",
        "Map the property, or fill it in the source.",
    ),
    entry(
        "CONFLICTING_UNIQUE_VALUE",
        "Another object already holds this value of a property whose values are unique.",
        "Find the other object in HubSpot; merge the two, or mend the value in the source.",
    ),
    entry(
        "DUPLICATE_UNIQUE_PROPERTY_VALUE",
        "Another object already holds this value of a property whose values are unique.",
        "Find the other object in HubSpot; merge the two, or mend the value in the source.",
    ),
    entry(
        "CONFLICT",
        "An object with this key exists already and holds other values, so it cannot be created.",
        "Set `destination: {on_conflict: update}` to change such objects once, or use `mode: upsert`; or leave such rows out, and \
         merge duplicates in HubSpot.",
    ),
    entry(
        "PROPERTY_NOT_CREATED",
        "`create_missing_properties` was set, and HubSpot did not create a property; no row was sent.",
        "Read the message; create the property in HubSpot, or take it out of the mapping.",
    ),
    entry(
        "PROPERTY_TYPE_MISMATCH",
        "A property that the run was to create is there by now, with another type.",
        "Run again: the mapping is checked against the property as it is.",
    ),
    entry(
        "OBJECT_NOT_FOUND",
        "There is no such object, or it was archived.",
        "Use `mode: upsert` if missing objects shall be made; else nothing, the row is tried again.",
    ),
    entry(
        "KEY_EMPTY",
        "The match key of this row is empty, so HubSpot could not find its object.",
        "Fill the key in the source or leave such rows out of the model.",
    ),
    entry(
        "LIST_SEPARATOR",
        "An element of a list holds `;`, which HubSpot takes as the end of the element.",
        "Send the option's internal value without `;`.",
    ),
    entry(
        "INVALID_AUTHENTICATION",
        "HubSpot does not know the token, or it was rotated or revoked.",
        "Copy the access token of the private app again and set it as the connection's `token`.",
    ),
    entry(
        "MISSING_SCOPES",
        "The token is valid, but may not do this.",
        "Add the named scopes to the private app; reading and writing an object are two scopes.",
    ),
    entry(
        "TEN_SECONDLY_ROLLING",
        "More requests in ten seconds than the account allows; other programs use the same limit.",
        "Nothing, it waits by itself; lower `limits.requests` if it comes often.",
    ),
    entry("SECONDLY", "More searches in a second than HubSpot allows.", "Nothing, it waits by itself."),
    entry(
        "RATE_LIMIT",
        "HubSpot asks for a slower pace.",
        "Nothing, it waits by itself; lower `limits.requests` if it comes often.",
    ),
    entry(
        "LOCKED",
        "HubSpot is busy changing the same objects.",
        "Nothing, it is tried again; keep other imports of these objects to other hours if it comes often.",
    ),
    entry(
        "MIGRATION_IN_PROGRESS",
        "HubSpot is moving the account to another data centre, for up to 24 hours.",
        "Run again later.",
    ),
    entry(
        "UNKNOWN",
        "HubSpot refused the row without a code.",
        "Read the message; mend the row in the source.",
    ),
    entry(
        "ASSOCIATION_TARGET_MISSING",
        "The object that the row is to be linked to is not there; nothing of the row was sent.",
        "Let the sync that makes the other objects run first (`depends_on`); the row is tried again by itself. If the value is \
         wrong, mend it in the source.",
    ),
    entry(
        "INTERNAL_ERROR",
        "HubSpot failed to handle the row.",
        "Nothing at first: the row is tried again. See HubSpot's status page if it stays.",
    ),
];
