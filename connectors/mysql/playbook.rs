//! What MySQL's and MariaDB's codes mean.

use crate::registry::{ErrorEntry, entry};

/// For `outflow explain`.
pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "1045",
        "The user or its password is wrong, or the user may not log in from here.",
        "Look at `user`, `password` and `MYSQL_PWD`; on the server, at `select user, host from mysql.user`.",
    ),
    entry("1044", "The user may not use this database.", "`grant select on DATABASE.* to USER`"),
    entry("1142", "The user may not read a table of the query.", "`grant select on DATABASE.TABLE to USER`"),
    entry("1049", "There is no such database.", "Look at `database`."),
    entry("1054", "A column that the query names does not exist.", "Look at the model."),
    entry(
        "1064",
        "The query is no SQL as the server reads it.",
        "Look at the model; `outflow compile MODEL` shows what is sent.",
    ),
    entry(
        "1146",
        "A table that the query names does not exist.",
        "Look whether it was dropped, or write `database.table`.",
    ),
    entry(
        "1792",
        "The query would write.",
        "A source is read in a read-only transaction: write one `select`.",
    ),
    entry(
        "1969",
        "The query took longer than `statement_timeout` (MariaDB).",
        "Make it faster, or raise `statement_timeout`.",
    ),
    entry(
        "3024",
        "The query took longer than `statement_timeout` (MySQL).",
        "Make it faster, or raise `statement_timeout`.",
    ),
    entry(
        "1260",
        "A value of `group_concat` was cut.",
        "Raise `group_concat_max_len` of the server, or make it shorter.",
    ),
    entry(
        "1265",
        "A value was cut while the query computed it.",
        "Look at the model: a cast to a type that is too short, say.",
    ),
    entry(
        "1301",
        "A value was larger than `max_allowed_packet`, and the server gave null in its place.",
        "Raise `max_allowed_packet` of the server, or make the value shorter.",
    ),
    entry("1317", "The query was cancelled.", "Run it again."),
    entry("1040", "The server has no free connection.", "Run it later, or raise `max_connections`."),
];
