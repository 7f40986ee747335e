//! Mailchimp as a destination.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::archived::Archived;
use super::client::{Client, List};
use super::encode::hash;
use super::fields::{self, EMAIL, INTERESTS};
use super::jobs::{Jobs, OPERATIONS};
use super::options::{Api, Options};
use super::results::Store;
use super::session::MemberSession;
use super::tags::TagSession;
use super::together::MEMBERS;
use super::{config, creation, errors};
use crate::contract::{
    AccountId, Bulk, Calls, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, FieldValue, Kind,
    Load, Lookup, Normaliser, Property, QuotaOwner, RunContext, Session, Target, Traffic, Value, Verb,
    folded,
};
use crate::creation::Creation;
use crate::http::json::text;
use crate::http::{Patience, Policy, Terms};
use crate::registry::{Limits, Settings};

/// Fewer than the 10 that Mailchimp takes, so that other programs of the same user have room.
const IN_FLIGHT: usize = 8;

/// From so many changes on batches of operations are worth their wait: one by one, so many take some minutes.
const MANY: u64 = 5_000;

/// Batches of operations under way at once.
const JOBS: usize = 2;

/// Bytes of such a batch, far below what any member's fields need.
const JOB_BYTES: usize = 16 << 20;

/// A batch of operations that takes longer is given up.
const LONGEST_JOB: Duration = Duration::from_secs(2 * 3600);

/// Mailchimp ends a call itself after so long:
/// <https://mailchimp.com/developer/marketing/docs/fundamentals/#api-limits>.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A Mailchimp account, by one of its keys.
pub struct Mailchimp {
    client: Client,
    limits: Limits,
    sandbox: bool,
    connection: String,
    ca_file: Option<PathBuf>,
    policy: Policy,
}

impl Mailchimp {
    /// # Errors
    /// [`Kind::Config`] for settings that cannot be meant.
    pub fn new(settings: &Settings) -> Result<Self, ConnectorError> {
        Self::with_policy(settings, Policy { timeout: TIMEOUT, ..Policy::default() })
    }

    /// With other times and attempts than the usual ones.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_policy(settings: &Settings, policy: Policy) -> Result<Self, ConnectorError> {
        let login = config::login(settings)?;
        let ca_file = login.ca_file.clone();
        let terms = Terms { vendor: errors::VENDOR, start_rate: None, in_flight: IN_FLIGHT };
        Ok(Mailchimp {
            client: Client { http: login.sender(settings, terms, policy)? },
            limits: settings.limits.clone(),
            sandbox: settings.sandbox,
            connection: settings.connection.clone(),
            ca_file,
            policy,
        })
    }

    fn jobs(&self, options: &Options, target: &Target, context: &RunContext) -> Jobs {
        let policy = self.policy;
        Jobs {
            allowed: options.can_batch(target),
            patience: Patience {
                first: policy.first_pause,
                longest: policy.longest_pause,
                whole: LONGEST_JOB,
            },
            store: Store { connection: self.connection.clone(), ca_file: self.ca_file.clone(), policy },
            permission: context.permission.clone(),
            unsettled: context.unsettled,
            quiet: OnceCell::new(),
        }
    }

    /// The fields of an account's only list; of several only what all members have.
    async fn any_catalog(&self) -> Result<Catalog, ConnectorError> {
        let lists = self.client.lists().await?;
        match &lists[..] {
            [(id, _)] => self.catalog_of(&List { id: id.clone(), skip_merge_validation: false }, true).await,
            lists => {
                let mut catalog = fields::catalog(&[], &[], false);
                let note = |(id, name): &(String, String)| {
                    format!("`list: {id}` is \"{name}\", with merge fields of its own")
                };
                catalog.notes = lists.iter().map(note).collect();
                Ok(catalog)
            }
        }
    }

    async fn catalog_of(&self, list: &List, interests: bool) -> Result<Catalog, ConnectorError> {
        let merge_fields = self.client.merge_fields(list).await?;
        let interests = if interests { self.client.interests(list).await? } else { Vec::new() };
        Ok(fields::catalog(&merge_fields, &interests, list.skip_merge_validation))
    }
}

