//! Processes beside each other: signals, locks, pipes, the sandbox's server.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::world::{MAPPING_FILE, World, identities};

/// A process of ours, killed when the test ends before it does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

impl Running {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outflow"));
        command.current_dir(world.path()).args(arguments).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().expect("the binary starts"))
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; exit code and both streams.
    fn end(mut self) -> (i32, String, String) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "the process does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.0.wait().unwrap().code().unwrap_or(-1), stdout, stderr)
    }
}

/// Waits until something is so.
#[track_caller]
fn eventually(what: &str, is: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < until, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A world whose destination answers no write.
fn hanging() -> World {
    let world = World::new();
    world.edit(
        "outflow.yml",
        "      objects:",
        "      faults: [{do: hang, path: /batch/, rate: 1}]\n      objects:",
    );
    world
}

fn is_sending(world: &World) -> bool {
    let shown = world.run(&["sandbox", "show", "--format", "json"]);
    // The file may be in the making.
    shown.code == 0 && shown.json()["requests"]["writes"].as_u64().unwrap_or(0) > 0
}

#[test]
fn a_second_run_finds_the_sync_locked_and_a_second_signal_stops_at_once() {
    let world = hanging();
    let first = Running::start(&world, &["sync", "--format", "json"]);
    eventually("the first request", || is_sending(&world));
    let second = world.run(&["sync", "--format", "json"]).ends(5).json();
    identities(&second);
    assert_eq!(second["syncs"][0]["status"], "locked", "{second:#}");
    assert_eq!(second["syncs"][0]["error"]["kind"], "locked");
    world.run(&["retry", "people"]).ends(5);
    let runs = world.run(&["runs", "--format", "json"]).ends(0).json();
    assert_eq!(runs["runs"].as_array().unwrap().last().unwrap()["status"], "running", "{runs:#}");
    world.run(&["diff"]).ends(0);

    first.signal("INT");
    std::thread::sleep(Duration::from_millis(200));
    first.signal("INT");
    let (code, stdout, _) = first.end();
    assert_eq!(code, 130, "{stdout}");
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&json["exit_code"], &json["error"]["code"]), (&130.into(), &"OF-CLI-005".into()), "{json:#}");
    let runs = world.run(&["runs", "--format", "json"]).ends(0).json();
    assert_eq!(runs["runs"].as_array().unwrap().last().unwrap()["status"], "interrupted", "{runs:#}");

    world.edit("outflow.yml", "      faults: [{do: hang, path: /batch/, rate: 1}]\n", "");
    assert_eq!(world.sync(0)["delivered"], 3);
    assert_eq!(world.contacts().len(), 3);
}

#[test]
fn the_first_signal_lets_what_is_in_flight_settle() {
    let world = World::new();
    world.sql(
        "with recursive n (i) as (values (10) union all select i + 1 from n where i < 209)
         insert into people select i, 'p' || i || '@example.com', 'P', i, null from n",
    );
    world.edit(
        "outflow.yml",
        "      objects:",
        "      faults: [{do: delay, ms: 20, path: /batch/, rate: 1}]\n      objects:",
    );
    world.edit(
        MAPPING_FILE,
        "mode: upsert",
        "mode: upsert\ndelivery: {batch_rows: 1, concurrency: 1, rate: 10/s}",
    );
    let run = Running::start(&world, &["sync", "--format", "json"]);
    eventually("the first request", || is_sending(&world));
    run.signal("TERM");
    let (code, stdout, _) = run.end();
    assert_eq!(code, 130, "{stdout}");
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    identities(&json);
    let sync = &json["syncs"][0];
    assert_eq!(sync["status"], "interrupted", "{json:#}");
    let delivered = sync["delivered"].as_u64().unwrap();
    assert!((1..203).contains(&delivered), "{json:#}");
    assert_eq!(sync["pending"].as_u64().unwrap() + delivered, 203, "{json:#}");
    assert_eq!(world.contacts().len() as u64, delivered);
}

#[test]
fn a_reader_that_goes_away_is_no_failure_but_a_full_disk_is() {
    let world = World::new();
    let run = Running::start(&world, &["explain"]);
    let mut run = run;
    drop(run.0.stdout.take());
    let mut stderr = String::new();
    run.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((run.0.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));

    if let Ok(full) = File::options().write(true).open("/dev/full") {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outflow"));
        let output = command.arg("explain").env_clear().stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("OF-CLI-004"), "{stderr}");
    }
}

#[test]
fn the_sandbox_serves_other_processes_until_it_is_stopped() {
    let world = World::new();
    world.write("account.yml", "objects: {contacts: {score: number}}\n");
    let serve = ["sandbox", "serve", "--port", "0", "--config", "account.yml", "--file", "served.db"];
    let mut server = Running::start(&world, &serve);
    let mut lines = BufReader::new(server.0.stdout.as_mut().unwrap()).lines();
    let url = lines.next().unwrap().unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    world.edit("outflow.yml", "base_url: sandbox", &format!("base_url: \"{url}/hubspot\""));
    let sync = world.sync(0);
    assert_eq!((&sync["delivered"], &sync["sandbox"]), (&3.into(), &serde_json::Value::Null), "{sync:#}");
    let shown = world.run(&["sandbox", "show", "--file", "served.db", "--format", "json"]).ends(0).json();
    assert_eq!(shown["objects"]["hubspot"]["contacts"].as_array().unwrap().len(), 3);
    server.signal("TERM");
    eventually("the end of the server", || world.run(&["check", "--connect"]).code == 1);
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
    let wrong = world.run(&["sandbox", "serve", "--config", "nowhere.yml", "--file", "x.db"]).ends(1);
    assert!(wrong.stderr.contains("nowhere.yml"), "{wrong:#?}");
}

#[test]
fn a_daily_quota_stops_the_run_cleanly() {
    let world = World::new();
    world.sql(
        "with recursive n (i) as (values (10) union all select i + 1 from n where i < 29)
         insert into people select i, 'p' || i || '@example.com', 'P', i, null from n",
    );
    world.edit("outflow.yml", "    sandbox:", "    limits: {daily_calls: 10}\n    sandbox:");
    world.edit(MAPPING_FILE, "mode: upsert", "mode: upsert\ndelivery: {batch_rows: 1, concurrency: 1}");
    let sync = world.sync(6);
    assert_eq!(sync["status"], "quota", "{sync:#}");
    let (delivered, pending) = (sync["delivered"].as_u64().unwrap(), sync["pending"].as_u64().unwrap());
    assert_eq!(delivered + pending, 23, "{sync:#}");
    assert!(delivered > 0 && pending > 0, "{sync:#}");
}
