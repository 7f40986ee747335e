//! Error codes of the engine, for `outflow explain`.

use outflow_connectors::registry::{ErrorEntry, entry};

/// Every code raised in this room, in `error` and in the mapping checks.
pub const CODES: &[ErrorEntry] = &[
    entry(
        "OF-RUN-001",
        "A connection is used as something it is not: a source as a destination, or the reverse.",
        "Name another connection, or look at `outflow connectors`.",
    ),
    entry(
        "OF-RUN-002",
        "A data test names a column that the query does not give.",
        "Correct the name in `tests`, or add the column to the query.",
    ),
    entry(
        "OF-RUN-003",
        "The mapping asks for something this destination cannot do.",
        "Look at `outflow connectors NAME` for modes and removals it supports.",
    ),
    entry(
        "OF-RUN-010",
        "A data test failed; nothing was sent.",
        "Mend the model or its data, or change the test.",
    ),
    entry(
        "OF-RUN-011",
        "The ledger belongs to another account, object, list, label of aliases, match key or target; sending on would mix two destinations.",
        "`outflow ledger forget SYNC` starts over; or run once with `--accept-new-destination` if the new one holds the same objects under the same ids.",
    ),
    entry(
        "OF-RUN-012",
        "The ledger is missing although the sync has run before; an insert, mirror or audience could duplicate or miss objects.",
        "Restore `.outflow/ledger` from a backup or cache, or run once with `--first-run`.",
    ),
    entry(
        "OF-RUN-013",
        "Rows share a key or a destination key; nothing was sent.",
        "Make the key unique in the query, or set `on_duplicate_key`.",
    ),
    entry(
        "OF-RUN-014",
        "The query gives more than 4,294,967,294 rows, the most that one extract can hold.",
        "Split it into several syncs, each with a part of the keys.",
    ),
    entry(
        "OF-RUN-018",
        "The mapping's `window` is closed, or closed while there was more to send.",
        "Run it inside of the window; `--allow-any-time` lets one run send at any time.",
    ),
    entry(
        "OF-RUN-017",
        "The `lag` of a cursor is of another kind than the values of its column.",
        "Write a length of time, as in `lag: 1h`, for a column of times, and a number for a column of numbers.",
    ),
    entry(
        "OF-RUN-016",
        "The column of a cursor holds values that have no order to read by.",
        "Take a column of times, of whole numbers, or of texts that sort as times do; or cast it in the query.",
    ),
    entry(
        "OF-RUN-015",
        "The match key was the primary key and is another column now; with `ledger: {keep: hashes}` nothing tells which objects the rows had.",
        "Change the match key back, start over with `outflow ledger forget`, or go on with `--accept-new-destination`.",
    ),
    entry(
        "OF-RUN-020",
        "The query gave fewer rows than `min_rows`; an empty source often means a broken upstream.",
        "Look at the query; `--allow-empty` lets one run through.",
    ),
    entry(
        "OF-RUN-021",
        "The query was edited and rows would be removed because of it.",
        "Look at `outflow diff`; `--allow-deletes` lets one run through.",
    ),
    entry(
        "OF-RUN-022",
        "More rows would be removed than `max_delete` allows.",
        "Look at `outflow diff`; `--allow-deletes` lets one run through.",
    ),
    entry(
        "OF-RUN-023",
        "Many keys are new and many are gone at once: the key's format may have changed.",
        "Compare the key column with an earlier run; `--allow-key-change` lets one run through.",
    ),
    entry(
        "OF-RUN-024",
        "More rows are new or changed than `max_change` allows.",
        "Look at `outflow diff`; `--allow-changes` lets one run through.",
    ),
    entry(
        "OF-RUN-025",
        "More rows were refused than `max_rejected` allows, so the run stopped.",
        "Look at `outflow errors SYNC`; what was not sent goes in the next run.",
    ),
    entry(
        "OF-RUN-030",
        "A row's match key changed, and the mapping says `on_match_change: hold`.",
        "Set `on_match_change: update` or `replace`, or correct the row.",
    ),
    entry(
        "OF-RUN-031",
        "A row's match key changed, and the object's id is not known, so it cannot be updated.",
        "Set `on_match_change: replace`, or keep `ledger: {keep: fields}`.",
    ),
    entry(
        "OF-RUN-032",
        "Rows exchange their match keys, so that none can go first.",
        "Give one of them another value for one run.",
    ),
    entry(
        "OF-RUN-033",
        "The answer to a create was lost and the destination cannot tell whether it happened.",
        "Look in the destination, then say what you found: `outflow resolve SYNC --key K --applied` or `--not-applied`. The row \
         is not sent again blindly.",
    ),
    entry(
        "OF-RUN-040",
        "The run was interrupted.",
        "Run it again: what was acknowledged is kept, the rest is sent.",
    ),
    entry(
        "OF-RUN-050",
        "A backfill is under way that sends other rows, or another mapping of them, than the one asked for now.",
        "Finish it with what it began with, or begin anew with `--restart`.",
    ),
    entry(
        "OF-RUN-051",
        "What the ledger says of a backfill under way cannot be read.",
        "Begin anew with `--restart`.",
    ),
    entry(
        "OF-RUN-053",
        "`--where` was given for a sync that reads files, which take no SQL.",
        "Leave `--where` out, or name other files in the mapping.",
    ),
    entry(
        "OF-RUN-052",
        "The mapping or the destination of a sync was changed by a run while it was backfilled.",
        "Run the backfill again with `--restart`; what was acknowledged is kept.",
    ),
    entry(
        "OF-ROW-030",
        "A row's match key is null or empty, so the destination cannot tell which object it is.",
        "Fill the column in the query, or leave such rows out with a `where`.",
    ),
    entry(
        "OF-ROW-031",
        "A field is null and the mapping says `on_null: error`.",
        "Fill the column in the query, or use `on_null: clear` or `skip`.",
    ),
    entry(
        "OF-ROW-032",
        "Another row has the same key or the same destination key.",
        "Make the key unique in the query, or set `on_duplicate_key: first | last`.",
    ),
    entry(
        "OF-MAP-001",
        "The destination has no field of this name.",
        "Correct the name, or make the field in the destination; `outflow fields` lists them.",
    ),
    entry(
        "OF-MAP-002",
        "The destination does not let this field be written.",
        "Leave it out of the mapping.",
    ),
    entry(
        "OF-MAP-003",
        "The destination requires a field that the mapping does not send.",
        "Add it under `fields`.",
    ),
    entry(
        "OF-MAP-004",
        "The match key is a field whose values are not unique in the destination.",
        "Match on a unique field; `outflow fields` shows which are.",
    ),
    entry(
        "OF-MAP-005",
        "The mapping gives a field another type than the destination has.",
        "Leave `type` out, or use the destination's.",
    ),
    entry(
        "OF-MAP-006",
        "A field that is missing in the destination cannot be created by `create_missing_properties`.",
        "Create it in the destination yourself, or give the field a type and a name that can be created.",
    ),
    entry(
        "OF-MAP-007",
        "A run would create a field in the destination, as `create_missing_properties` asks.",
        "Nothing, if that is meant; else correct the field's name or type.",
    ),
    entry(
        "OF-MAP-010",
        "The mapping names a column that the query does not give.",
        "Correct the name, or add the column to the query.",
    ),
    entry(
        "OF-MAP-011",
        "A field's template cannot be read.",
        "Correct the Jinja syntax; the message says where.",
    ),
    entry(
        "OF-MAP-012",
        "A field's constant cannot be converted to the field's type.",
        "Change the value or the type.",
    ),
    entry("OF-MAP-013", "There is no time zone of this name.", "Use an IANA name such as `Europe/Berlin`."),
    entry(
        "OF-DST-001",
        "The destination's settings or the object are wrong.",
        "Correct the connection or the mapping as the message says.",
    ),
    entry(
        "OF-DST-002",
        "The destination refused the credentials or a permission is missing.",
        "Check the token and its scopes; outflow does not try bad credentials twice.",
    ),
    entry(
        "OF-DST-003",
        "The destination limits the rate and did not let the request through in time.",
        "Lower `limits.requests`, or run it later.",
    ),
    entry(
        "OF-DST-004",
        "A quota is used up; the rest goes in another run.",
        "Run it again when the quota has been renewed, or lower the share others use.",
    ),
    entry(
        "OF-DST-005",
        "The destination cannot be reached or answers with failures.",
        "Check `base_url`, the network and the vendor's status page, then run it again.",
    ),
    entry(
        "OF-DST-006",
        "The destination refused a whole request.",
        "The message is the destination's own; `outflow errors SYNC` has the rows.",
    ),
    entry(
        "OF-DST-007",
        "The answer to a request was lost; nobody knows whether it had an effect.",
        "Run it again: the rows are marked and their current records are sent.",
    ),
    entry(
        "OF-SRC-001",
        "The warehouse refused the query or the connection's settings.",
        "The message is the warehouse's own; correct the model or the connection.",
    ),
    entry(
        "OF-SRC-002",
        "The warehouse refused the credentials.",
        "Check the connection's user and password or key.",
    ),
    entry(
        "OF-SRC-003",
        "The warehouse cannot be reached or is busy.",
        "Check that it is up and not locked, then run it again.",
    ),
    entry(
        "OF-SRC-004",
        "The warehouse announced another number of rows than it gave; nothing was sent.",
        "Run it again; report it to the warehouse's operators if it stays.",
    ),
    entry(
        "OF-SRC-005",
        "What reading the query costs at the warehouse, as it estimates it.",
        "Name only the columns that are mapped, filter by the partition, or set `maximum_bytes_billed` on the connection.",
    ),
    entry(
        "OF-STA-020",
        "The spool file of a run cannot be written or read.",
        "Free disk space under the state folder, or check its permissions.",
    ),
    entry(
        "OF-STA-021",
        "The changes of one run need more disk space than `spool_max` in outflow.yml allows; nothing was sent.",
        "Raise `spool_max`, or send the rows in parts with a narrower query.",
    ),
    entry("OF-CFG-090", "A connection's `sandbox:` block is wrong.", "Correct it as the message says."),
    entry(
        "OF-INT-001",
        "Something that cannot happen did: a defect of outflow.",
        "Please report it with the command and the message; nothing acknowledged was lost.",
    ),
    entry(
        "OF-INT-002",
        "outflow ended in a defect.",
        "Please report it with the command and the message; nothing acknowledged was lost.",
    ),
];
