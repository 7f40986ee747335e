//! What a mapping's `destination` block asks of Mailchimp.

use serde_json::{Value as Json, json};

use super::fields::{EMAIL, STATUS, TAGS};
use super::jobs::OPERATIONS;
use super::together::MEMBERS as CALL;
use crate::contract::{ConnectorError, Load, Target, Verb};
use crate::options::{flag, only_object, word, wrong};

/// The only object.
pub(super) const MEMBERS: &str = "members";

pub(super) const NAMES: &[&str] = &[
    "api",
    "create_missing_properties",
    "hard_delete",
    "list",
    "restore_archived",
    "resubscribe",
    "skip_merge_validation",
    "status_if_new",
    "sync_tags",
    "tag",
];

/// What a member of a list can be made with.
const NEW: [&str; 4] = ["subscribed", "pending", "transactional", "unsubscribed"];

/// How members are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// By batches of operations where there are many, else by calls on members.
    Auto,
    Members,
    Batches,
}

/// The options, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    /// The list's id; none only where a target has no match key, as when its fields are listed.
    pub(super) list: Option<String>,
    /// Where the sync keeps who has a tag, and nothing else.
    pub(super) tag: Option<String>,
    pub(super) api: Api,
    pub(super) status_if_new: String,
    /// A mapped status is also set for members that are there.
    pub(super) resubscribe: bool,
    /// An archived member is brought back by an upsert.
    pub(super) restore_archived: bool,
    pub(super) skip_merge_validation: bool,
    /// Tags that a row does not name are taken off.
    pub(super) sync_tags: bool,
    /// What is removed is gone for good.
    pub(super) hard_delete: bool,
}

impl Options {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for what Mailchimp does not have, or what contradicts itself.
    pub(super) fn read(target: &Target) -> Result<Self, ConnectorError> {
        only_object(target, "Mailchimp", MEMBERS)?;
        let is_asked_only = target.match_on.is_empty() && target.fields.is_empty();
        if !is_asked_only && target.match_on != [EMAIL] {
            let message = "a member of Mailchimp is matched on `email_address` alone".to_owned();
            return Err(wrong(message, "use `match_on: {email_address: COLUMN}`"));
        }
        let list = list(target.options.get("list"))?;
        if list.is_none() && !is_asked_only {
            return Err(wrong("`destination.list` is missing".to_owned(), LIST));
        }
        let apis = [("auto", Api::Auto), ("members", Api::Members), ("batches", Api::Batches)];
        let options = Options {
            list,
            tag: tag(target.options.get("tag"))?,
            api: word(target, "api", apis)?,
            status_if_new: word(target, "status_if_new", NEW.map(|status| (status, status)))?.to_owned(),
            resubscribe: flag(target, "resubscribe")?,
            restore_archived: flag(target, "restore_archived")?,
            skip_merge_validation: flag(target, "skip_merge_validation")?,
            sync_tags: flag(target, "sync_tags")?,
            hard_delete: flag(target, "hard_delete")?,
        };
        options.agree(target)?;
        Ok(options)
    }

    /// Whether a mapping can go by batches of operations: the tags of a member are a call of their own, which must
    /// follow the member's.
    pub(super) fn can_batch(&self, target: &Target) -> bool {
        self.api != Api::Members && self.tag.is_none() && !has(target, TAGS)
    }

    /// Whether a batch of so many upserts goes by a batch of operations, where it can.
    pub(super) fn is_much(&self, rows: usize) -> bool {
        self.api == Api::Batches || rows > CALL
    }

    /// Write requests of a batch. Who is not known to be there is taken for new, and each row for one with tags, where there are
    /// any.
    pub(super) fn requests(&self, target: &Target, Load { verb, rows, known }: Load) -> u64 {
        let together = |rows: u64| rows.div_ceil(CALL as u64);
        let is_much = || self.can_batch(target) && self.is_much(usize::try_from(rows).unwrap_or(usize::MAX));
        let members = match verb {
            Verb::Create => together(rows),
            Verb::Upsert if is_much() => rows.div_ceil(OPERATIONS as u64),
            Verb::Upsert if self.resubscribe => together(rows),
            Verb::Upsert => together(rows.saturating_sub(known)) + known,
            Verb::Update | Verb::Delete | Verb::Join | Verb::Leave => rows,
        };
        let is_tagged = matches!(verb, Verb::Create | Verb::Upsert | Verb::Update) && has(target, TAGS);
        members + if is_tagged { rows } else { 0 }
    }

    fn agree(&self, target: &Target) -> Result<(), ConnectorError> {
        if self.api == Api::Batches && !self.can_batch(target) {
            let message = "`destination.api: batches` cannot be used with tags".to_owned();
            return Err(wrong(
                message,
                "take out `api`: tags are put on members that are there by a call of their own",
            ));
        }
        if self.sync_tags && !has(target, TAGS) {
            let message = "`destination.sync_tags` needs a field `tags` to keep to".to_owned();
            return Err(wrong(message, "map `tags`, or take `sync_tags` out"));
        }
        if self.resubscribe && !has(target, STATUS) {
            let message =
                "`destination.resubscribe` needs a field `status` that says who is to be what".to_owned();
            return Err(wrong(message, "map `status`, or take `resubscribe` out"));
        }
        Ok(())
    }
}

fn has(target: &Target, field: &str) -> bool {
    target.fields.iter().any(|name| name == field)
}

