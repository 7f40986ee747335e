//! Changes that hold only what changed and find their objects by key (Braze): what is sent whole all the same, and that each field is
//! there in the end, whatever happens between the runs.
//!
//! More histories: `OUTFLOW_TEST_HISTORIES=500 OUTFLOW_TEST_SEED=7 cargo test --test outflow engine::changed_by_key`

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rusqlite::Connection;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::model::{POINTS, asked};
use crate::support::{Run, outflow_with};

/// A project with one sync of people to an emulated workspace, where nobody asks for `send: changed`.
struct World {
    folder: TempDir,
    mirror: bool,
    /// `ledger: {keep: hashes}`.
    hashes: bool,
    /// The field `score` is mapped.
    score: bool,
    /// Its digits after the point.
    scale: u8,
}

const FLAGS: [&str; 6] =
    ["sync", "--format", "json", "--allow-changes", "--allow-deletes", "--allow-key-change"];

impl World {
    fn new(mirror: bool) -> World {
        let folder = TempDir::new().unwrap();
        let world = World { folder, mirror, hashes: false, score: true, scale: 1 };
        world
            .sql("create table people (id integer primary key, code text, plan text, city text, score real)");
        world.write();
        world
    }

    fn write(&self) {
        let project = json!({"name": "world", "connections": {
            "warehouse": {"type": "sqlite", "path": "warehouse.db"},
            "there": {
                "type": "braze", "api_key": "key", "base_url": "sandbox",
                "sandbox": {"objects": {"attributes": {"plan": {"type": "string", "refuse": "blocked"}}}},
            },
        }});
        let mut fields = json!({"plan": "plan", "city": "city"});
        if self.score {
            fields["score"] = json!({"column": "score", "type": "number", "scale": self.scale});
        }
        let mapping = json!({
            "source": {"connection": "warehouse", "query": "select * from people order by id", "primary_key": "id"},
            "destination": {"connection": "there", "object": "attributes", "match_on": {"external_id": "code"}},
            "mode": if self.mirror { "mirror" } else { "upsert" },
            "on_match_change": "replace",
            "max_attempts": 3,
            "fields": fields,
            "ledger": {"keep": if self.hashes { "hashes" } else { "fields" }},
            "delivery": {"batch_rows": 2, "concurrency": 2},
        });
        fs::create_dir_all(self.folder.path().join("mappings")).unwrap();
        fs::write(self.folder.path().join("outflow.yml"), format!("{project:#}")).unwrap();
        fs::write(self.folder.path().join("mappings/people.yml"), format!("{mapping:#}")).unwrap();
    }

    fn database(&self) -> Connection {
        Connection::open(self.folder.path().join("warehouse.db")).unwrap()
    }

    fn sql(&self, sql: &str) {
        self.database().execute_batch(sql).unwrap();
    }

    fn sync(&self, more: &[&str], plan: Option<&str>) -> Run {
        let arguments: Vec<&str> = FLAGS.iter().chain(more).copied().collect();
        let variables: Vec<_> = plan.map(|plan| ("OUTFLOW_REHEARSE", plan)).into_iter().collect();
        outflow_with(self.folder.path(), &arguments, &variables)
    }

    /// Runs the sync; the objects that were sent to `/users/track`.
    #[track_caller]
    fn sent(&self, more: &[&str]) -> Vec<Json> {
        let kept = self.folder.path().join("kept");
        let _ = fs::remove_dir_all(&kept); // not there at first
        let more: Vec<&str> = ["--record", "kept"].iter().chain(more).copied().collect();
        self.sync(&more, None).ends(0);
        let files = fs::read_dir(kept.join("braze")).unwrap().map(|file| file.unwrap().path());
        let read = |path| -> Json { serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap() };
        let tracked = files.map(read).filter(|kept| kept["request"]["path"] == "/users/track");
        tracked.flat_map(|kept| kept["request"]["body"]["attributes"].as_array().unwrap().clone()).collect()
    }

