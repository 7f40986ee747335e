//! A HubSpot connection of an OAuth app.

use serde_json::Value as Json;

use super::world::World;

const SECRETS: [(&str, &str); 2] = [("APP_SECRET", "cs-5ecret-5ecret"), ("APP_REFRESH", "rt-5ecret-5ecret")];

const AUTH: &str = "auth: {method: refresh_token, client_id: app-1, client_secret: \"${APP_SECRET}\", \
                    refresh_token: \"${APP_REFRESH}\"}";

/// A project whose connection is an OAuth app, with so many people and this beside the connection's settings.
fn world(people: usize, more: &str) -> World {
    let world = World::new();
    world.edit("outflow.yml", "token: \"${HUBSPOT_TOKEN:-sandbox}\"", AUTH);
    world.edit("outflow.yml", "    sandbox:\n", &format!("{more}    sandbox:\n"));
    world.sql(&format!(
        "delete from people;
         with recursive n (i) as (select 1 union all select i + 1 from n where i < {people})
         insert into people select i, 'p' || i || '@example.com', 'P' || i, i, 'A' from n"
    ));
    world
}

fn sync(world: &World, code: i32) -> Json {
    let run = world.run_with(&["sync", "-vv", "--format", "json"], &SECRETS).ends(code);
    assert!(!run.stderr.contains("5ecret") && !run.stdout.contains("5ecret"), "{run:#?}");
    run.json()["syncs"][0].clone()
}

#[test]
fn a_sync_outlives_its_token() {
    // Tokens live a second, are due after 0.8, and 30 requests at 10 a second take about two.
    let world = world(30, "    limits: {requests: 10/1s}\n");
    world.edit("outflow.yml", "      objects: {", "      oauth: {expires_in: 1}\n      objects: {");
    world.edit("mappings/people.yml", "mode: upsert", "mode: upsert\ndelivery: {batch_rows: 1}");
    let report = sync(&world, 0);
    assert_eq!(
        (&report["delivered"], &report["requests"], &report["retries"]),
        (&30.into(), &30.into(), &0.into())
    );
    // The account, the properties, and a token when it began and at least once more.
    let reads = report["reads"].as_u64().unwrap();
    assert!((4..12).contains(&reads), "{report:#}");
    assert_eq!(world.contacts().len(), 30);
}

#[test]
fn a_token_that_is_refused_in_the_middle_is_renewed_once() {
    let world = world(40, "    limits: {concurrency: 4}\n");
    world.edit(
        "outflow.yml",
        "      objects: {",
        "      faults: [{do: status, code: 401, path: batch/upsert, times: 1}]\n      objects: {",
    );
    world.edit(
        "mappings/people.yml",
        "mode: upsert",
        "mode: upsert\ndelivery: {batch_rows: 1, concurrency: 4}",
    );
    let report = sync(&world, 0);
    assert_eq!((&report["delivered"], &report["retries"]), (&40.into(), &1.into()), "{report:#}");
    // The account, the properties, the first token and one more.
    assert_eq!((&report["requests"], &report["reads"]), (&41.into(), &4.into()), "{report:#}");
}

#[test]
fn a_refresh_token_that_is_not_accepted() {
    let world = world(3, "");
    world.edit("outflow.yml", "${APP_REFRESH}", "${APP_WRONG:-invalid}");
    let report = sync(&world, 1);
    assert_eq!(report["error"]["kind"], "auth", "{report:#}");
    assert!(report["error"]["hint"].as_str().unwrap().contains("authorise the app anew"), "{report:#}");
    assert_eq!(world.contacts().len(), 0);
}

#[test]
fn what_is_missing_or_too_much_is_said_by_check() {
    for (old, new, words) in [
        (AUTH, "", "`token` is missing"),
        (AUTH, &format!("{AUTH}\n    token: \"${{APP_SECRET}}\""), "both `token` and `auth`"),
        ("client_id: app-1, ", "", "`auth.client_id` is missing"),
        ("method: refresh_token", "method: password", "`auth.method` is `password`"),
    ] {
        let world = world(1, "");
        world.edit("outflow.yml", old, new);
        let run = world.run_with(&["check"], &SECRETS).ends(1);
        assert!(run.stderr.contains(words) && run.stderr.contains("outflow.yml:"), "{run:#?}");
    }
    let world = world(1, "");
    world.edit("outflow.yml", "base_url: sandbox", "base_url: \"https://api.hubapi.com\"");
    world.edit(
        "outflow.yml",
        "    sandbox:\n      objects: {contacts: {score: number, plan: {enum: [A, B]}}}\n",
        "",
    );
    world.edit("outflow.yml", "${APP_SECRET}", "cs-5ecret-5ecret");
    let run = world.run_with(&["check"], &SECRETS).ends(0);
    let warning = "`connections.marketing.auth.client_secret` stands in this file in plain text";
    assert!(run.stderr.contains(warning) && !run.stderr.contains("cs-5ecret"), "{run:#?}");
}
