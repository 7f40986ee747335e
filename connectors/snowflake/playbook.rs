//! What `outflow explain` says of Snowflake's codes.

use crate::registry::{ErrorEntry, entry};

const ANOTHER_HOUR: &str = "Run again. A query that takes about an hour needs a larger warehouse, or a table that is made beforehand.";

pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "000008",
        "The query has more than one statement.",
        "Keep one `select`; parts of it can stand in `with`.",
    ),
    entry(
        "000603",
        "Snowflake failed by an internal error.",
        "Run again; if it stays, give the query id to its support.",
    ),
    entry(
        "000604",
        "The query was cancelled: by somebody, by outflow when its run was stopped, or by a limit of the account.",
        "Run again; `query_history` tells who cancelled it.",
    ),
    entry(
        "000605",
        "The query was stopped, as its warehouse was suspended or could not be resumed.",
        "Resume the warehouse, or let it resume by itself: `alter warehouse NAME set auto_resume = true`.",
    ),
    entry(
        "000606",
        "The session has no active warehouse: none is set, or the role may not use it.",
        "Set `warehouse` and `grant usage on warehouse NAME to role ROLE`.",
    ),
    entry(
        "000630",
        "The query ran longer than the statement timeout of the connection, the warehouse or the account.",
        "Make it faster, use a larger warehouse, or raise `statement_timeout`.",
    ),
    entry(
        "000904",
        "The query names a column that does not exist.",
        "Check the name; one in double quotes is case-sensitive.",
    ),
    entry(
        "001003",
        "The query is not valid SQL for Snowflake.",
        "Try it in a worksheet; the message names line and place.",
    ),
    entry(
        "002003",
        "The query names an object that does not exist, or that the role may not see.",
        "Check the name, `database` and `schema`, and what is granted to the role.",
    ),
    entry(
        "002025",
        "Two columns of the query have the same name.",
        "Name one differently with `as`, and avoid `select *` in joins.",
    ),
    entry(
        "002043",
        "The query names a database, schema or object that does not exist, or that the role may not use.",
        "Check the name, `database` and `schema`, and what is granted to the role.",
    ),
    entry(
        "003001",
        "The role lacks a privilege that the query needs.",
        "Grant what the message names, or set another `role`.",
    ),
    entry(
        "090073",
        "The warehouse cannot run: its resource monitor has used up its quota.",
        "Raise the quota, wait for the monitor's next interval, or use another `warehouse`.",
    ),
    entry(
        "090105",
        "The session has no current database.",
        "Set `database`, or write names as `database.schema.table`.",
    ),
    entry("090106", "The session has no current schema.", "Set `schema`, or write names as `schema.table`."),
    entry(
        "390100",
        "Snowflake knows no such user, or the password is wrong.",
        "Check `user` and `password`, or use a key pair.",
    ),
    entry(
        "390101",
        "The user is disabled.",
        "An administrator can enable it: `alter user U set disabled = false`.",
    ),
    entry(
        "390102",
        "The user is locked for a while, after too many failed logins.",
        "Wait fifteen minutes, or `alter user U set mins_to_unlock = 0`; then mend the credential.",
    ),
    entry("390104", "The session is over.", ANOTHER_HOUR),
    entry("390110", "The session is over.", ANOTHER_HOUR),
    entry("390111", "The session is over.", ANOTHER_HOUR),
    entry("390112", "The session's hour was over before the query was.", ANOTHER_HOUR),
    entry("390114", "The login's time was over before the query was.", ANOTHER_HOUR),
    entry(
        "390144",
        "Snowflake does not accept the token that the private key signed.",
        "Compare the key's fingerprint with `desc user U`, and check `user`, `account` and this machine's clock.",
    ),
    entry(
        "390189",
        "The role does not exist, or is not granted to the user.",
        "`grant role R to user U`, or set another `role`.",
    ),
    entry("390195", "The session's token is no longer valid.", ANOTHER_HOUR),
    entry(
        "390303",
        "Snowflake does not accept the OAuth token.",
        "Check `token`; one made for programs needs `token_type: programmatic`.",
    ),
    entry(
        "390318",
        "The OAuth token has expired.",
        "Put a fresh one into `token`; outflow does not renew it.",
    ),
    entry(
        "390422",
        "A network policy keeps this machine out.",
        "Add its address to the network policy of the account or of the user.",
    ),
    entry(
        "LOGIN_REFUSED",
        "Snowflake refused the login for a reason that outflow has no advice on.",
        "Read its message; `information_schema.login_history()` says more.",
    ),
];
