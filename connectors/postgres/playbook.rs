//! What PostgreSQL's codes mean (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

use crate::registry::{ErrorEntry, entry};

/// For `outflow explain`.
pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "28P01",
        "The password is wrong.",
        "Look at `user` and `password`, at `PGPASSWORD` and `~/.pgpass`.",
    ),
    entry(
        "28000",
        "The server does not let this role in from here.",
        "Look at the server's `pg_hba.conf`: host, role, database, and whether it demands TLS (`sslmode: require`).",
    ),
    entry("3D000", "There is no such database.", "Look at `database`."),
    entry(
        "42501",
        "The role may not read what the query names.",
        "`grant usage on schema S to ROLE; grant select on all tables in schema S to ROLE;`",
    ),
    entry(
        "42P01",
        "A table that the query names does not exist, or is in a schema that is not searched.",
        "Write it as `schema.table`, and look whether it was dropped or renamed.",
    ),
    entry(
        "42703",
        "A column that the query names does not exist.",
        "Look at the model; the message has line and column.",
    ),
    entry(
        "42601",
        "The query is no SQL as the server reads it.",
        "Look at the model; `outflow compile MODEL` shows what is sent.",
    ),
    entry(
        "25006",
        "The query would write.",
        "A source is read in a read-only transaction: write one `select`.",
    ),
    entry(
        "57014",
        "The query was cancelled: by `statement_timeout`, or by somebody.",
        "Make it faster, or raise `statement_timeout` of the connection.",
    ),
    entry("53300", "The server has no free connection.", "Run it later, or raise `max_connections`."),
    entry(
        "40001",
        "The snapshot could not be kept, as on a standby that replays a vacuum.",
        "Run it again; on a standby raise `max_standby_streaming_delay` or set `hot_standby_feedback`.",
    ),
    entry("57P01", "An administrator ended the connection.", "Run it again."),
    entry("57P03", "The server is starting up or shutting down.", "Run it again when it is up."),
];