    fn wanted(&self) -> People {
        let database = self.database();
        let mut rows = database.prepare("select code, plan, city, score from people").unwrap();
        let row = |row: &rusqlite::Row<'_>| {
            let score: Option<f64> = row.get(3)?;
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?, score.filter(|_| self.score))))
        };
        rows.query_map([], row).unwrap().map(Result::unwrap).collect()
    }

    /// The living users; what is not mapped any more is left out.
    fn found(&self) -> People {
        let shown = outflow_with(self.folder.path(), &["sandbox", "show", "--format", "json"], &[]);
        let shown = shown.ends(0).json();
        let users = shown["objects"]["braze"]["users"].as_array().cloned().unwrap_or_default();
        let living = users.into_iter().filter(|user| user["archived"] == false);
        let user = |user: Json| {
            let text = |name: &str| user["properties"][name].as_str().map(str::to_owned);
            let score = user["properties"]["score"].as_f64().filter(|_| self.score);
            (text("external_id").unwrap(), (text("plan"), text("city"), score))
        };
        living.map(user).collect()
    }
}

/// Plan, city and score by code.
type People = BTreeMap<String, (Option<String>, Option<String>, Option<f64>)>;

/// Two people who were delivered.
fn settled(mirror: bool) -> World {
    let world = World::new(mirror);
    world.sql("insert into people values (1, 'p1', 'free', 'Oslo', 1.5), (2, 'p2', 'free', 'Rome', 2.5)");
    world.sync(&[], None).ends(0);
    world
}