const LIST: &str = "name it by its id, as in `list: a36b032126`; Mailchimp shows it in the audience's settings as \
                    \"Audience ID\"";

/// An id of a list, which is all hexadecimal; one of digits alone YAML reads as a number.
fn list(value: Option<&Json>) -> Result<Option<String>, ConnectorError> {
    let id = match value {
        None => return Ok(None),
        Some(Json::String(text)) => text.trim().to_owned(),
        Some(Json::Number(number)) => number.to_string(),
        Some(_) => String::new(),
    };
    match !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric()) {
        true => Ok(Some(id)),
        false => Err(wrong("`destination.list` is no id of a list".to_owned(), LIST)),
    }
}

fn tag(value: Option<&Json>) -> Result<Option<String>, ConnectorError> {
    match value {
        None => Ok(None),
        Some(Json::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
        Some(_) => Err(wrong("`destination.tag` must be a tag's name".to_owned(), "write it as `tag: VIP`")),
    }
}

/// JSON Schema of each option.
pub(super) fn schema(option: &str) -> Json {
    match option {
        "api" => json!({"enum": ["auto", "members", "batches"]}),
        "list" => json!({"type": ["string", "integer"]}),
        "status_if_new" => json!({"enum": NEW}),
        "tag" => json!({"type": "string"}),
        _ => json!({"type": "boolean"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::support;

    fn read(match_on: &[&str], fields: &[&str], options: Json) -> Result<Options, ConnectorError> {
        Options::read(&support::target("members", match_on, fields, options))
    }

    #[test]
    fn nothing_is_overwritten_unless_it_is_asked_for() {
        let options = read(&[EMAIL], &[EMAIL, "FNAME"], json!({"list": "a36b032126"})).unwrap();
        assert_eq!((options.list.as_deref(), options.api), (Some("a36b032126"), Api::Auto));
        assert_eq!(options.status_if_new, "subscribed");
        let flags = [
            options.resubscribe,
            options.restore_archived,
            options.skip_merge_validation,
            options.sync_tags,
            options.hard_delete,
        ];
        assert_eq!(flags, [false; 5]);
        assert_eq!(
            read(&[EMAIL], &[EMAIL], json!({"list": 1234567890})).unwrap().list.unwrap(),
            "1234567890"
        );
        assert!(read(&[], &[], json!({})).unwrap().list.is_none(), "fields can be listed without a list");
    }

    #[test]
    fn who_is_there_takes_a_request_and_who_is_new_a_place_in_one() {
        let requests = |fields: &[&str], options: Json, (verb, rows, known)| {
            let target = support::target("members", &[EMAIL], fields, options);
            Options::read(&target).unwrap().requests(&target, Load { verb, rows, known })
        };
        let list = || json!({"list": "a1"});
        assert_eq!(requests(&["FNAME"], list(), (Verb::Upsert, 120, 0)), 1);
        assert_eq!(requests(&["FNAME"], list(), (Verb::Upsert, 120, 60)), 61);
        assert_eq!(requests(&["FNAME"], list(), (Verb::Upsert, 1000, 1000)), 1, "a batch of operations");
        assert_eq!(requests(&["FNAME", TAGS], list(), (Verb::Create, 120, 0)), 121);
        assert_eq!(requests(&["FNAME"], list(), (Verb::Delete, 1000, 1000)), 1000);
        assert_eq!(requests(&[], json!({"list": "a1", "tag": "VIP"}), (Verb::Join, 120, 0)), 120);
    }

    #[test]
    fn what_mailchimp_does_not_have_is_named() {
        for (match_on, fields, options, word) in [
            (&["FNAME"][..], &[EMAIL][..], json!({"list": "a1"}), "`email_address` alone"),
            (&[EMAIL, "FNAME"], &[EMAIL], json!({"list": "a1"}), "`email_address` alone"),
            (&[EMAIL], &[EMAIL], json!({}), "`destination.list` is missing"),
            (&[EMAIL], &[EMAIL], json!({"list": "a/1"}), "no id of a list"),
            (&[EMAIL], &[EMAIL], json!({"list": ["a1"]}), "no id of a list"),
            (&[EMAIL], &[EMAIL], json!({"list": "a1", "tag": " "}), "`destination.tag`"),
            (&[EMAIL], &[EMAIL], json!({"list": "a1", "api": "bulk"}), "`destination.api`"),
            (
                &[EMAIL],
                &[EMAIL],
                json!({"list": "a1", "status_if_new": "cleaned"}),
                "`destination.status_if_new`",
            ),
            (&[EMAIL], &[EMAIL], json!({"list": "a1", "hard_delete": "yes"}), "`destination.hard_delete`"),
            (&[EMAIL], &[EMAIL, "tags"], json!({"list": "a1", "api": "batches"}), "cannot be used with tags"),
            (&[EMAIL], &[EMAIL], json!({"list": "a1", "sync_tags": true}), "`destination.sync_tags`"),
            (&[EMAIL], &[EMAIL], json!({"list": "a1", "resubscribe": true}), "`destination.resubscribe`"),
        ] {
            let error = read(match_on, fields, options.clone()).unwrap_err();
            assert_eq!(error.kind, crate::contract::Kind::Config);
            assert!(error.message.contains(word) && error.hint.is_some(), "{options}: {error}");
        }
    }
}
