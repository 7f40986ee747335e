//! Files that a run writes, as other software reads them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::outflow;

/// Reads all parts by Python's own csv, gzip and json: one JSON list a row. A part above the limit, or without its header, ends it.
const READER: &str = r#"
import csv, glob, gzip, hashlib, io, json, os, sys
folder, limit = sys.argv[1], int(sys.argv[2])
rows = []
manifests = [json.load(open(name)) for name in glob.glob(folder + "/*.manifest.json")]
listed = {part["name"]: part for manifest in manifests for part in manifest["parts"]}
for name in sorted(glob.glob(folder + "/*.gz")):
    packed = open(name, "rb").read()
    assert len(packed) <= limit, (name, len(packed))
    part = listed.pop(os.path.basename(name))
    assert part["sha256"] == hashlib.sha256(packed).hexdigest() and part["bytes"] == len(packed), name
    found = list(csv.reader(io.StringIO(gzip.decompress(packed).decode("utf-8"), newline="")))
    assert found[0] == ["_op", "id", "about", "email"], found[0]
    assert part["rows"] == len(found) - 1 > 0, (name, part["rows"])
    rows += found[1:]
assert not listed, listed
json.dump(rows, sys.stdout)
"#;

const ROWS: usize = 3_000;

fn about(id: usize) -> String {
    let nasty =
        ["plain", "a,b", "say \"so\"", "two\nlines", " spaces ", "日本語 😀", "", "'=1+1", "\\N", "a\r\nb"];
    nasty[id % nasty.len()].repeat(1 + id % 7)
}

