//! What a mapping's `destination` block says beyond object and match key.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value as Json, json};

use super::encode::long_id;
use crate::contract::{ConnectorError, Kind, Target};

pub(super) const NAMES: &[&str] =
    &["api", "assignment_rule", "duplicate_rule", "group_by", "hard_delete", "headers", "update_mru"];

/// By which API changes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// By jobs where there are many, else by collections.
    Auto,
    /// By jobs of the Bulk API 2.0 alone.
    Bulk,
    /// By collections alone.
    Collections,
}

/// The id of a record.
pub(super) const ID: &str = "Id";

/// What a `destination` block means.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Options {
    /// `Contact`
    pub(super) object: String,
    /// The match key's field: an external id, or [`ID`]. `None` only where the target has no fields at all, as when they are
    /// listed.
    pub(super) key: Option<String>,
    pub(super) api: Api,
    /// The id of the assignment rule of a job.
    pub(super) rule: Option<String>,
    /// What is removed does not go into the recycle bin.
    pub(super) hard_delete: bool,
    /// The field of the mapping by which changes are put together in jobs.
    pub(super) together: Option<String>,
    /// Of the requests that write.
    pub(super) headers: HeaderMap,
}

impl Options {
    /// # Errors
    /// [`Kind::Config`] for what cannot be meant.
    pub(super) fn read(target: &Target) -> Result<Self, ConnectorError> {
        let option = |name: &str| target.options.get(name);
        let asked = match option("api").map(Json::as_str) {
            None | Some(Some("auto")) => Api::Auto,
            Some(Some("bulk")) => Api::Bulk,
            Some(Some("collections")) => Api::Collections,
            Some(_) => {
                let hint = "leave it out for `auto`: jobs from 2,000 changes on";
                return Err(refuse("`destination.api` must be `auto`, `bulk` or `collections`", hint));
            }
        };
        let api = api(asked, target)?;
        if !is_name(&target.object) {
            let what = format!("`{}` is not the API name of an object", target.object);
            return Err(refuse(
                &what,
                "write it as Setup, \"Object Manager\" shows it: `Contact`, `Invoice__c`",
            ));
        }
        let key = match target.match_on.as_slice() {
            [] => None,
            [key] if is_name(key) => Some(key.clone()),
            [key] => {
                let what = format!("`{key}` cannot be matched on");
                return Err(refuse(&what, "name a field of the object itself that is an External ID"));
            }
            _ => {
                return Err(refuse(
                    "Salesforce matches on one field",
                    "name one External ID in `match_on`; put several columns together in the query",
                ));
            }
        };
        let hard_delete = flag(option("hard_delete"), "hard_delete")?.unwrap_or(false);
        if hard_delete && api == Api::Collections {
            return Err(refuse(
                "`hard_delete: true` needs jobs of the Bulk API",
                "take out `api: collections`, and what only collections do",
            ));
        }
        Ok(Options {
            object: target.object.clone(),
            key,
            api,
            rule: option("assignment_rule").and_then(Json::as_str).map(str::to_owned),
            hard_delete,
            together: together(target)?,
            headers: headers(target)?,
        })
    }
}

fn refuse(what: &str, hint: &str) -> ConnectorError {
    ConnectorError::new(Kind::Config, what).hint(hint)
}

/// No page says that jobs obey what is asked for by these headers, so that they keep to collections.
fn api(asked: Api, target: &Target) -> Result<Api, ConnectorError> {
    let rules = target.options.contains_key("duplicate_rule");
    let assigns = target.options.get("assignment_rule") == Some(&Json::Bool(true));
    let (what, hint) = match (rules, assigns) {
        (false, false) => return Ok(asked),
        (true, _) => ("`duplicate_rule` is for collections", "take out one of it and `api: bulk`"),
        (false, true) => {
            ("`assignment_rule: true` is for collections", "take out `api: bulk`, or name the rule by its id")
        }
    };
    match asked {
        Api::Bulk => Err(refuse(what, hint)),
        Api::Auto | Api::Collections => Ok(Api::Collections),
    }
}

