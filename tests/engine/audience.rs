//! `mode: audience`: rows that are there are members of a list, rows gone are taken off.

use std::collections::BTreeSet;

use super::lab::{Lab, THREE, counts};
use crate::support::outflow;

const AUDIENCE: &str = "sync: vip
source: {connection: warehouse, query: 'select id, email from people where score > 1', primary_key: id}
destination: {connection: crm, object: contacts, match_on: {email: email}, list: VIP}
mode: audience
guards: {max_delete: 100%, key_change: false}
";

/// Three people as contacts, and a sync of a list of them.
fn office() -> Lab {
    let lab = Lab::new(THREE);
    let project = std::fs::read_to_string(lab.file("outflow.yml")).unwrap();
    let lists = "lists: {VIP: contacts, Active: {object: contacts, dynamic: true}, Firms: companies}";
    let project = project.replace("      faults:", &format!("      {lists}\n      faults:"));
    std::fs::write(lab.file("outflow.yml"), project).unwrap();
    std::fs::write(lab.file("mappings/vip.yml"), AUDIENCE).unwrap();
    lab
}

#[track_caller]
fn sync<const N: usize>(lab: &Lab, code: i32, names: [&str; N]) -> [u64; N] {
    let run = outflow(lab.path(), &["sync", "vip", "--format", "json"]).ends(code);
    let report = run.json()["syncs"][0].clone();
    super::lab::check_identities(&report);
    counts(&report, names)
}

/// E-mails of the list's members.
fn members(lab: &Lab) -> BTreeSet<String> {
    let file = ["sandbox", "show", "--format", "json", "--file", ".outflow/sandbox.db"];
    let shown = lab.run(&file).ends(0).json()["objects"]["hubspot"].clone();
    let none = Vec::new();
    // Lists are numbered by name: Active, Firms, VIP.
    let members =
        shown["lists/3"].as_array().unwrap_or(&none).iter().filter(|member| member["archived"] == false);
    let contacts = shown["contacts"].as_array().unwrap();
    let email = |id: &str| {
        let contact = contacts.iter().find(|contact| contact["id"] == id).unwrap();
        contact["properties"]["email"].as_str().unwrap().to_owned()
    };
    members.map(|member| email(member["id"].as_str().unwrap())).collect()
}

fn these<const N: usize>(emails: [&str; N]) -> BTreeSet<String> {
    emails.into_iter().map(str::to_owned).collect()
}

#[test]
fn rows_are_members_and_rows_gone_are_not() {
    let lab = office();
    assert_eq!(
        sync(&lab, 0, ["added", "rejected", "delivered", "parked"]),
        [3, 3, 0, 0],
        "no contact is there yet"
    );
    lab.run(&["sync", "people"]).ends(0);
    assert_eq!(sync(&lab, 0, ["delivered", "requests"]), [3, 1]);
    assert_eq!(members(&lab), these(["ada@x.io", "bob@x.io", "cyd@x.io"]));
    assert_eq!(sync(&lab, 0, ["unchanged", "requests"]), [3, 0]);

    lab.sql("update people set score = 0 where id = 2; update people set name = 'Adele' where id = 1");
    assert_eq!(sync(&lab, 0, ["removed", "changed", "delivered"]), [1, 0, 1]);
    assert_eq!(members(&lab), these(["ada@x.io", "cyd@x.io"]));
    assert_eq!(lab.contacts().len(), 3, "nobody's contact is removed");

    lab.sql("update people set score = 9 where id = 2");
    assert_eq!(sync(&lab, 0, ["added", "delivered"]), [1, 1]);
    assert_eq!(members(&lab).len(), 3, "a member comes back");
}

#[test]
fn another_match_key_is_another_member() {
    let lab = office();
    lab.run(&["sync", "people"]).ends(0);
    sync(&lab, 0, ["delivered"]);
    lab.sql("insert into people values (4, 'dee@x.io', 'Dee', 0)");
    lab.run(&["sync", "people"]).ends(0);
    lab.sql("delete from people where id = 4; update people set email = 'dee@x.io' where id = 1");
    assert_eq!(sync(&lab, 0, ["changed", "delivered"]), [1, 2]);
    assert_eq!(members(&lab), these(["bob@x.io", "cyd@x.io", "dee@x.io"]));
}

