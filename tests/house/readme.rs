//! The parts of the README that are made, not written: between `<!-- NAME -->` and `<!-- /NAME -->` stands what the
//! program itself says. `OUTFLOW_RECORD=1 cargo test --test outflow readme` writes them anew.

use std::fmt::Write;
use std::fs;

use outflow::report::{connectors, exit};
use outflow_connectors::registry::REGISTRY;

use super::{session, tree};

const MAPPING: &str = "mappings/contacts_to_hubspot.yml";

#[test]
fn readme_holds_what_the_program_says() {
    let path = tree::root().join("README.md");
    let written = fs::read_to_string(&path).unwrap();
    let mapping = fs::read_to_string(tree::root().join(MAPPING)).unwrap();
    let mut made = written.clone();
    for (name, content) in [
        ("connectors", connectors::markdown(&REGISTRY)),
        ("exit codes", exit_codes()),
        ("mapping", format!("```yaml\n{mapping}```\n")),
        ("session", session::recorded(block(&written, "session"))),
    ] {
        made = replaced(&made, name, &content);
    }
    if std::env::var_os("OUTFLOW_RECORD").is_some() {
        fs::write(&path, &made).unwrap();
        return;
    }
    for name in ["connectors", "exit codes", "mapping", "session"] {
        let [old, new] = [&written, &made].map(|text| session::settled(block(text, name)));
        assert_eq!(
            old, new,
            "`OUTFLOW_RECORD=1 cargo test --test outflow readme` writes the {name} of the README anew"
        );
    }
}

fn exit_codes() -> String {
    let mut table = "| code | meaning |\n|---|---|\n".to_owned();
    for (code, meaning) in exit::LIST {
        let _ = writeln!(table, "| {} | {meaning} |", code.code());
    }
    table
}

fn bounds(text: &str, name: &str) -> (usize, usize) {
    let begin = format!("<!-- {name} -->\n");
    let begin = text.find(&begin).unwrap_or_else(|| panic!("the README has no `{begin}`")) + begin.len();
    let end = text.find(&format!("<!-- /{name} -->")).unwrap_or_else(|| panic!("`{name}` has no end"));
    (begin, end)
}

fn block<'a>(text: &'a str, name: &str) -> &'a str {
    let (begin, end) = bounds(text, name);
    &text[begin..end]
}

fn replaced(text: &str, name: &str, content: &str) -> String {
    let (begin, end) = bounds(text, name);
    format!("{}{content}{}", &text[..begin], &text[end..])
}