/// The field that `group_by` names, else the first parent that is named by its external id.
fn together(target: &Target) -> Result<Option<String>, ConnectorError> {
    let parent = || target.fields.iter().find(|name| name.contains('.')).cloned();
    match target.options.get("group_by") {
        None => Ok(parent()),
        Some(Json::String(name)) if target.fields.is_empty() || target.fields.contains(name) => {
            Ok(Some(name.clone()))
        }
        Some(_) => Err(refuse(
            "`destination.group_by` must be a field of the mapping",
            "name the field that refers to the parent, such as `AccountId`",
        )),
    }
}

/// Whether this can be the API name of an object or a field.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Headers by which a request says how records are saved (REST API Developer Guide, "Headers").
fn headers(target: &Target) -> Result<HeaderMap, ConnectorError> {
    let mut headers = HeaderMap::new();
    let mut put = |name: &str, value: String| -> Result<(), ConnectorError> {
        let named = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        let Some((name, value)) = named else {
            return Err(refuse(&format!("`{name}` cannot be a header"), "check `destination.headers`"));
        };
        headers.insert(name, value);
        Ok(())
    };
    let mru = flag(target.options.get("update_mru"), "update_mru")?.unwrap_or(false);
    put("Sforce-Mru", format!("updateMru={mru}"))?;
    match target.options.get("assignment_rule") {
        None => {}
        Some(Json::Bool(set)) => put("Sforce-Auto-Assign", if *set { "TRUE" } else { "FALSE" }.to_owned())?,
        Some(Json::String(id))
            if long_id(id).len() == 18 && id.bytes().all(|b| b.is_ascii_alphanumeric()) =>
        {
            put("Sforce-Auto-Assign", id.clone())?;
        }
        Some(_) => {
            return Err(refuse(
                "`destination.assignment_rule` must be `true`, `false` or a rule's id",
                "the id is the last part of the rule's address in Setup",
            ));
        }
    }
    if let Some(rule) = target.options.get("duplicate_rule") {
        put("Sforce-Duplicate-Rule-Header", duplicate_rule(rule)?)?;
    }
    match target.options.get("headers") {
        None => {}
        Some(Json::Object(own)) => {
            for (name, value) in own {
                let lower = name.to_ascii_lowercase();
                let Json::String(value) = value else {
                    return Err(refuse(&format!("`destination.headers.{name}` must be a text"), "quote it"));
                };
                if ["authorization", "content-type", "content-length", "cookie", "host", "transfer-encoding"]
                    .contains(&lower.as_str())
                {
                    return Err(refuse(&format!("the header `{name}` is outflow's own"), "take it out"));
                }
                put(name, value.clone())?;
            }
        }
        Some(_) => {
            return Err(refuse("`destination.headers` must be a block", "write `headers: {Name: value}`"));
        }
    }
    Ok(headers)
}

fn flag(value: Option<&Json>, name: &str) -> Result<Option<bool>, ConnectorError> {
    match value {
        None => Ok(None),
        Some(Json::Bool(set)) => Ok(Some(*set)),
        Some(_) => {
            Err(refuse(&format!("`destination.{name}` must be `true` or `false`"), "write it without quotes"))
        }
    }
}

/// `allowSave=true; includeRecordDetails=true; runAsCurrentUser=true`
fn duplicate_rule(rule: &Json) -> Result<String, ConnectorError> {
    const KEYS: [(&str, &str); 3] = [
        ("allow_save", "allowSave"),
        ("include_record_details", "includeRecordDetails"),
        ("run_as_current_user", "runAsCurrentUser"),
    ];
    let hint = "write `duplicate_rule: {allow_save: true}`; it also takes `include_record_details` and `run_as_current_user`";
    let Some(block) = rule.as_object().filter(|block| !block.is_empty()) else {
        return Err(refuse("`destination.duplicate_rule` must be a block", hint));
    };
    if let Some(unknown) = block.keys().find(|key| KEYS.iter().all(|(known, _)| known != key)) {
        return Err(refuse(&format!("unknown key `destination.duplicate_rule.{unknown}`"), hint));
    }
    let mut parts = Vec::new();
    for (key, name) in KEYS {
        if let Some(set) = flag(block.get(key), &format!("duplicate_rule.{key}"))? {
            parts.push(format!("{name}={set}"));
        }
    }
    Ok(parts.join("; "))
}

