//! What an emulated account is declared to have, and where in a file such a declaration is wrong.

use std::path::Path;

use outflow_connectors::sandbox::SandboxConfig;

use super::yaml::{self, Data, Node, Pos};
use crate::error::Location;

/// The file of `outflow sandbox serve --config`; `path` is shown to the user.
///
/// # Errors
/// A sentence, and the place that it is about.
pub fn sandbox_file(path: &Path, text: &str) -> Result<SandboxConfig, (String, Location)> {
    let at = |pos: Pos| Location { file: path.to_owned(), line: pos.line, column: pos.column };
    let file = yaml::parse(text)
        .map_err(|error| (format!("this is not valid YAML: {}", error.message), at(error.pos)))?;
    SandboxConfig::from_json(&file.json()).map_err(|message| {
        // What is wrong in the block of one vendor comes after the vendor's name.
        let inner = message.strip_prefix('`').and_then(|rest| rest.split_once("`: "));
        let inner = inner.and_then(|(vendor, inner)| Some((file.get(vendor)?, inner)));
        let (block, words) = inner.unwrap_or((&file, message.as_str()));
        let location = at(place(block, words));
        (message, location)
    })
}

/// The place that a message about a block names first, as `faults[1].rate`, as deep as the block has it: an unknown key
/// itself, of all else the value.
pub(super) fn place(block: &Node, message: &str) -> Pos {
    let named = message.split('`').nth(1).unwrap_or_default();
    let named = named.split(": ").next().unwrap_or_default();
    let (mut key, mut node) = (block.pos, block);
    for part in named.split(['.', '[']) {
        let Some((pos, inner)) = below(node, part) else { break };
        (key, node) = (pos, inner);
    }
    if message.starts_with("unknown key") { key } else { node.pos }
}

/// One step deeper: by a key, or into a list by `1]`.
fn below<'a>(node: &'a Node, part: &str) -> Option<(Pos, &'a Node)> {
    match (&node.data, part.strip_suffix(']')) {
        (Data::List(items), Some(number)) => {
            let item = items.get(number.parse::<usize>().ok()?)?;
            Some((item.pos, item))
        }
        _ => {
            let (key, inner) = node.entries().iter().find(|(key, _)| key.name == part)?;
            Some((key.pos, inner))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_a_file_is_told_with_its_place() {
        for (text, line, column, words) in [
            ("limits: [\n", 1, 9, "this is not valid YAML: unclosed bracket"),
            ("objects: {}\nfauls: []\n", 2, 1, "unknown key `fauls`; did you mean `faults`?"),
            ("limits: {}\nobjects:\n  contacts: {a: nmber}\n", 3, 17, "unknown type `nmber`"),
            ("limits:\n  requests: 190\n", 2, 13, "must look like `190/10s`"),
            ("faults:\n- {do: hang}\n- {do: hang, rat: 1}\n", 3, 14, "`faults[1].rat`; did you mean `rate`?"),
            ("hubspot:\n  objcts: {}\n", 2, 3, "`hubspot`: unknown key `objcts`; did you mean `objects`?"),
            ("hubspot:\n  limits:\n    daily_calls: -1\n", 3, 18, "`limits.daily_calls` must be"),
        ] {
            let Err((message, at)) = sandbox_file(Path::new("a.yml"), text) else {
                panic!("{text:?} is right")
            };
            assert!(message.contains(words), "{text:?}: {message}");
            assert_eq!((at.line, at.column), (line, column), "{text:?}: {message}");
        }
    }
}
