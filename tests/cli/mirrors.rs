//! Two mirrors of one object, by connections whose settings do not tell that they lead to one account.

use super::world::World;
use crate::support::Served;

/// Two tokens of one portal, as two private apps have them; each mirror knows some of the people.
fn portal(world: &World) -> Served {
    let served = Served::start(world.path(), r#"{"objects": {"contacts": {"score": "number"}}}"#);
    let connection = |name: &str| {
        format!(
            "  {name}: {{type: hubspot, base_url: \"{}/hubspot\", token: \"${{T:-{name}}}\"}}\n",
            served.url
        )
    };
    world.write(
        "outflow.yml",
        &format!(
            "name: world\nconnections:\n  warehouse: {{type: sqlite, path: people.sqlite}}\n{}{}",
            connection("one"),
            connection("two")
        ),
    );
    let mirror = |connection: &str, object: &str, rest: &str| {
        format!(
            "source:\n  connection: warehouse\n  query: select id, email, name from people where {rest}\n  primary_key: id\n\
             destination:\n  connection: {connection}\n  object: {object}\n  match_on: {{email: email}}\nmode: mirror\n\
             fields: {{firstname: name}}\nguards: {{max_delete: 100%}}\n"
        )
    };
    world.write("mappings/people.yml", &mirror("one", "contacts", "id <> 1"));
    world.write("mappings/zeal.yml", &mirror("two", "0-1", "id <> 2"));
    served
}

#[test]
fn a_check_that_connects_finds_them() {
    let world = World::new();
    let _served = portal(&world);
    world.run(&["check"]).ends(0);
    let found = world.run(&["check", "--connect"]).ends(1);
    for part in [
        "OF-CFG-021",
        "`people` and `zeal` both mirror `contacts` of `one`, which is `0-1` of `two`",
        "mappings/zeal.yml:6",
    ] {
        assert!(found.stderr.contains(part), "{part}: {found:#?}");
    }
    world.edit("mappings/zeal.yml", "mode: mirror", "mode: upsert");
    world.run(&["check", "--connect"]).ends(0);
}

#[test]
fn the_second_one_to_run_sends_nothing() {
    let world = World::new();
    let served = portal(&world);
    world.run(&["sync", "people"]).ends(0);
    let writes = served.writes();
    for command in ["diff", "sync"] {
        let run = world.run(&[command, "zeal"]).ends(1);
        for part in ["OF-CFG-021", "`people` and `zeal` both mirror", "outflow ledger forget people"] {
            assert!(run.stderr.contains(part), "{part}: {run:#?}");
        }
    }
    assert_eq!(served.writes(), writes);
    world.run(&["sync", "people"]).ends(0);
    world.edit("mappings/people.yml", "mode: mirror", "mode: upsert");
    world.run(&["sync", "zeal"]).ends(0);
}