fn project(options: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mapping = format!(
        "sync: list\nsource: {{connection: warehouse, table: people, primary_key: id}}\ndestination:\n  connection: drop\n  \
        object: people\n  match_on: {{id: id}}\n{options}fields: {{about: about, email: email}}\n"
    );
    let outflow = "name: written\nconnections:\n  warehouse: {type: sqlite, path: w.db}\n  drop: {type: files, url: ./out}\n";
    fs::create_dir(folder.path().join("mappings")).unwrap();
    for (name, text) in [("outflow.yml", outflow), ("mappings/list.yml", &mapping)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut warehouse = Connection::open(folder.path().join("w.db")).unwrap();
    warehouse.execute_batch("create table people (id integer primary key, about text, email text)").unwrap();
    let rows = warehouse.transaction().unwrap();
    for id in 0..ROWS {
        let row = (id as i64, about(id), (id % 3 > 0).then(|| format!("p{id}@x.io")));
        rows.execute("insert into people values (?1, ?2, ?3)", row).unwrap();
    }
    rows.commit().unwrap();
    folder
}

fn read(folder: &Path, limit: usize) -> BTreeMap<usize, (String, String)> {
    let run = Command::new("python3")
        .args(["-c", READER])
        .arg(folder.join("out"))
        .arg(limit.to_string())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let rows: Vec<[String; 4]> = serde_json::from_slice(&run.stdout).unwrap();
    rows.into_iter().map(|[_, id, about, email]| (id.parse().unwrap(), (about, email))).collect()
}

#[test]
fn packed_parts_are_what_another_reader_finds_and_none_is_too_large() {
    let limit = 9_000;
    let options = format!(
        "  format: csv\n  compression: gzip\n  max_bytes: {limit}\n  max_rows: 700\n  manifest: true\n  done: all.done\n"
    );
    let folder = project(&options);
    let report = outflow(folder.path(), &["sync", "--format", "json"]).ends(0).json();
    assert_eq!(report["syncs"][0]["delivered"], ROWS);
    let found = read(folder.path(), limit);
    assert_eq!(found.len(), ROWS);
    for (id, (about_found, email)) in &found {
        let expected = if id % 3 > 0 { format!("p{id}@x.io") } else { String::new() };
        assert_eq!((about_found, email), (&about(*id), &expected), "{id}");
    }
    assert!(folder.path().join("out/all.done").exists());
    let again = outflow(folder.path(), &["sync", "--format", "json"]).ends(0).json();
    assert_eq!(
        (&again["syncs"][0]["sent"], &again["syncs"][0]["requests"]),
        (&Json::from(0), &Json::from(0))
    );
}

#[test]
fn a_full_extract_has_every_row_in_every_run() {
    let folder = project("  name: \"{{ sync }}-{{ run }}-{{ part }}.csv\"\n  extract: full\n");
    let count = || {
        let files = fs::read_dir(folder.path().join("out")).unwrap().map(|file| file.unwrap().path());
        let rows = files.map(|file| csv::Reader::from_path(file).unwrap().into_records().count());
        rows.sum::<usize>()
    };
    outflow(folder.path(), &["sync"]).ends(0);
    assert_eq!(count(), ROWS);
    let report = outflow(folder.path(), &["sync", "--format", "json"]).ends(0).json();
    assert_eq!((count(), &report["syncs"][0]["delivered"]), (2 * ROWS, &Json::from(ROWS)));
    let mapping = folder.path().join("mappings/list.yml");
    let mirror = fs::read_to_string(&mapping).unwrap() + "mode: mirror\n";
    fs::write(&mapping, mirror).unwrap();
    let refused = outflow(folder.path(), &["check", "--connect"]).ends(1);
    assert!(refused.stderr.contains("cannot remove records"), "{refused:#?}");
    assert!(
        refused.stderr.contains("use `mode: upsert`") && !refused.stderr.contains("on_delete"),
        "{refused:#?}"
    );
    let insert = fs::read_to_string(&mapping).unwrap().replace("mode: mirror", "mode: insert");
    fs::write(&mapping, insert).unwrap();
    let refused = outflow(folder.path(), &["check"]).ends(1);
    assert!(
        refused.stderr.contains("use `mode: upsert`") && !refused.stderr.contains("mirror"),
        "{refused:#?}"
    );
}

#[test]
fn rows_that_are_missing_are_counted_and_do_not_hold_the_marker() {
    let options = "  name: \"{{ run }}-{{ part }}.csv\"\n  extract: full\n  encoding: windows-1252\n  manifest: \"{{ run }}.json\"\n  \
        done: \"{{ run }}.done\"\n";
    let told = |folder: &Path, code: i32| {
        let report = outflow(folder, &["sync", "--format", "json"]).ends(code).json();
        let run = report["syncs"][0]["run_id"].as_str().unwrap();
        assert!(folder.join(format!("out/{run}.done")).exists(), "{report:#}");
        let manifest: Json =
            serde_json::from_slice(&fs::read(folder.join(format!("out/{run}.json"))).unwrap()).unwrap();
        ["complete", "rows", "missing"].map(|name| manifest[name].clone())
    };
    let without =
        |missing: usize| [Json::from(missing == 0), Json::from(ROWS - missing), Json::from(missing)];
    // Three tries, and a run in which the row waits for the next one; or one, after which it is parked.
    for (attempts, codes) in [("", [3, 3, 3, 3]), ("max_attempts: 1\n", [3, 0, 0, 0])] {
        let folder = project(&format!("{options}{attempts}"));
        let warehouse = Connection::open(folder.path().join("w.db")).unwrap();
        warehouse.execute_batch("update people set about = iif(id = 7, '日本', 'plain')").unwrap();
        for code in codes {
            assert_eq!(told(folder.path(), code), without(1), "{attempts}");
        }
        warehouse.execute_batch("update people set about = 'plain'").unwrap();
        assert_eq!(told(folder.path(), 0), without(0), "{attempts}");
    }
}

#[test]
fn a_wrong_option_is_told_where_it_stands() {
    let folder = project("  format: csv\n  quoting: all\n");
    let path = folder.path().join("mappings/list.yml");
    let mapping = fs::read_to_string(&path).unwrap();
    for option in [
        "quoting: some\n",
        "partition_by: nope\n",
        "encoding: utf-16\n",
        "null_text: 無\n  encoding: windows-1252\n",
        "done: people-0001.csv\n  name: \"{{ object }}-{{ part }}.csv\"\n",
    ] {
        fs::write(&path, mapping.replace("quoting: all\n", option)).unwrap();
        let run = outflow(folder.path(), &["check"]).ends(1);
        assert!(run.stderr.contains("list.yml:8:3"), "{option}: {run:#?}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_loses_nothing() {
    let folder = project("  format: csv\n");
    fs::write(folder.path().join("out"), "a file").unwrap();
    let run = outflow(folder.path(), &["sync"]);
    assert!(run.code != 0 && run.stderr.contains("is not a folder"), "{run:#?}");
    fs::remove_file(folder.path().join("out")).unwrap();
    let report = outflow(folder.path(), &["sync", "--format", "json"]).ends(0).json();
    assert_eq!(report["syncs"][0]["delivered"], ROWS);
}

/// What cures a row may stand beside the fields.
#[test]
fn parked_rows_are_tried_again_after_an_edit_of_an_option() {
    let folder = project("  format: csv\n  encoding: windows-1252\n");
    let mapping = folder.path().join("mappings/list.yml");
    fs::write(&mapping, fs::read_to_string(&mapping).unwrap() + "max_attempts: 1\n").unwrap();
    let sync = |code| {
        let report = outflow(folder.path(), &["sync", "--format", "json"]).ends(code).json();
        ["rejected", "parked", "delivered"].map(|name| report["syncs"][0][name].as_u64().unwrap() as usize)
    };
    let refused = ROWS / 10;
    assert_eq!(sync(3), [refused, 0, ROWS - refused]);
    assert_eq!(sync(0), [0, refused, 0]);
    fs::write(&mapping, fs::read_to_string(&mapping).unwrap().replace("windows-1252", "utf-8")).unwrap();
    assert_eq!(sync(0), [0, 0, refused]);
    assert_eq!(sync(0), [0, 0, 0], "what was delivered stays so");
}

const PACKED: &str = "sync: list
source: {connection: warehouse, table: people, primary_key: id}
destination: {connection: drop, object: people, match_on: {id: id}, format: csv, compression: gzip, max_bytes: 9KB, max_rows: 700, operation: false}
fields: {id: {column: id, type: integer}, about: about, email: email}
";

const TYPED: &str = "sync: list
source: {connection: warehouse, table: people, primary_key: id}
destination: {connection: drop, object: people, match_on: {id: id}, format: parquet, max_bytes: 60KB, max_rows: 700, operation: false}
fields: {id: {column: id, type: integer}, about: about, email: email}
";

/// What a second sync reads of the files that a first one, by this mapping, wrote in parts of at most so many bytes.
fn read_again((written, limit): (&str, u64), connection: &str, source: &str) -> Vec<Json> {
    let folder = project("");
    let place = folder.path().join("out");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("mappings/list.yml", written);
    let report = outflow(folder.path(), &["sync", "--format", "json"]).ends(0).json();
    assert_eq!(report["syncs"][0]["delivered"], ROWS);
    let files: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 4 && files.iter().all(|file| file.metadata().unwrap().len() <= limit), "{files:?}");
    fs::remove_file(folder.path().join("mappings/list.yml")).unwrap();
    write(
        "outflow.yml",
        &format!(
            "name: written\nconnections:\n  parts: {connection}\n  back: {{type: files, url: ./back}}\n"
        ),
    );
    let source = source.replace("PLACE", place.to_str().unwrap());
    write(
        "mappings/back.yml",
        &format!(
            "sync: back\nsource: {{connection: parts, {source}, primary_key: id}}\ndestination: {{connection: back, object: back, \
             match_on: {{id: id}}, operation: false}}\nfields: {{id: {{column: id, type: integer}}, about: about, email: email}}\n"
        ),
    );
    outflow(folder.path(), &["sync"]).ends(0);
    let texts = fs::read_dir(folder.path().join("back"))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let lines = texts
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Json>>());
    let mut rows: Vec<Json> = lines.collect();
    rows.sort_by_key(|row| row["id"].as_u64());
    rows
}

fn assert_same(rows: &[Json]) {
    assert_eq!(rows.len(), ROWS);
    for (id, row) in rows.iter().enumerate() {
        let email = (id % 3 > 0).then(|| format!("p{id}@x.io"));
        let expected = serde_json::json!({"id": id, "about": about(id), "email": email});
        assert_eq!(*row, expected, "{id}");
    }
}

#[test]
fn parquet_is_read_as_it_was_written() {
    assert_same(&read_again((TYPED, 60_000), "{type: files, url: ./out}", "file: \"*.parquet\""));
}

#[cfg(feature = "duckdb")]
#[test]
fn duckdb_reads_parquet_as_it_was_written() {
    let query = "query: \"select id::bigint as id, about, email from read_parquet('PLACE/*.parquet') where typeof(id) = 'BIGINT' and \
                 typeof(about) = 'VARCHAR'\"";
    assert_same(&read_again((TYPED, 60_000), "{type: duckdb, path: \":memory:\"}", query));
}

#[test]
fn packed_csv_is_read_as_it_was_written() {
    assert_same(&read_again((PACKED, 9_000), "{type: files, url: ./out}", "file: \"*.csv.gz\""));
}

#[cfg(feature = "duckdb")]
#[test]
fn duckdb_reads_packed_csv_as_it_was_written() {
    let query = "query: \"select id::bigint as id, about, email from read_csv('PLACE/*.csv.gz', header = true, all_varchar = true, \
                 delim = ',', quote = '\\\"', escape = '\\\"', allow_quoted_nulls = false)\"";
    assert_same(&read_again((PACKED, 9_000), "{type: duckdb, path: \":memory:\"}", query));
}

/// Packed Shift_JIS with a file for each hour, as a partner may want it; Python's own codecs read it.
const PARTNER: &str = r#"
import csv, glob, gzip, io, json, os, sys
folder, rows = sys.argv[1], []
[manifest] = [json.load(open(name)) for name in glob.glob(folder + "/*.manifest.json")]
assert not manifest["complete"] and manifest["missing"] == 2 and manifest["encoding"] == "Shift_JIS", manifest
listed = {part["name"]: part for part in manifest["parts"]}
for path in glob.glob(folder + "/*.csv.gz"):
    name = os.path.basename(path)
    sync, date, hour, part = name[:-len(".csv.gz")].split("_")
    text = gzip.open(path).read().decode("shift_jis")
    assert text.startswith('"_op","id","about","hour"\r\n"upsert","') and text.endswith('"\r\n'), text
    found = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert sync == "list" and len(date) == 10 and {row[3] for row in found} == {hour}, name
    assert listed.pop(name)["rows"] == len(found), name
    rows += found
assert not listed, listed
done = glob.glob(folder + "/*.done")
assert len(done) == 1 and os.path.getsize(done[0]) == 0, done
json.dump(rows, sys.stdout)
"#;

#[test]
fn a_partners_file_has_its_encoding_its_quotes_and_its_hours_and_bad_rows_cost_themselves() {
    let folder = project(
        "  name: \"{{ sync }}_{{ date }}_{{ partition }}_{{ part }}.csv.gz\"\n  format: csv\n  encoding: shift_jis\n  \
         line_end: crlf\n  quoting: all\n  max_bytes: 2KB\n  partition_by: hour\n  manifest: true\n  done: true\n",
    );
    let mapping = folder.path().join("mappings/list.yml");
    let text = fs::read_to_string(&mapping).unwrap().replace("email: email", "hour: hour");
    fs::write(&mapping, text).unwrap();
    let warehouse = Connection::open(folder.path().join("w.db")).unwrap();
    let sql = format!(
        "delete from people where id >= 40; alter table people add column hour integer;
         update people set hour = 8 + id % 3, about = '表示 ' || id;
         update people set about = '😀' where id = 5; update people set about = '{}' where id = 7",
        "x".repeat(5_000)
    );
    warehouse.execute_batch(&sql).unwrap();
    let report = outflow(folder.path(), &["sync", "--format", "json"]).ends(3).json()["syncs"][0].clone();
    assert_eq!((&report["delivered"], &report["rejected"]), (&38.into(), &2.into()), "{report:#}");
    let errors = outflow(folder.path(), &["errors", "list", "--format", "json"]).ends(0).json();
    let mut refused: Vec<(u64, &str)> = errors["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["key"]["id"].as_u64().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    refused.sort_unstable();
    assert_eq!(refused, [(5, "FILE_ENCODING"), (7, "FILE_RECORD_TOO_LARGE")]);
    let out = folder.path().join("out");
    let run = Command::new("python3").args(["-c", PARTNER]).arg(&out).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let rows: Vec<[String; 4]> = serde_json::from_slice(&run.stdout).unwrap();
    let found: BTreeMap<u64, String> =
        rows.into_iter().map(|[_, id, about, _]| (id.parse().unwrap(), about)).collect();
    let whole = (0..40).filter(|id| ![5, 7].contains(id)).map(|id| (id, format!("表示 {id}")));
    assert_eq!(found, whole.collect::<BTreeMap<u64, String>>());
}
