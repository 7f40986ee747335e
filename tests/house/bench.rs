//! The benchmarks still run: a small table through their checks of counts, without rivals and without a release build.

use std::process::{Command, Output};

use super::tree;

/// What the scripts are written for.
const PYTHON: &str = "import sys; sys.exit(sys.version_info < (3, 10))";

#[test]
fn every_script_of_the_benchmarks_compiles() {
    let Some(mut python) = python() else { return };
    let check = "import ast, pathlib, sys
for path in sorted(pathlib.Path('bench').glob('*.py')):
    ast.parse(path.read_text(encoding='utf-8'), str(path))
    print(path)";
    let done = python.args(["-c", check]).output().unwrap();
    let listed = succeeded(&done);
    assert!(listed.contains("run.py") && listed.contains("diff.py"), "{listed}");
}

/// A first run, and the other version twice each way, with all counts checked by the script itself.
#[test]
fn the_benchmark_of_the_diff_runs_on_a_small_table() {
    let Some(mut python) = python() else { return };
    let place = tempfile::tempdir().unwrap();
    python.args(["-B", "bench/run.py", "--no-rivals", "--only", "sqlite", "--rows", "2000", "--pairs", "1"]);
    python.args(["--binary", env!("CARGO_BIN_EXE_outflow"), "--place"]).arg(place.path());
    let text = succeeded(&python.output().unwrap());
    assert!(text.contains("2,000 rows of SQLite, outflow"), "{text}");
}

/// All rows as files of CSV, plain and packed: the script itself checks each file's size and that together they are the table.
#[test]
fn the_benchmark_of_the_split_runs_on_a_small_table() {
    let Some(mut python) = python() else { return };
    let place = tempfile::tempdir().unwrap();
    python.args(["-B", "bench/run.py", "--no-rivals", "--only", "split", "--rows", "2000", "--pairs", "1"]);
    python.args(["--binary", env!("CARGO_BIN_EXE_outflow"), "--place"]).arg(place.path());
    let text = succeeded(&python.output().unwrap());
    assert!(text.contains("2,000 rows, plain, outflow, first run"), "{text}");
    assert!(text.contains("2,000 rows, gzip, outflow, once more"), "{text}");
}

/// A wrong count must end the benchmark, or its numbers mean nothing.
#[test]
fn the_benchmark_ends_at_a_wrong_count() {
    let Some(mut python) = python() else { return };
    let place = tempfile::tempdir().unwrap();
    let wrong = "import sys, pathlib; sys.path.insert(0, 'bench'); import gen
folder = pathlib.Path(sys.argv[1]) / 'data-2000'
gen.generate_small(2000, folder)
gen.write_expected(folder, 2000, (2000, 2, 3, 5))";
    succeeded(&python.args(["-B", "-c", wrong]).arg(place.path()).output().unwrap());
    let Some(mut python) = self::python() else { return };
    python.args(["-B", "bench/run.py", "--no-rivals", "--only", "sqlite", "--rows", "2000", "--pairs", "1"]);
    python.args(["--binary", env!("CARGO_BIN_EXE_outflow"), "--place"]).arg(place.path());
    let done = python.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.code() == Some(1) && said.contains("wrong counts"), "{said}");
}

/// Nothing where Python is missing or too old: it is needed for measuring, not for building.
fn python() -> Option<Command> {
    let mut probe = Command::new("python3");
    probe.args(["-c", PYTHON]);
    let is_there = probe.output().is_ok_and(|done| done.status.success());
    assert!(is_there || std::env::var_os("CI").is_none(), "the checks on the server need Python 3.10");
    let mut python = Command::new("python3");
    python.current_dir(tree::root());
    is_there.then_some(python)
}

fn succeeded(done: &Output) -> String {
    let [out, err] = [&done.stdout, &done.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(done.status.success(), "{out}{err}");
    out
}
