//! `new-connector`: a copy of `connectors/template/` under another name, with everything that belongs to a connector.

use std::fs;
use std::path::{Path, PathBuf};

use crate::names::Names;

/// What of the template stands elsewhere in a connector of its own: from, to.
const ELSEWHERE: [(&str, &str); 4] = [
    ("connectors/template/stubs/run.yml", "fixtures/runs/template.yml"),
    ("connectors/template/stubs/guide.md", "docs/guides/template.md"),
    ("connectors/template/stubs/mapping.yml", "mappings/people_to_template.yml"),
    ("fixtures/http/template/partly-refused.json", "fixtures/http/template/partly-refused.json"),
];

const FOLDER: &str = "connectors/template";

/// Of the connection in the project of the quickstart.
const CONNECTION: &str = "
  # Template's emulator; for an account of your own take `base_url` out.
  template:
    type: template
    base_url: sandbox
    api_key: \"${TEMPLATE_API_KEY:-sandbox}\"
";

const REMAINS: &str = "\
1. connectors/template/config.rs      the vendor's address, its settings and its credentials
2. connectors/template/encode.rs      changes in the vendor's words; bounds of a request
3. connectors/template/errors.rs      what the vendor's answers mean; codes go into playbook.rs
   connectors/template/answers.rs     what an answer says of each row; nothing unproven is applied
4. connectors/template/client.rs      the calls
5. connectors/template/connector.rs   what can be done, at which rate; mistakes in a mapping
6. connectors/template/sandbox/       the emulator, written from the vendor's documents and not from the client
7. fixtures/http/template/            recorded or documented answers, one file for each case
   fixtures/runs/template.yml         what the run of every destination needs to know
   fixtures/clients/template.py       the vendor's own client, if there is one (or template.mjs)
8. docs/guides/template.md            the guide; mappings/people_to_template.yml and outflow.yml: the example
9. CHANGELOG.md                       its line; README.md: `OUTFLOW_RECORD=1 cargo test --test outflow readme`

`cargo xtask quick template` while you write, `cargo xtask gate` before you send it.";

/// Makes the connector, and says what remains to be done.
///
/// # Errors
/// A sentence for a name that cannot be used or is taken; nothing is changed then. Else what could not be written.
pub fn create(root: &Path, name: &str, title: &str) -> Result<String, String> {
    let names = Names::new(name, title)?;
    let mut made = Vec::new();
    for from in files(&root.join(FOLDER))? {
        let inside = from.strip_prefix(root).unwrap_or(&from).to_owned();
        if !inside.starts_with(Path::new(FOLDER).join("stubs")) {
            made.push((inside.clone(), inside));
        }
    }
    made.extend(ELSEWHERE.map(|(from, to)| (PathBuf::from(from), PathBuf::from(to))));
    let mut written = Vec::new();
    for (from, to) in made {
        let to = PathBuf::from(names.put_into(&to.to_string_lossy()));
        if root.join(&to).exists() {
            return Err(format!("`{}` is there already: take another name", to.display()));
        }
        written.push((to, names.put_into(&read(root, &from)?)));
    }
    let connection = names.put_into(CONNECTION);
    let line = names.put_into("- Destination: Template people, by batch upsert and delete.\n");
    type Change<'a> = (&'a str, Box<dyn Fn(&str) -> Option<String> + 'a>);
    let changes: [Change<'_>; 4] = [
        ("connectors/lib.rs", Box::new(|text| with_module(text, name))),
        ("connectors/registry.rs", Box::new(|text| with_entry(text, name))),
        ("outflow.yml", Box::new(|text| with_connection(text, &connection))),
        ("CHANGELOG.md", Box::new(|text| with_line(text, &line))),
    ];
    for (path, change) in changes {
        let text = read(root, Path::new(path))?;
        let changed = change(&text).ok_or_else(|| format!("`{path}` has no place for a new connector"))?;
        written.push((PathBuf::from(path), changed));
    }
    for (path, text) in written {
        write(root, &path, &text)?;
    }
    Ok(names.put_into(REMAINS))
}

/// All files below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let told = |error: std::io::Error| format!("`{}` cannot be read: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    found.sort();
    Ok(found)
}

fn read(root: &Path, path: &Path) -> Result<String, String> {
    fs::read_to_string(root.join(path))
        .map_err(|error| format!("`{}` cannot be read: {error}", path.display()))
}

fn write(root: &Path, path: &Path, text: &str) -> Result<(), String> {
    let target = root.join(path);
    let folder = target.parent().unwrap_or(root);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&target, text))
        .map_err(|error| format!("`{}` cannot be written: {error}", path.display()))
}

/// A public module in its place of the alphabet; one before it keeps the attributes that stand over it.
fn with_module(text: &str, name: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let of = |line: &str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
    let later = lines.iter().position(|line| of(line).is_some_and(|other| *other > *name));
    let mut at = match later {
        Some(at) => at,
        None => lines.iter().rposition(|line| of(line).is_some())? + 1,
    };
    while at > 0 && (lines[at - 1].starts_with("#[") || lines[at - 1].starts_with("///")) {
        at -= 1;
    }
    let module = format!("pub mod {name};");
    lines.insert(at, &module);
    Some(lines.join("\n") + "\n")
}