/// What happens to the first person before their plan changes, and whether all of them is sent then.
type Case = (&'static str, fn(&mut World), bool);

const CASES: [Case; 8] = [
    ("nothing", |_| {}, false),
    (
        "a lost answer",
        |world| {
            world.sql("update people set city = 'Bergen' where id = 1");
            world.sync(&[], Some("deliver.answered:1")).ends(-1);
            world.sql("update people set city = 'Oslo' where id = 1");
        },
        true,
    ),
    (
        "a refusal",
        |world| {
            world.sql("update people set plan = 'blocked' where id = 1");
            world.sync(&[], None).ends(3);
        },
        true,
    ),
    (
        "a delivery of which only hashes are kept",
        |world| {
            world.hashes = true;
            world.write();
            world.sql("update people set city = 'Bergen' where id = 1");
            world.sync(&[], None).ends(0);
            world.hashes = false;
            world.write();
        },
        true,
    ),
    ("another match key", |world| world.sql("update people set code = 'm1' where id = 1"), true),
    (
        "another type of another field",
        |world| {
            world.scale = 2;
            world.write();
        },
        true,
    ),
    (
        "a removal",
        |world| {
            world.sql(
                "create table away as select * from people where id = 1; delete from people where id = 1",
            );
            world.sync(&[], None).ends(0);
            world.sql("insert into people select * from away");
        },
        true,
    ),
    (
        "a full refresh, which has settled all",
        |world| {
            world.sql("update people set city = 'Bergen' where id = 1");
            world.sync(&["--full-refresh"], None).ends(0);
        },
        false,
    ),
];

#[test]
fn what_casts_doubt_on_an_object_has_all_of_it_sent() {
    for (what, happen, is_whole) in CASES {
        let mut world = settled(true);
        happen(&mut world);
        world.sql("update people set plan = 'last' where id = 1");
        let sent = world.sent(&[]);
        let ada =
            sent.iter().find(|sent| sent["plan"] == "last").unwrap_or_else(|| panic!("{what}: {sent:?}"));
        assert_eq!(ada.get("city").is_some(), is_whole, "{what}: {ada}");
        // An update makes nobody, and what may have to be made is sent whole.
        assert_eq!(ada["_update_existing_only"] == true, !is_whole, "{what}: {ada}");
        assert_eq!(world.found(), world.wanted(), "{what}");
    }
}

#[test]
fn a_full_refresh_sends_all_of_everybody() {
    let world = settled(false);
    world.sql("update people set plan = 'last' where id = 1");
    let sent = world.sent(&["--full-refresh"]);
    assert_eq!(sent.len(), 2, "{sent:?}");
    for user in sent {
        assert!(user.get("city").is_some() && user.get("_update_existing_only").is_none(), "{user}");
    }
}

/// What can happen between two looks at the destination.
#[derive(Debug, Clone)]
enum Step {
    /// A score of 0 is null.
    Put {
        id: u8,
        plan: u8,
        city: u8,
        score: u8,
    },
    Delete(u8),
    /// Another match key; the second number says which.
    Move(u8, u8),
    /// The destination refuses the row until it is edited.
    Block(u8),
    Hashes(bool),
    Score(bool),
    Scale(u8),
    Sync,
    Limited(u8),
    Refresh,
    /// A run that ends at a point.
    Accident {
        point: usize,
        n: u64,
        refresh: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 0..5u8;
    prop_oneof![
        8 => (id(), 0..3u8, 0..3u8, 0..3u8)
            .prop_map(|(id, plan, city, score)| Step::Put { id, plan, city, score }),
        1 => id().prop_map(Step::Delete),
        2 => (id(), 0..2u8).prop_map(|(id, to)| Step::Move(id, to)),
        2 => id().prop_map(Step::Block),
        1 => any::<bool>().prop_map(Step::Hashes),
        1 => any::<bool>().prop_map(Step::Score),
        1 => (1..3u8).prop_map(Step::Scale),
        3 => Just(Step::Sync),
        1 => (1..4u8).prop_map(Step::Limited),
        1 => Just(Step::Refresh),
        5 => (0..POINTS.len(), 1..5u64, prop::bool::weighted(0.2))
            .prop_map(|(point, n, refresh)| Step::Accident { point, n, refresh }),
    ]
}

fn expect(run: Run, codes: &[i32]) {
    assert!(codes.contains(&run.code), "{run:#?}");
}

fn happen(world: &mut World, step: &Step) {
    match step {
        Step::Put { id, plan, city, score } => world.sql(&format!(
            "insert into people values ({id}, 'p{id}', 'v{plan}', 'c{city}', nullif({score}, 0) / 2.0) on conflict (id) \
             do update set plan = excluded.plan, city = excluded.city, score = excluded.score"
        )),
        Step::Delete(id) => world.sql(&format!("delete from people where id = {id}")),
        Step::Move(id, to) => {
            world.sql(&format!("update people set code = 'm{id}-{to}' where id = {id}"))
        }
        Step::Block(id) => world.sql(&format!("update people set plan = 'blocked' where id = {id}")),
        Step::Hashes(hashes) => world.hashes = *hashes,
        Step::Score(score) => world.score = *score,
        Step::Scale(scale) => world.scale = *scale,
        Step::Sync => expect(world.sync(&[], None), &[0, 1, 3]),
        Step::Limited(rows) => expect(world.sync(&["--limit", &rows.to_string()], None), &[0, 1, 3]),
        Step::Refresh => expect(world.sync(&["--full-refresh"], None), &[0, 1, 3]),
        Step::Accident { point, n, refresh } => {
            let more: &[&str] = if *refresh { &["--full-refresh"] } else { &[] };
            expect(world.sync(more, Some(&format!("{}:{n}", POINTS[*point]))), &[-1, 0, 1, 3]);
        }
    }
    world.write();
}

/// Plays a history to its end and holds the destination against the source.
fn play(steps: &[Step]) {
    let mut world = World::new(false);
    // A source without a row would be held.
    world.sql("insert into people values (90, 'p90', 'v0', 'c0', 0.5)");
    for step in steps {
        happen(&mut world, step);
    }
    world.sql("update people set plan = 'fine' where plan = 'blocked'");
    let mut runs = 0;
    while world.sync(&[], None).code != 0 {
        runs += 1;
        assert!(runs < 12, "the sync does not come to rest");
    }
    let (wanted, mut found) = (world.wanted(), world.found());
    // Who has gone from the source stays.
    found.retain(|code, _| wanted.contains_key(code));
    assert_eq!(found, wanted);
    let again = world.sync(&[], None).ends(0).json()["syncs"][0].clone();
    assert_eq!(again["sent"], 0, "a rerun sends nothing: {again:#}");
}

#[test]
fn histories_end_with_each_field_as_the_source_has_it() {
    let (cases, seed) =
        (asked("OUTFLOW_TEST_HISTORIES").unwrap_or(8), asked("OUTFLOW_TEST_SEED").unwrap_or(1));
    println!("OUTFLOW_TEST_HISTORIES={cases} OUTFLOW_TEST_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config =
        Config { cases: cases as u32, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let result = runner.run(&prop::collection::vec(step(), 4..16), |steps| {
        play(&steps);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("seed {seed}: {failure}");
    }
}
