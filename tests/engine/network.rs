//! A network that repeats requests and answers, or delivers them when nobody waits for them any more.

use std::time::Duration;

use super::lab::{Lab, check_identities, counts};
use super::matrix::each;
use super::scenarios::{SCENARIOS, Scenario, serve};
use crate::support::{Proxy, Trouble, outflow_with};

/// How long outflow waits for an answer where answers are late.
const PATIENCE: &str = "timeout:800";
const LATE: Duration = Duration::from_millis(1200);

const INSERTS: &str = "inserts after a crash";
const TROUBLES: [Trouble; 5] = [
    Trouble::SentTwice,
    Trouble::AnsweredTwice,
    Trouble::EarlierAnswer,
    Trouble::SlowAnswer(LATE),
    Trouble::SlowRequest(LATE),
];

fn troubled(scenario: &Scenario, lab: &Lab, trouble: Trouble) {
    let mut lab = lab.copy();
    let server = serve(&mut lab);
    let proxy = Proxy::start(&server.url, trouble);
    lab.base_url = format!("{}/hubspot", proxy.url);
    lab.write();
    let arguments: Vec<&str> = ["sync", "--format", "json"].iter().chain(scenario.flags).copied().collect();
    let is_late = matches!(trouble, Trouble::SlowAnswer(_) | Trouble::SlowRequest(_));
    let variables: &[_] = if is_late { &[("OUTFLOW_REHEARSE", PATIENCE)] } else { &[] };
    let run = outflow_with(lab.path(), &arguments, variables);
    proxy.rest();
    let report = run.json()["syncs"][0].clone();
    println!("{} {trouble:?}: {} struck, exit {}, {report}", scenario.name, proxy.struck(), run.code);
    check_identities(&report);
    assert!(proxy.struck() > 1, "the network had no trouble");
    assert!([0, 3].contains(&run.code), "{run:#?}");
    lab.base_url = format!("{}/hubspot", server.url);
    lab.write();
    // The second of two creates is refused, and that answer is all that came; the objects there prove the first.
    if scenario.name == INSERTS && trouble == Trouble::SentTwice {
        let [added, rejected, delivered] = counts(&report, ["added", "rejected", "delivered"]);
        assert!(added >= 20 && rejected == 0 && delivered == added, "{report:#}");
    }
    lab.sync_with(scenario.flags, scenario.code);
    scenario.assert_delivered(&lab);
    let writes = server.writes();
    lab.sync(scenario.code);
    assert_eq!(server.writes(), writes, "a rerun sends nothing");
}

#[test]
fn what_the_network_repeats_or_delays_is_made_good_by_one_clean_run() {
    let names = ["first run", "mirror", INSERTS];
    let prepared =
        each(SCENARIOS.iter().filter(|scenario| names.contains(&scenario.name)).collect(), |scenario| {
            (*scenario, scenario.prepare())
        });
    let all = prepared.iter().flat_map(|(scenario, lab)| TROUBLES.map(|trouble| (*scenario, lab, trouble)));
    each(all.collect(), |(scenario, lab, trouble)| troubled(scenario, lab, *trouble));
}
