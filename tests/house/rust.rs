//! Just enough of Rust's grammar to see which paths a file names.

/// The code without comments and without the content of literals; lines stay where they are.
pub fn code(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while let Some(next) = rest.chars().next() {
        let skipped = skipped(rest, code.chars().next_back());
        if skipped == 0 {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            code.push(' ');
            code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            rest = &rest[skipped..];
        }
    }
    code
}

/// Bytes of the comment or literal that begins here; 0 if none does.
fn skipped(rest: &str, before: Option<char>) -> usize {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if rest.starts_with('"') {
        quoted(rest, '"')
    } else if !in_word && rest.starts_with('r') {
        raw_string(rest)
    } else if rest.starts_with('\'') {
        char_literal(rest)
    } else {
        0
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> usize {
    let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
    if !rest[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    rest[2 + hashes..].find(&end).map_or(rest.len(), |at| 2 + hashes + at + end.len())
}

/// A lifetime has no closing quote: `'a` is 0, `'a'` and `'\n'` are literals.
fn char_literal(rest: &str) -> usize {
    let mut inside = rest[1..].chars();
    match (inside.next(), inside.next()) {
        (Some('\\'), _) => quoted(rest, '\''),
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

/// Every path that begins with `crate::`, without `crate` itself and with groups taken apart, and its line.
pub fn crate_paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let Some(rest) = code[at + "crate".len()..].trim_start().strip_prefix("::") else { continue };
        let line = code[..at].matches('\n').count() + 1;
        let mut found = Vec::new();
        path(rest, &mut Vec::new(), &mut found);
        paths.extend(found.into_iter().map(|path| (line, path)));
    }
    paths
}

/// Reads one path or group, and returns what stands behind it.
fn path<'a>(text: &'a str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let length = prefix.len();
            let after = path(rest, prefix, found);
            prefix.truncate(length);
            let after = after.trim_start();
            let after = match after.strip_prefix("as ") {
                Some(renamed) => renamed.trim_start_matches(|c: char| c != ',' && c != '}'),
                None => after,
            };
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None if after.starts_with('}') => rest = after,
                None => return after,
            }
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(text.len());
    if end == 0 {
        return text;
    }
    prefix.push(text[..end].to_owned());
    let after = &text[end..];
    match after.trim_start().strip_prefix("::") {
        Some(deeper) if !deeper.trim_start().starts_with('<') => path(deeper, prefix, found),
        _ => {
            found.push(prefix.clone());
            after
        }
    }
}

#[test]
fn comments_and_literals_are_not_code() {
    let text =
        "a(\"crate::x \\\" \"); // crate::y\n/* crate::z /* */ */ b('\"', r#\"crate::w\"\"#, '\\'', &'a c)";
    assert_eq!(code(text), "a( );  \n  b( ,  ,  , &'a c)");
}

#[test]
fn groups_are_taken_apart() {
    let code = "use crate::{error::Error, sync::{event, plan as p}};\nlet x = crate::ledger::open::<T>(); $crate::y!()";
    let found: Vec<String> =
        crate_paths(code).iter().map(|(line, path)| format!("{line}:{}", path.join("::"))).collect();
    assert_eq!(found, ["1:error::Error", "1:sync::event", "1:sync::plan", "2:ledger::open", "2:y"]);
}
