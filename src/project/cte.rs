//! Models that refer to others: one query, in which each of the others is a common table expression.

use outflow_connectors::sql::first_word;

/// A model that another refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// As mappings name it: `marts/customers`.
    pub model: String,
    pub sql: String,
}

/// The name that a model has inside the queries of others. It is not the model's own, which may be that of a table it reads.
pub(super) fn name(model: &str) -> String {
    let plain = model.replace('/', "__");
    let plain = plain.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_");
    format!("model__{plain}")
}

/// Puts the parts, in the order in which they need each other, before the query.
pub(super) fn assemble(parts: &[Part], sql: &str) -> String {
    if parts.is_empty() {
        return sql.to_owned();
    }
    let ctes: Vec<String> =
        parts.iter().map(|part| format!("{} as (\n{}\n)", name(&part.model), part.sql)).collect();
    let ctes = ctes.join(",\n");
    match own_clause(sql) {
        Some(Clause { before, recursive, after }) => {
            let recursive = if recursive { "recursive " } else { "" };
            format!("{before}with {recursive}{ctes},\n{after}")
        }
        None => format!("with {ctes}\n{sql}"),
    }
}

/// A query that begins with a `with` of its own.
struct Clause<'a> {
    /// Comments.
    before: &'a str,
    recursive: bool,
    after: &'a str,
}

fn own_clause(sql: &str) -> Option<Clause<'_>> {
    let word = first_word(sql);
    let at = word.as_ptr() as usize - sql.as_ptr() as usize;
    let before = &sql[..at];
    // Inside brackets it is the clause of an inner query.
    if !word.eq_ignore_ascii_case("with") || uncommented(before).contains('(') {
        return None;
    }
    let after = sql[at + word.len()..].trim_start();
    let second = first_word(after);
    match second.eq_ignore_ascii_case("recursive") {
        true => {
            let end = second.as_ptr() as usize - after.as_ptr() as usize + second.len();
            Some(Clause { before, recursive: true, after: after[end..].trim_start() })
        }
        false => Some(Clause { before, recursive: false, after }),
    }
}

fn uncommented(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['-', '/']) {
        plain.push_str(&rest[..at]);
        let comment = &rest[at..];
        rest = if comment.starts_with("--") {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else if comment.starts_with("/*") {
            comment.split_once("*/").map_or("", |(_, after)| after)
        } else {
            &comment[1..]
        };
    }
    plain + rest
}

/// The query without what ends it: a `;`, and comments after it. A text whose quotes do not close is left as it is.
pub(super) fn unended(sql: &str) -> &str {
    let mut end = 0;
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let at = sql.len() - rest.len();
        let after =
            |close: &str, from: usize| rest[from..].find(close).map(|found| from + found + close.len());
        let length = match first {
            '\'' | '"' | '`' => match after(&first.to_string(), 1) {
                Some(length) => length,
                None => return sql.trim_end().trim_end_matches(';').trim_end(),
            },
            '-' if rest.starts_with("--") => {
                rest = &rest[after("\n", 2).unwrap_or(rest.len())..];
                continue;
            }
            '/' if rest.starts_with("/*") => match after("*/", 2) {
                Some(length) => {
                    rest = &rest[length..];
                    continue;
                }
                None => return sql.trim_end().trim_end_matches(';').trim_end(),
            },
            other => other.len_utf8(),
        };
        if first != ';' && !first.is_whitespace() {
            end = at + length;
        }
        rest = &rest[length..];
    }
    let tail = &sql[end..];
    match tail.trim_start().starts_with(';') {
        true => &sql[..end],
        // A comment that nothing ends may stay: what follows stands on a line of its own.
        false => sql.trim_end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_query_is_taken_off() {
        for (sql, unended_) in [
            ("select 1;", "select 1"),
            ("select 1 ; ; -- that is all\n", "select 1"),
            ("select 1 -- why\n", "select 1 -- why"),
            ("select ';' ; /* end */", "select ';'"),
            ("select 'it''s; ' as a", "select 'it''s; ' as a"),
            ("select \"a;\" -- ; no\n from t;", "select \"a;\" -- ; no\n from t"),
            ("select 'open ; -- x", "select 'open ; -- x"),
            ("; -- nothing", ""),
        ] {
            assert_eq!(unended(sql), unended_, "{sql}");
        }
    }

    #[test]
    fn parts_stand_before_the_query_and_its_own_clause() {
        let parts = [
            Part { model: "a".into(), sql: "select 1 as x -- one".into() },
            Part { model: "marts/b".into(), sql: "with y as (select 2) select * from y".into() },
        ];
        let ctes = "model__a as (\nselect 1 as x -- one\n),\nmodel__marts__b as (\nwith y as (select 2) select * from y\n)";
        for (sql, assembled) in [
            ("select * from model__a", format!("with {ctes}\nselect * from model__a")),
            (
                "-- (top)\nWITH z as (select 3) select 4",
                format!("-- (top)\nwith {ctes},\nz as (select 3) select 4"),
            ),
            (
                "with recursive n(i) as (select 1) select i from n",
                format!("with recursive {ctes},\nn(i) as (select 1) select i from n"),
            ),
            ("(with z as (select 3) select 4)", format!("with {ctes}\n(with z as (select 3) select 4)")),
        ] {
            assert_eq!(assemble(&parts, sql), assembled);
        }
        assert_eq!(assemble(&[], "select 1"), "select 1");
        assert_eq!(name("marts/a-b"), "model__marts__a_b");
    }
}
