//! What `diff` foresees of a run, against what the run takes: every destination that has an emulator.

use serde_json::{Value as Json, json};

use super::every_destination::{Rig, Spec, specs};
use super::lab::counts;

/// Adds, changes and removes rows, and holds each forecast against the run that follows.
#[track_caller]
fn hold(spec: &Spec, options: &Json) {
    let rig = Rig::with(spec, |_, mapping| {
        if spec.can("mirror") {
            mapping["mode"] = json!("mirror");
        }
        for (name, value) in options.as_object().unwrap() {
            mapping["destination"][name] = value.clone();
        }
    });
    for change in ["", "update people set name = name || ' II'", "delete from people where id > 7"] {
        rig.sql(change);
        let preview = rig.run(&["diff", "--format", "json"]).ends(0).json();
        let foreseen = preview["syncs"][0]["forecast"]["requests"].as_u64().unwrap();
        let [taken] = counts(&rig.sync(0), ["requests"]);
        let fits = |one: u64, other: u64| one <= other + other / 5 + 1;
        assert!(
            fits(foreseen, taken) && fits(taken, foreseen),
            "{} {options}: {change}: {foreseen} foreseen, {taken} taken",
            spec.vendor
        );
    }
}

#[test]
fn a_forecast_has_about_as_many_requests_as_the_run_takes() {
    for spec in &specs() {
        hold(spec, &json!({}));
    }
}

#[test]
fn what_an_option_adds_or_sends_another_way_is_foreseen() {
    for spec in &specs() {
        let options = match spec.vendor.as_str() {
            "klaviyo" => {
                vec![json!({"list": "NEWS"}), json!({"api": "import"}), json!({"deletion": "suppress"})]
            }
            "marketo" => vec![json!({"list": 1159}), json!({"deletion": "unsubscribe"})],
            "braze" => vec![json!({"api": "bulk"}), json!({"deletion": "unsubscribe"})],
            "brevo" => vec![json!({"api": "single"})],
            "mailchimp" => vec![json!({"hard_delete": true})],
            _ => Vec::new(),
        };
        options.iter().for_each(|options| hold(spec, options));
    }
}
