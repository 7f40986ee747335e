//! What holds a run before anything is sent. Pure.

use crate::error::{Error, ErrorKind};
use crate::project::{Bound, Guards};
use crate::sync::Allow;

/// The numbers that guards judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Volume {
    pub rows: u64,
    pub added: u64,
    /// New and changed rows that no earlier run was let through with.
    pub changes: u64,
    /// Vanished rows, whatever is done about them.
    pub vanished: u64,
    /// Vanished rows whose objects this run would delete, archive or clear.
    pub deletes: u64,
    /// Keys that the ledger knows before the run: its live entries, and what unsettled batches alone know.
    pub known: u64,
    /// No run has had an answer for all rows yet.
    pub first_load: bool,
    /// The query is another one than when removals were last let through.
    pub query_edited: bool,
    /// Every row counts as changed, as asked.
    pub full_refresh: bool,
}

/// The first guard that holds the run, with its numbers and the flag that lets it through once.
pub fn judge(guards: &Guards, volume: &Volume, allow: &Allow) -> Option<Error> {
    let Volume { rows, added, changes, vanished, deletes, known, .. } = *volume;
    if rows < guards.min_rows && !allow.empty {
        let message = format!("the query gave {rows} rows, but `min_rows` is {}", guards.min_rows);
        return Some(held(
            "OF-RUN-020",
            message,
            "look at the query first; `--allow-empty` lets this run through",
        ));
    }
    if deletes > 0 && volume.query_edited && !allow.deletes {
        let message =
            format!("the query was edited, and {deletes} rows that it no longer gives would be removed");
        let hint = "look at them with `outflow diff`; `--allow-deletes` lets this run through";
        return Some(held("OF-RUN-021", message, hint));
    }
    if let Some(bound) = guards.max_delete.filter(|_| !allow.deletes)
        && deletes > bound.rows_up(known)
    {
        let message = format!("{deletes} of {known} rows would be removed, but `max_delete` is {bound}");
        let hint = "look at them with `outflow diff`; `--allow-deletes` lets this run through";
        return Some(held("OF-RUN-022", message, hint));
    }
    if guards.key_change && !allow.key_change && known > 0 && added * 5 > known && vanished * 5 > known {
        let message = format!(
            "{added} rows are new and {vanished} are gone, of {known}: the key's format may have changed"
        );
        let hint = "compare the key column with an earlier run; `--allow-key-change` lets this run through";
        return Some(held("OF-RUN-023", message, hint));
    }
    let any_change = allow.changes || known == 0 || volume.first_load || volume.full_refresh;
    if let Some(bound) = guards.max_change.filter(|_| !any_change)
        && bound.is_passed(changes, known)
    {
        let message = format!("{changes} of {known} rows are new or changed, but `max_change` is {bound}");
        let hint = "look at them with `outflow diff`; `--allow-changes` lets this run through";
        return Some(held("OF-RUN-024", message, hint));
    }
    None
}

fn held(code: &'static str, message: String, hint: &str) -> Error {
    Error::new(code, ErrorKind::Held, format!("{message}; nothing was sent")).hint(hint)
}

impl Bound {
    /// The bound in rows, rounded up to at least one.
    pub fn rows_up(self, of: u64) -> u64 {
        match self {
            Bound::Rows(rows) => rows,
            Bound::Percent(percent) => ((percent / 100.0 * of as f64).ceil() as u64).max(1),
        }
    }

    /// Whether `count` of `of` is more than the bound.
    pub fn is_passed(self, count: u64, of: u64) -> bool {
        match self {
            Bound::Rows(rows) => count > rows,
            Bound::Percent(percent) => count as f64 > percent / 100.0 * of as f64,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Bound::Rows(rows) => write!(f, "{rows}"),
            Bound::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(guards: Guards, volume: Volume, allow: Allow) -> Option<&'static str> {
        judge(&guards, &volume, &allow).map(|error| error.code)
    }

    const CALM: Volume = Volume {
        rows: 100,
        added: 1,
        changes: 2,
        vanished: 1,
        deletes: 1,
        known: 100,
        first_load: false,
        query_edited: false,
        full_refresh: false,
    };

    #[test]
    fn each_guard_trips_and_has_its_flag() {
        let defaults = Guards::default();
        let on = Allow { changes: true, deletes: true, empty: true, key_change: true, ..Allow::default() };
        let strict = Guards { max_change: Some(Bound::Percent(1.0)), ..defaults };
        for (guards, volume, expected) in [
            (defaults, CALM, None),
            (defaults, Volume { rows: 0, ..CALM }, Some("OF-RUN-020")),
            (defaults, Volume { query_edited: true, ..CALM }, Some("OF-RUN-021")),
            (defaults, Volume { deletes: 10, ..CALM }, None),
            (defaults, Volume { deletes: 11, ..CALM }, Some("OF-RUN-022")),
            (defaults, Volume { known: 3, added: 0, deletes: 1, ..CALM }, None),
            (defaults, Volume { known: 3, added: 0, deletes: 2, ..CALM }, Some("OF-RUN-022")),
            (defaults, Volume { added: 21, vanished: 20, ..CALM }, None),
            (defaults, Volume { added: 21, vanished: 21, ..CALM }, Some("OF-RUN-023")),
            (strict, CALM, Some("OF-RUN-024")),
            (strict, Volume { changes: 1, ..CALM }, None),
            (strict, Volume { known: 0, deletes: 0, ..CALM }, None),
            (strict, Volume { first_load: true, ..CALM }, None),
            (strict, Volume { full_refresh: true, ..CALM }, None),
        ] {
            assert_eq!(code(guards, volume, Allow::default()), expected, "{volume:?}");
            assert_eq!(code(guards, volume, on), None, "{volume:?}");
        }
    }
}