/// What Mailchimp can do with members, under these limits.
pub(super) fn usual(limits: &Limits) -> Capabilities {
    Capabilities {
        verbs: &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete, Verb::Join, Verb::Leave],
        batch_rows: MEMBERS,
        in_flight: limits.concurrency.unwrap_or(IN_FLIGHT).max(1),
        rate: limits.requests,
        deletes: DeleteKind::Archive,
        remote_ids: true,
        partial_answers: true,
        ..Capabilities::BLANK
    }
}

fn list_of(options: &Options) -> Result<List, ConnectorError> {
    let id = options.list.clone().ok_or_else(|| {
        ConnectorError::new(Kind::Config, "`destination.list` is missing").hint("name the list by its id")
    })?;
    Ok(List { id, skip_merge_validation: options.skip_merge_validation })
}

#[async_trait]
impl Destination for Mailchimp {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        let options = Options::read(target)?;
        let all = usual(&self.limits);
        if options.tag.is_some() {
            return Ok(Capabilities { verbs: &[Verb::Join, Verb::Leave], ..all });
        }
        let from = match options.api {
            Api::Batches => 0,
            _ => MANY,
        };
        Ok(Capabilities {
            verbs: &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete],
            deletes: if options.hard_delete { DeleteKind::Hard } else { DeleteKind::Archive },
            bulk: options.can_batch(target).then_some(Bulk {
                from,
                batch_rows: OPERATIONS,
                batch_bytes: JOB_BYTES,
                in_flight: JOBS,
                requests: 1,
                together: None,
            }),
            ..all
        })
    }

    fn quota(&self) -> QuotaOwner {
        self.client.http.owner().clone()
    }

    fn daily_budget(&self) -> Option<u64> {
        self.client.http.daily_budget()
    }

    fn calls(&self, target: &Target, load: Load) -> Option<Vec<Calls>> {
        let requests = Options::read(target).ok()?.requests(target, load);
        Some(vec![Calls { requests, narrow: None }])
    }

    fn normaliser(&self, _target: &Target, field: &str) -> Option<Normaliser> {
        (field == EMAIL).then_some(folded as Normaliser)
    }

    fn creates(&self, field: &Property) -> Result<(), String> {
        creation::accepts(field)
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        let id = self.client.account().await?;
        Ok(AccountId(if self.sandbox { "sandbox".to_owned() } else { format!("mailchimp:{id}") }))
    }

    async fn catalog(&self, target: &Target) -> Result<Catalog, ConnectorError> {
        let options = Options::read(target)?;
        if options.list.is_none() {
            return self.any_catalog().await;
        }
        let list = list_of(&options)?;
        self.client.list(&list).await?;
        if options.tag.is_some() {
            target.members_only()?;
        }
        let named = target.fields.iter().any(|field| field.starts_with(INTERESTS));
        self.catalog_of(&list, named || target.fields.is_empty()).await
    }

    async fn look_up(
        &self,
        target: &Target,
        keys: &[Vec<FieldValue>],
    ) -> Result<Vec<Lookup>, ConnectorError> {
        let list = list_of(&Options::read(target)?)?;
        let mut found = Vec::with_capacity(keys.len());
        for fields in keys {
            let key = fields.first().filter(|field| field.value != Value::Null);
            let Some(email) = key.map(|field| field.value.to_string()).filter(|text| !text.is_empty()) else {
                found.push(Lookup::Unclear);
                continue;
            };
            let member = self.client.member(&list, &hash(&email)).await?;
            // One that is archived was made by nobody just now: what makes members brings it back.
            let living = member.filter(|member| text(member, "status").as_deref() != Some("archived"));
            found.push(match living.and_then(|member| text(&member, "id")) {
                Some(remote_id) => Lookup::Found { remote_id },
                None => Lookup::Absent,
            });
        }
        Ok(found)
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let options = Options::read(target)?;
        let list = list_of(&options)?;
        tracing::debug!(run = context.run_id, sync = context.sync, "session opened");
        let client = Client { http: self.client.http.permitted_by(context.permission.clone()) };
        if let Some(tag) = options.tag {
            return Ok(Box::new(TagSession { client, list, tag }));
        }
        Ok(Box::new(MemberSession {
            client,
            list,
            jobs: self.jobs(&options, target, &context),
            options,
            creation: Creation::of(&target.missing),
            archived: Archived::default(),
            forms: OnceCell::new(),
        }))
    }

    fn traffic(&self) -> Traffic {
        self.client.http.traffic()
    }
}
