//! What can be seen of each request: `-vv` and `--record`.

use serde_json::Value as Json;

use super::world::{World, files};

const TOKEN: &str = "pat-na1-5ecret-5ecret";

/// Lines of the log that tell of a request.
fn requests(stderr: &str) -> Vec<Json> {
    let lines = stderr.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    lines.map(|line| line["fields"].clone()).filter(|fields| fields["message"] == "request").collect()
}

fn world(faults: &str) -> World {
    let world = World::new();
    world.edit("outflow.yml", "      objects: {", &format!("      faults: {faults}\n      objects: {{"));
    world
}

fn sync(world: &World, flags: &[&str]) -> String {
    let arguments = [&["sync", "-vv", "--log-format", "json"], flags].concat();
    let run = world.run_with(&arguments, &[("HUBSPOT_TOKEN", TOKEN)]).ends(0);
    assert!(!run.stderr.contains("5ecret") && !run.stdout.contains("5ecret"), "{run:#?}");
    run.stderr
}

#[test]
fn each_request_is_explained_without_its_rows() {
    let world = world("[{do: status, code: 429, retry_after: 1, path: batch/upsert, times: 1}]");
    let stderr = sync(&world, &[]);
    let told = requests(&stderr);
    let writes: Vec<&Json> =
        told.iter().filter(|told| told["path"] == "/crm/v3/objects/contacts/batch/upsert").collect();
    assert_eq!(writes.len(), 2, "{stderr}");
    for (told, (attempt, status, outcome)) in writes.iter().zip([(1, 429, "rate_limited"), (2, 200, "ok")]) {
        assert_eq!((&told["method"], &told["attempt"]), (&"POST".into(), &attempt.into()), "{told:#}");
        assert_eq!((&told["status"], &told["outcome"]), (&status.into(), &outcome.into()), "{told:#}");
        assert_eq!(told["id"].as_str().unwrap().len(), 36, "{told:#}");
        assert!(told["ms"].is_u64() && told["waited_for_place_ms"].is_u64(), "{told:#}");
    }
    assert!(writes[1]["waited_for_rate_ms"].as_u64().unwrap() >= 500, "it waited as it was told: {stderr}");
    let again = stderr.lines().find(|line| line.contains("sent again")).unwrap();
    assert!(again.contains("rate_limited") && again.contains("\"attempt\":2"), "{again}");
    assert!(told.iter().any(|told| told["path"] == "/account-info/v3/details"), "{stderr}");
    // Neither a row nor its names, in either form.
    world.sql("update people set name = 'Eva' where id = 1");
    let text = world.run_with(&["sync", "-vv"], &[("HUBSPOT_TOKEN", TOKEN)]).ends(0).stderr;
    assert!(text.contains("batch/upsert") && text.contains("status=200"), "{text}");
    for part in ["@example.com", "firstname", "Ann", "Eva"] {
        assert!(!stderr.contains(part) && !text.contains(part), "`{part}`: {stderr}{text}");
    }
}

#[test]
fn requests_and_answers_are_kept_as_files_in_their_order() {
    let world = world("[{do: lost_ack, path: batch/upsert, times: 1}]");
    sync(&world, &["--record", "kept"]);
    let kept = || -> Vec<(String, Json)> {
        let all = files(&world.path().join("kept/hubspot"));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert!(all.values().all(|bytes| !text(bytes).contains("5ecret")), "{:?}", all.keys());
        let name = |path: &std::path::Path| path.file_stem().unwrap().to_string_lossy().into_owned();
        all.iter().map(|(path, bytes)| (name(path), serde_json::from_slice(bytes).unwrap())).collect()
    };
    let first = kept();
    let writes: Vec<&(String, Json)> =
        first.iter().filter(|(name, _)| name.contains("batch-upsert")).collect();
    let [(name, lost), (_, answered)] = writes[..] else { panic!("{first:?}") };
    assert!(name.ends_with("-post-crm-v3-objects-contacts-batch-upsert"), "{name}");
    assert!(lost["error"].is_string() && lost.get("response").is_none(), "{lost:#}");
    assert_eq!(answered["request"]["method"], "POST");
    assert_eq!(answered["request"]["body"]["inputs"].as_array().unwrap().len(), 3, "{answered:#}");
    assert_eq!(
        (&answered["response"]["status"], &answered["case"]),
        (&200.into(), &writes[1].0.clone().into())
    );
    assert_eq!(answered["response"]["body"]["status"], "COMPLETE");
    assert!(answered["response"]["headers"]["x-hubspot-correlation-id"].is_string());
    let numbers: Vec<u64> =
        first.iter().map(|(name, _)| name.split('-').next().unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (1..=first.len() as u64).collect::<Vec<_>>());
    // A second run goes on counting, and says nothing of the first.
    world.sql("update people set name = 'Eva' where id = 1");
    sync(&world, &["--record", "kept"]);
    let second = kept();
    assert!(second.len() > first.len() && second[..first.len()] == first[..], "{second:?}");

    #[cfg(unix)]
    for path in files(&world.path().join("kept")).keys() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700), "{}", path.display());
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_said_at_once() {
    let world = World::new();
    world.write("kept", "no folder\n");
    let run = world.run(&["sync", "--record", "kept"]).ends(1);
    assert!(run.stderr.contains("OF-CLI-004") && run.stderr.contains("kept"), "{run:#?}");
    assert_eq!(world.contacts().len(), 0);
}