/// JSON Schema of each key of a `destination` block that is Salesforce's own.
pub(super) fn schema(option: &str) -> Json {
    let flag = json!({"type": "boolean"});
    match option {
        "api" => json!({"enum": ["auto", "bulk", "collections"]}),
        "assignment_rule" => json!({"anyOf": [flag, {"type": "string"}]}),
        "duplicate_rule" => json!({
            "type": "object", "additionalProperties": false, "minProperties": 1,
            "properties": {"allow_save": flag, "include_record_details": flag, "run_as_current_user": flag},
        }),
        "group_by" => json!({"type": "string"}),
        "headers" => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        _ => flag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: Json, match_on: &[&str]) -> Result<Options, ConnectorError> {
        Options::read(&Target {
            object: "Contact".to_owned(),
            match_on: match_on.iter().map(|&name| name.to_owned()).collect(),
            options: options.as_object().unwrap().clone(),
            ..Target::default()
        })
    }

    #[test]
    fn options_become_headers() {
        let options = read(
            json!({"assignment_rule": false, "duplicate_rule": {"allow_save": true, "run_as_current_user": false},
                   "headers": {"Sforce-Call-Options": "client=x"}}),
            &["Ext__c"],
        );
        let options = options.unwrap();
        let header = |name: &str| options.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("sforce-mru"), Some("updateMru=false"));
        assert_eq!(header("sforce-auto-assign"), Some("FALSE"));
        assert_eq!(header("sforce-duplicate-rule-header"), Some("allowSave=true; runAsCurrentUser=false"));
        assert_eq!(header("sforce-call-options"), Some("client=x"));
        assert_eq!(options.key.as_deref(), Some("Ext__c"));
        let set = read(json!({"update_mru": true}), &[]).unwrap();
        assert_eq!(set.headers.get("sforce-mru").unwrap(), "updateMru=true");
    }

    #[test]
    fn what_only_collections_do_keeps_to_them() {
        let api = |options: Json| read(options, &["Ext__c"]).unwrap().api;
        assert_eq!((api(json!({})), api(json!({"api": "bulk"}))), (Api::Auto, Api::Bulk));
        assert_eq!(api(json!({"duplicate_rule": {"allow_save": true}})), Api::Collections);
        assert_eq!(api(json!({"assignment_rule": true})), Api::Collections);
        let by_id = read(json!({"assignment_rule": "01Q4S000000abcd"}), &["Ext__c"]).unwrap();
        assert_eq!((by_id.api, by_id.rule.as_deref()), (Api::Auto, Some("01Q4S000000abcd")));
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (options, match_on, word) in [
            (json!({"api": "soap"}), vec!["Ext__c"], "destination.api"),
            (
                json!({"api": "bulk", "duplicate_rule": {"allow_save": true}}),
                vec!["Ext__c"],
                "duplicate_rule",
            ),
            (json!({"api": "bulk", "assignment_rule": true}), vec!["Ext__c"], "assignment_rule"),
            (json!({"api": "collections", "hard_delete": true}), vec!["Ext__c"], "hard_delete"),
            (json!({"group_by": 7}), vec!["Ext__c"], "group_by"),
            (json!({"update_mru": "yes"}), vec!["Ext__c"], "update_mru"),
            (json!({"assignment_rule": 7}), vec!["Ext__c"], "assignment_rule"),
            (json!({"assignment_rule": ""}), vec!["Ext__c"], "assignment_rule"),
            (json!({"assignment_rule": "my rule"}), vec!["Ext__c"], "assignment_rule"),
            (json!({"duplicate_rule": {}}), vec!["Ext__c"], "duplicate_rule"),
            (json!({"duplicate_rule": {"allow": true}}), vec!["Ext__c"], "duplicate_rule.allow"),
            (json!({"headers": {"Authorization": "x"}}), vec!["Ext__c"], "Authorization"),
            (json!({"headers": {"a b": "x"}}), vec!["Ext__c"], "a b"),
            (json!({}), vec!["A__c", "B__c"], "one field"),
            (json!({}), vec!["Account.Ext__c"], "Account.Ext__c"),
        ] {
            let error = read(options, &match_on).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            assert!(error.message.contains(word), "{error}");
        }
    }
}
