//! Every code that a connector raises is explained, by the connector or, for what the sender of requests finds, by that.
//!
//! A code is raised where a text stands for one: in `.code(..)`, in a field `code: ..`, and as the argument of a function
//! or closure whose parameter is called `code`. Constants stand for their texts. What a vendor's answer brings is not seen.

use std::collections::{BTreeMap, BTreeSet};

use outflow_connectors::http;
use outflow_connectors::registry::REGISTRY;

use super::connectors::folder_of;
use super::tree::{self, File};

#[test]
fn every_code_that_is_raised_is_explained() {
    let files = tree::rust_files(&["connectors"]);
    let contract: BTreeMap<String, String> =
        files.iter().filter(|file| is_in(file, "contract")).flat_map(|file| constants(&file.text)).collect();
    let of = |folder: &str| raised(files.iter().filter(|file| is_in(file, folder)), &contract);
    let shared: BTreeSet<&str> = http::CODES.iter().map(|entry| entry.code).collect();
    let mut missing: Vec<String> = Vec::new();
    let sender = of("http");
    assert!(sender.contains("NO_ANSWER") && sender.contains("SERVER_ERROR"), "{sender:?}");
    missing.extend(unexplained("connectors/http", &sender, &shared));
    for connector in REGISTRY.0 {
        let folder = folder_of(connector.name);
        let mut known = shared.clone();
        known.extend(connector.errors.iter().map(|entry| entry.code));
        missing.extend(unexplained(&format!("connectors/{folder}"), &of(folder), &known));
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

fn unexplained(folder: &str, raised: &BTreeSet<String>, known: &BTreeSet<&str>) -> Vec<String> {
    let missing = raised.iter().filter(|code| !known.contains(code.as_str()));
    missing.map(|code| format!("`{folder}/` raises `{code}`, which its playbook does not explain")).collect()
}

/// Files of a connector that are shipped and not its emulator.
fn is_in(file: &File, folder: &str) -> bool {
    let inside = file.path.strip_prefix(&format!("connectors/{folder}/"));
    inside.is_some_and(|path| {
        !["tests/", "tests.rs", "sandbox/", "sandbox.rs"].iter().any(|part| path.starts_with(part))
    })
}

/// The codes that stand in these files of one connector, some of them by the constants of the contract.
fn raised<'a>(
    files: impl Iterator<Item = &'a File>,
    contract: &BTreeMap<String, String>,
) -> BTreeSet<String> {
    let texts: Vec<String> = files.map(|file| shipped(&file.text)).collect();
    let constants: BTreeMap<String, String> = texts.iter().flat_map(|text| constants(text)).collect();
    let takers: BTreeMap<String, usize> = texts.iter().flat_map(|text| takers(text)).collect();
    let mut codes = BTreeSet::new();
    for text in &texts {
        for place in places(text, &takers) {
            codes.extend(literals(place).map(str::to_owned));
            codes.extend(
                words(place).filter_map(|word| constants.get(word).or_else(|| contract.get(word)).cloned()),
            );
        }
    }
    codes
}

/// Without comments that fill a line, and without what is compiled for tests only.
fn shipped(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// `const NAME: &str = "TEXT";`
fn constants(text: &str) -> Vec<(String, String)> {
    let declared = text.split("const ").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(": &")?;
        let (_, rest) = rest.split_once("str = \"")?;
        let value = rest.split('"').next()?;
        name.chars().all(|c| c.is_ascii_uppercase() || c == '_').then(|| (name.to_owned(), value.to_owned()))
    });
    declared.collect()
}