/// A line of the registry, before the template's.
fn with_entry(text: &str, name: &str) -> Option<String> {
    let template = "    #[cfg(test)]\n    crate::template::CONNECTOR,\n";
    let (before, after) = text.split_once(template)?;
    Some(format!("{before}    crate::{name}::CONNECTOR,\n{template}{after}"))
}

/// A connection behind the others.
fn with_connection(text: &str, connection: &str) -> Option<String> {
    let start = text.find("\nconnections:\n")? + "\nconnections:\n".len();
    let next = text[start..].match_indices('\n').map(|(at, _)| start + at + 1);
    let is_other = |at: &usize| text[*at..].starts_with(|c: char| !c.is_whitespace());
    let end = next.filter(is_other).min().unwrap_or(text.len());
    Some(format!("{}{connection}{}", &text[..end], &text[end..]))
}

/// A line of the changes, behind those of other destinations.
fn with_line(text: &str, line: &str) -> Option<String> {
    let start = text.find("### Added\n\n")? + "### Added\n\n".len();
    let end = text[start..].find("\n\n").map_or(text.len(), |at| start + at + 1);
    let is_destination = |at: &usize| text[*at..].starts_with("- Destination");
    let starts = text[start..end].match_indices("\n- ").map(|(at, _)| start + at + 1);
    let mut starts = std::iter::once(start).chain(starts).skip_while(|at| !is_destination(at));
    let at = starts.find(|at| !is_destination(at)).unwrap_or(start);
    Some(format!("{}{line}{}", &text[..at], &text[at..]))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A copy of all that `create` reads.
    fn project() -> TempDir {
        let root = crate::root();
        let copy = TempDir::new().unwrap();
        let mut paths = files(&root.join(FOLDER)).unwrap();
        paths.extend(
            ["connectors/lib.rs", "connectors/registry.rs", "outflow.yml", "CHANGELOG.md"]
                .map(|path| root.join(path)),
        );
        paths.extend(ELSEWHERE.map(|(from, _)| root.join(from)));
        for path in paths {
            let inside = path.strip_prefix(&root).unwrap();
            write(copy.path(), inside, &fs::read_to_string(&path).unwrap()).unwrap();
        }
        copy
    }

    #[test]
    fn a_connector_is_made_whole_under_its_own_name() {
        let project = project();
        let before = files(project.path()).unwrap();
        let left = create(project.path(), "mail_shop", "Mail Shop").unwrap();
        let made: Vec<PathBuf> =
            files(project.path()).unwrap().into_iter().filter(|path| !before.contains(path)).collect();
        assert!(made.len() >= 15, "{made:?}");
        for path in &made {
            let inside = path.strip_prefix(project.path()).unwrap().display().to_string();
            let text = fs::read_to_string(path).unwrap();
            assert!(inside.contains("mail_shop"), "{inside}");
            assert!(!format!("{inside} {text}").to_lowercase().contains("template"), "{inside}:\n{text}");
        }
        let lines = |path: &str| fs::read_to_string(project.path().join(path)).unwrap();
        for path in
            ["fixtures/runs/mail_shop.yml", "docs/guides/mail_shop.md", "mappings/people_to_mail_shop.yml"]
        {
            assert!(left.contains(path), "{left}");
            assert!(!lines(path).is_empty());
        }
        assert!(lines("connectors/lib.rs").contains("\npub mod mail_shop;\n"));
        assert!(lines("connectors/registry.rs").contains("\n    crate::mail_shop::CONNECTOR,\n"));
        assert!(lines("outflow.yml").contains("\n  mail_shop:\n    type: mail_shop\n"));
        assert!(lines("CHANGELOG.md").contains("\n- Destination: Mail Shop people"));
        assert!(lines("connectors/mail_shop/mod.rs").contains("title: \"Mail Shop\""));

        let all = |project: &TempDir| -> Vec<String> {
            files(project.path()).unwrap().iter().map(|path| fs::read_to_string(path).unwrap()).collect()
        };
        let kept = all(&project);
        let again = create(project.path(), "mail_shop", "Mail Shop").unwrap_err();
        assert!(again.contains("is there already"), "{again}");
        assert_eq!(kept, all(&project), "a refusal changes nothing");
    }

    #[test]
    fn lines_stand_where_they_belong() {
        let modules =
            "#[cfg(test)]\npub mod conformance;\npub mod http;\n/// To copy.\n#[cfg(test)]\nmod template;\n";
        let with = |name| with_module(modules, name).unwrap();
        assert_eq!(with("brevo"), modules.replacen("#[cfg", "pub mod brevo;\n#[cfg", 1));
        assert_eq!(with("zulu"), modules.replace("http;\n", "http;\npub mod zulu;\n"));
        let changes = "### Added\n\n- Sources: a.\n- Destination: b,\n  c.\n- Destinations: d.\n- e.\n\n### Fixed\n\n- f.\n";
        let changed = with_line(changes, "- Destination: new.\n").unwrap();
        assert_eq!(changed, changes.replace("- e.", "- Destination: new.\n- e."));
        let project = "name: x\nconnections:\n  a: {type: sqlite}\ntargets: {}\n";
        let changed = with_connection(project, "\n  b: {}\n").unwrap();
        assert_eq!(changed, "name: x\nconnections:\n  a: {type: sqlite}\n\n  b: {}\ntargets: {}\n");
    }
}
