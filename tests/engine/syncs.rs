//! How often a run waits for the disk: per batch, never per row, and hardly at all when nothing changed.

use std::process::Command;

use super::lab::Lab;

/// Calls of fsync and fdatasync by one `outflow sync`, all threads together.
fn waits(lab: &Lab) -> u32 {
    let trace = lab.file("trace.txt");
    let run = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=fsync,fdatasync", "-o"])
        .arg(&trace)
        .arg(env!("CARGO_BIN_EXE_outflow"))
        .args(["sync", "-q"])
        .current_dir(lab.path())
        .env_clear()
        .env("HOME", lab.path())
        .output()
        .expect("strace runs");
    assert!(run.status.success(), "{run:?}");
    let text = std::fs::read_to_string(&trace).unwrap();
    // A call that another thread's line interrupts is written in two parts.
    text.lines().filter(|line| line.contains("sync(") && !line.contains("resumed")).count() as u32
}

fn with_rows(rows: u32) -> Lab {
    let lab = Lab::new(&[]);
    lab.sql(&format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
         insert into people select i, 'p' || i || '@x.io', 'P', i from n"
    ));
    lab
}

/// In CI it must be there; a laptop without it leaves this one test out.
fn has_strace() -> bool {
    let found = Command::new("strace").arg("-V").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "strace is missing (Debian package `strace`)");
    found
}

#[test]
fn the_disk_is_waited_for_per_batch_and_never_per_row() {
    if !has_strace() {
        return;
    }
    let (small, large) = (with_rows(100), with_rows(1_000));
    let (one_batch, ten_batches) = (waits(&small), waits(&large));
    // The in-process sandbox commits before each answer, too.
    assert!(ten_batches < one_batch + 9 * 8, "{one_batch} for 100 rows, {ten_batches} for 1,000");
    let unchanged = [waits(&small), waits(&large)];
    assert_eq!(unchanged[0], unchanged[1], "an unchanged rerun waits as often whatever it read");
    assert!(unchanged[1] < one_batch, "{unchanged:?} of {one_batch}");
}
