//! Blocks as users write them.

use std::time::Duration;

use serde_json::json;

use super::*;

#[test]
fn a_block_declares_properties_limits_and_faults() {
    let mut config = SandboxConfig::default();
    config
        .add(
            "hubspot",
            &json!({
                "objects": {"contacts": {
                    "lifetime_value": "number",
                    "plan": {"enum": ["A", 2]},
                    "external_id": {"type": "string", "unique": true, "refuse": "blocked"},
                }},
                "limits": {"requests": "10000/10s", "daily_calls": 5},
                "faults": [{"do": "status", "code": 503, "rate": 0.5, "times": 3, "path": "batch"}],
            }),
        )
        .unwrap();
    let vendor = config.vendor("hubspot");
    let contacts = &vendor.objects["contacts"];
    assert_eq!(contacts["lifetime_value"], PropertySpec::new(PropertyType::Number));
    assert_eq!(contacts["plan"].options, ["A", "2"]);
    assert!(contacts["external_id"].unique);
    assert_eq!(contacts["external_id"].refuse, ["blocked"]);
    assert_eq!(vendor.limits.requests, Some(RateLimit { requests: 10_000, per: Duration::from_secs(10) }));
    assert_eq!(vendor.limits.daily_calls, Some(5));
    assert_eq!(vendor.faults.len(), 1);
}

#[test]
fn a_mistake_is_named_with_its_place() {
    for (block, part) in [
        (json!({"object": {}}), "unknown key `object`; did you mean `objects`?"),
        (json!({"zzz": {}}), "unknown key `zzz`; known are `objects`, `limits`, `faults`, `assoc"),
        (
            json!({"faults": [{"do": "hang"}, {"rat": 1}]}),
            "unknown key `faults[1].rat`; did you mean `rate`?",
        ),
        (
            json!({"objects": {"contacts": {"a": "nmber"}}}),
            "`objects.contacts.a` has the unknown type `nmber`",
        ),
        (json!({"objects": {"contacts": {"a": {"typ": "x"}}}}), "unknown key `objects.contacts.a.typ`"),
        (json!({"objects": {"contacts": {"a": {"type": "enum"}}}}), "`objects.contacts.a` needs both"),
        (json!({"objects": {"contacts": {"a": {"type": "date", "unique": 1}}}}), "a.unique` must be `true`"),
        (json!({"objects": []}), "`objects` must be a block"),
        (json!({"limits": {"requests": "190"}}), "must look like `190/10s`"),
        (json!({"limits": {"requests": "0/s"}}), "must look like `190/10s`"),
        (json!({"limits": {"requests": "5/1ä"}}), "must look like `190/10s`"),
        (json!({"limits": {"daily_calls": -1}}), "`limits.daily_calls` must be a whole number"),
        (json!({"faults": {}}), "`faults` must be a list"),
        (json!({"faults": [{"do": "explode"}]}), "`faults[0].do`"),
    ] {
        let error = SandboxConfig::default().add("hubspot", &block).unwrap_err();
        assert!(error.contains(part), "{block}: {error}");
    }
    let error = SandboxConfig::default().add("hubspto", &json!({})).unwrap_err();
    assert!(error.contains("no `hubspto`") && error.contains("`hubspot`"), "{error}");
}

#[test]
fn connections_share_an_account_unless_they_contradict() {
    let mut config = SandboxConfig::default();
    let block = json!({"objects": {"contacts": {"a": "number"}}, "limits": {"requests": "5/s"}});
    config.add("hubspot", &block).unwrap();
    config.add("hubspot", &block).unwrap();
    config.add("hubspot", &Json::Null).unwrap();
    let other = json!({"objects": {"contacts": {"a": "string"}}});
    assert!(config.add("hubspot", &other).unwrap_err().contains("`objects.contacts.a` is declared twice"));
    let other = json!({"limits": {"requests": "6/s"}});
    assert!(config.add("hubspot", &other).unwrap_err().contains("`limits.requests` is set twice"));
}

#[test]
fn a_file_may_have_one_block_for_all_or_one_per_vendor() {
    let block = json!({"limits": {"daily_calls": 7}});
    let all = SandboxConfig::from_json(&block).unwrap();
    let one = SandboxConfig::from_json(&json!({"hubspot": block})).unwrap();
    assert_eq!(all.vendor("hubspot"), one.vendor("hubspot"));
    assert_eq!(all.vendor("hubspot").limits.daily_calls, Some(7));
    assert!(SandboxConfig::from_json(&json!({"hubspto": {}})).is_err());
}

#[test]
fn a_block_for_all_is_no_mistake_of_those_who_cannot_hold_it() {
    let limits = json!({"requests": "5/1s"});
    let block = json!({"objects": {"contacts": {"a": "number"}, "2-77": {"b": "string"}}, "limits": limits});
    let config = SandboxConfig::from_json(&block).unwrap();
    assert_eq!(config.vendor("hubspot").objects.len(), 2);
    let other = config.vendor("brevo");
    assert!(other.objects.is_empty() && other.limits == config.vendor("hubspot").limits, "{other:?}");
    // A key that HubSpot alone has makes the block one for HubSpot, which holds no number as an e-mail address.
    let wrong = json!({"objects": {"contacts": {"email": "number"}}});
    assert!(SandboxConfig::from_json(&wrong).is_ok());
    let meant = json!({"objects": {"contacts": {"email": "number"}}, "associations": []});
    let error = SandboxConfig::from_json(&meant).unwrap_err();
    assert!(error.starts_with("`hubspot`: "), "{error}");
}
