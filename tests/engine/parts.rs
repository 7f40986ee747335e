//! The accidents of a run from files to files: a part is there whole or not at all, and nothing is written twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tempfile::TempDir;

use super::matrix::{count, each, moments};
use super::points::named;
use crate::support::{Run, outflow_with};

/// What the names of the points begin with that only a run to files passes.
pub const POINTS: &str = "part.";
/// Rows of a part.
const PART: usize = 4;
const FLAGS: [&str; 6] =
    ["sync", "--format", "json", "--allow-changes", "--allow-deletes", "--allow-key-change"];

/// A project that mirrors a file of rows into a folder, before a first run.
pub struct Folder {
    folder: TempDir,
}

impl Folder {
    pub fn new() -> Self {
        let folder = Folder { folder: TempDir::new().unwrap() };
        let project =
            "name: parts\nconnections:\n  lake: {type: files, url: ./in}\n  out: {type: files, url: ./out}\n";
        let mapping = format!(
            "sync: people\nsource:\n  connection: lake\n  file: people.csv\n  primary_key: id\ndestination:\n  \
             connection: out\n  object: people\n  match_on: {{id: id}}\nmode: mirror\nfields: {{name: name, about: about}}\n\
             delivery: {{batch_rows: {PART}}}\n"
        );
        for (name, text) in [("outflow.yml", project), ("mappings/people.yml", &*mapping)] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir(folder.path().join("in")).unwrap();
        folder.write(&(1..=20).map(|id| (id, "v0".to_owned())).collect());
        folder
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn out(&self) -> PathBuf {
        self.path().join("out")
    }

    fn write(&self, rows: &BTreeMap<u32, String>) {
        let mut text = "id,name,about\n".to_owned();
        for (id, name) in rows {
            text += &format!("{id},{name},{}\n", "x".repeat(600));
        }
        fs::write(self.path().join("in/people.csv"), text).unwrap();
    }

    fn rows(&self) -> BTreeMap<u32, String> {
        let text = fs::read_to_string(self.path().join("in/people.csv")).unwrap();
        let row = |line: &str| {
            let mut fields = line.split(',');
            Some((fields.next()?.parse().ok()?, fields.next()?.to_owned()))
        };
        text.lines().skip(1).filter_map(row).collect()
    }

    /// Changes most rows, removes one and adds one.
    pub fn edit(&self) {
        let mut rows = self.rows();
        let (first, last) = (*rows.keys().next().unwrap(), *rows.keys().last().unwrap());
        rows.remove(&first);
        rows.iter_mut().filter(|(id, _)| *id % 5 != 0).for_each(|(_, name)| name.push('+'));
        rows.insert(last + 1, "new".to_owned());
        self.write(&rows);
    }

    pub fn sync(&self, plan: Option<&str>) -> Run {
        let variables: Vec<_> = plan.map(|plan| ("OUTFLOW_REHEARSE", plan)).into_iter().collect();
        outflow_with(self.path(), &FLAGS, &variables)
    }

    /// A clean run makes the folder as the source, then a rerun writes nothing; and no change was ever written twice.
    #[track_caller]
    pub fn assert_made_good(&self, plan: &str) {
        let run = self.sync(None);
        assert_eq!(run.code, 0, "{plan}: {run:#?}");
        assert_eq!(self.held(plan), self.rows(), "{plan}");
        let again = self.sync(None).ends(0).json();
        assert_eq!(again["syncs"][0]["requests"], 0, "{plan}: {again:#}");
    }

    /// What the parts make together, one after another.
    fn held(&self, plan: &str) -> BTreeMap<u32, String> {
        let mut parts: Vec<PathBuf> =
            fs::read_dir(self.out()).unwrap().map(|entry| entry.unwrap().path()).collect();
        // Their names tell the second in which the run began.
        parts.sort_by_key(|part| fs::metadata(part).unwrap().modified().unwrap());
        let (mut held, mut written) = (BTreeMap::new(), BTreeSet::new());
        for part in parts {
            let name = part.file_name().unwrap().to_str().unwrap();
            assert!(!name.starts_with('.'), "{plan}: `{name}` was left behind");
            for line in fs::read_to_string(&part).unwrap().lines() {
                let line: Json = serde_json::from_str(line).unwrap();
                let id = line["id"].as_str().unwrap().parse().unwrap();
                let name = line["name"].as_str().map(str::to_owned);
                assert!(written.insert((id, name.clone())), "{plan}: written twice: {line}");
                match name {
                    Some(name) => held.insert(id, name),
                    None => held.remove(&id),
                };
            }
        }
        held
    }
}

/// The same after a first run and edits.
fn changed() -> Folder {
    let folder = Folder::new();
    folder.sync(None).ends(0);
    folder.edit();
    folder
}

/// The same with parts that a crash left unsettled, one of them begun and without its name.
fn unsettled() -> Folder {
    let folder = changed();
    folder.sync(Some("part.written:2")).ends(-1);
    folder.edit();
    folder
}

#[test]
fn a_run_to_files_that_ends_anywhere_is_made_good_by_the_next() {
    let mut cells = Vec::new();
    for prepare in [changed, unsettled] {
        let folder = prepare();
        let list = folder.path().join("points");
        folder.sync(Some(&format!("list:{}", list.display()))).ends(0);
        for (point, times) in count(&fs::read_to_string(list).unwrap()) {
            // What runs of every kind pass has its accidents elsewhere.
            if [POINTS, "handle.", "recover."].iter().any(|room| point.starts_with(room)) {
                cells.extend(moments(times).into_iter().map(|n| (prepare, point.clone(), n)));
            }
        }
    }
    println!("{} accidents", cells.len());
    let struck: BTreeSet<String> = each(cells, |(prepare, point, n)| {
        let folder = prepare();
        let plan = format!("{point}:{n}");
        // How many parts a crash leaves unsettled, and so how often they are looked at, is a matter of time.
        let run = folder.sync(Some(&plan));
        assert!([0, -1].contains(&run.code), "{plan}: {run:#?}");
        folder.assert_made_good(&plan);
        (run.code == -1).then(|| point.clone())
    })
    .into_iter()
    .flatten()
    .collect();
    let never: Vec<String> =
        named().into_iter().filter(|name| name.starts_with(POINTS) && !struck.contains(name)).collect();
    assert!(never.is_empty(), "no run ended at these points: {never:?}");
}

#[test]
fn a_file_that_breaks_off_or_holds_no_row_removes_nothing() {
    let folder = changed();
    let (source, out) = (folder.path().join("in/people.csv"), folder.out());
    let written = || fs::read_dir(&out).unwrap().count();
    let (whole, before) = (fs::read_to_string(&source).unwrap(), written());
    let half = whole.lines().take(10).collect::<Vec<_>>().join("\n");
    let broken = format!("{half}\n11");
    for (text, code, error) in [
        (&*broken, 1, "OF-SRC-001"),
        ("", 1, "OF-SRC-001"),
        ("id,name,about\n", 4, "OF-RUN-020"),
        ("id,name\n1,x\n", 1, "OF-MAP-010"),
    ] {
        fs::write(&source, text).unwrap();
        let run = folder.sync(None).ends(code).json();
        let failed = if run["error"].is_object() { &run["error"] } else { &run["syncs"][0]["error"] };
        assert_eq!((failed["code"].as_str(), written()), (Some(error), before), "{run:#}");
    }
    fs::write(&source, whole).unwrap();
    folder.assert_made_good("whole again");
}