/// Functions and closures with a parameter `code`, and its place among the arguments.
fn takers(text: &str) -> Vec<(String, usize)> {
    let place = |parameters: &str| {
        let names = split(parameters).into_iter().map(|p| p.split(':').next().unwrap_or_default().trim());
        names.filter(|name| !name.ends_with("self")).position(|name| name == "code")
    };
    let functions = text.split("fn ").skip(1).filter_map(|rest| {
        let (name, parameters) = rest.split_once('(')?;
        Some((name.split('<').next()?.to_owned(), place(inside(parameters))?))
    });
    let closures = text.split("let ").skip(1).filter_map(|rest| {
        let (name, parameters) = rest.split_once(" = |")?;
        let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        Some((name.to_owned(), place(parameters.split('|').next()?)?)).filter(|_| is_name)
    });
    functions.chain(closures).collect()
}

/// Where a code is expected: the expressions themselves.
fn places<'a>(text: &'a str, takers: &BTreeMap<String, usize>) -> Vec<&'a str> {
    let mut places = Vec::new();
    let calls = text.match_indices(".code(").map(|(at, found)| at + found.len());
    places.extend(calls.map(|start| inside(&text[start..])));
    for (at, found) in text.match_indices("code: ") {
        let is_word = text[..at].ends_with(|c: char| c.is_whitespace() || c == '{' || c == '(');
        let value = split(inside(&text[at + found.len()..])).first().copied().unwrap_or_default();
        // A type, in a declaration, is no value.
        if is_word && !value.trim_start().starts_with('&') {
            places.push(value);
        }
    }
    for (name, place) in takers {
        for (at, found) in text.match_indices(&format!("{name}(")) {
            let is_word = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let is_declared = text[..at].ends_with("fn ");
            if !is_word && !is_declared {
                let arguments = split(inside(&text[at + found.len()..]));
                places.extend(arguments.get(*place));
            }
        }
    }
    places
}

/// Up to the bracket that ends what has begun.
fn inside(text: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return &text[..at],
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    text
}

/// At the commas that stand in no brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The texts of an expression that can be codes: one word.
fn literals(expression: &str) -> impl Iterator<Item = &str> {
    let quoted = expression.split('"').skip(1).step_by(2);
    quoted.filter(|text| {
        text.len() > 2
            && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-".contains(c))
    })
}

fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

#[test]
fn codes_are_seen_wherever_they_are_raised() {
    let file = |text: &str| File { path: "connectors/x/errors.rs".into(), text: text.into() };
    let files = [
        file(
            "const EMPTY: &str = \"KEY_EMPTY\";\nfn refused(code: &str, message: &str) -> Outcome { Outcome::Rejected { code: code.to_owned(), message } }",
        ),
        file(
            "fn judge() { error.code(\"GONE_AWAY\"); Outcome::Rejected { code: \"TOO_LONG\".to_owned(), field } }\n// .code(\"NEVER\")",
        ),
        file(
            "fn f() { refused(EMPTY, \"NOT, THIS\"); let error = |kind, code: &str| new(kind).code(code); error(Kind::Auth, \"LOCKED_OUT\"); Outcome::Rejected { code: Outcome::NOT_THERE.to_owned() } }",
        ),
        file(
            "fn g(code: Option<String>) { e.code(code.unwrap_or_else(|| \"NO_REASON\".to_owned())); if said == \"VENDOR_WORD\" {} }\n#[cfg(test)]\nmod tests { fn h() { e.code(\"IN_TESTS\") } }",
        ),
    ];
    let contract = BTreeMap::from([("NOT_THERE".to_owned(), "OBJECT_NOT_FOUND".to_owned())]);
    let codes = raised(files.iter(), &contract);
    let seen: Vec<&str> = codes.iter().map(String::as_str).collect();
    assert_eq!(seen, ["GONE_AWAY", "KEY_EMPTY", "LOCKED_OUT", "NO_REASON", "OBJECT_NOT_FOUND", "TOO_LONG"]);
    let known = BTreeSet::from(["KEY_EMPTY", "LOCKED_OUT", "NO_REASON", "OBJECT_NOT_FOUND", "TOO_LONG"]);
    let missing = unexplained("connectors/x", &codes, &known);
    assert_eq!(missing, ["`connectors/x/` raises `GONE_AWAY`, which its playbook does not explain"]);
}