#[test]
fn a_lost_answer_is_made_good_and_a_member_already_there_is_one() {
    let lab = office();
    lab.run(&["sync", "people"]).ends(0);
    let project = std::fs::read_to_string(lab.file("outflow.yml")).unwrap();
    let faulty = project.replace("faults: []", "faults: [{do: lost_ack, path: memberships}]");
    std::fs::write(lab.file("outflow.yml"), faulty).unwrap();
    assert_eq!(sync(&lab, 3, ["delivered", "unknown"]), [0, 3]);
    std::fs::write(lab.file("outflow.yml"), project).unwrap();
    // The sandbox's answer does not name members that were there before: they are looked up.
    assert_eq!(sync(&lab, 0, ["delivered", "unknown"]), [3, 0]);
    assert_eq!(members(&lab).len(), 3);
    assert_eq!(sync(&lab, 0, ["unchanged", "requests"]), [3, 0]);
}

/// Nobody knows who was put on the list; meanwhile one row has another match key, and one is gone.
#[test]
fn members_that_a_lost_answer_left_are_taken_off_when_their_rows_moved_or_went() {
    let lab = office();
    lab.sql("insert into people values (4, 'dee@x.io', 'Dee', 0)");
    lab.run(&["sync", "people"]).ends(0);
    let project = std::fs::read_to_string(lab.file("outflow.yml")).unwrap();
    let faulty = project.replace("faults: []", "faults: [{do: lost_ack, path: memberships}]");
    std::fs::write(lab.file("outflow.yml"), faulty).unwrap();
    assert_eq!(sync(&lab, 3, ["unknown"]), [3]);
    assert_eq!(members(&lab), these(["ada@x.io", "bob@x.io", "cyd@x.io"]));
    std::fs::write(lab.file("outflow.yml"), project).unwrap();
    lab.sql("delete from people where id in (2, 4); update people set email = 'dee@x.io' where id = 1");
    sync(&lab, 0, ["delivered"]);
    assert_eq!(members(&lab), these(["cyd@x.io", "dee@x.io"]));
    assert_eq!(sync(&lab, 0, ["unchanged", "requests"]), [2, 0]);
}

#[test]
fn what_is_no_list_or_no_audience_is_said_before_anything_is_sent() {
    for (from, to, word) in [
        ("list: VIP", "list: VPI", "no list `VPI`"),
        ("list: VIP", "list: Active", "fills the list `Active` itself"),
        ("list: VIP", "list: 2", "not one of `contacts`"),
        (", list: VIP", "", "`destination.list`"),
        ("mode: audience", "mode: upsert", "members only"),
        ("mode: audience", "mode: audience\non_delete: delete", "`on_delete` has no meaning"),
        ("mode: audience", "mode: audience\non_match_change: update", "another member"),
        ("mode: audience", "mode: audience\nfields: {firstname: id}", "`firstname`"),
    ] {
        let lab = office();
        std::fs::write(lab.file("mappings/vip.yml"), AUDIENCE.replace(from, to)).unwrap();
        let said =
            lab.run(&["check", "--connect", "--format", "json"]).ends(1).json()["diagnostics"].to_string();
        assert!(said.contains(word) && said.contains("mappings/vip.yml"), "{to}: {said}");
    }
    let lab = office();
    std::fs::write(lab.file("mappings/other.yml"), AUDIENCE.replace("sync: vip", "sync: other")).unwrap();
    let said = lab.run(&["check", "--format", "json"]).ends(1).json()["diagnostics"].to_string();
    assert!(said.contains("each would remove what the other added"), "{said}");
}

#[test]
fn another_list_is_another_destination() {
    let lab = office();
    lab.run(&["sync", "people"]).ends(0);
    sync(&lab, 0, ["delivered"]);
    let project = std::fs::read_to_string(lab.file("outflow.yml")).unwrap();
    std::fs::write(lab.file("outflow.yml"), project.replace("VIP: contacts", "VIP: contacts, ZIP: contacts"))
        .unwrap();
    std::fs::write(lab.file("mappings/vip.yml"), AUDIENCE.replace("list: VIP", "list: ZIP")).unwrap();
    assert_eq!(sync(&lab, 4, ["sent"]), [0]);
}
