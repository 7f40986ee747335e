//! Brevo as a destination.

use std::time::Duration;

use async_trait::async_trait;

use super::attributes;
use super::client::Client;
use super::config::LOGIN;
use super::encode::Sent;
use super::members::{self, ListSession};
use super::options::{EMAIL, Key, Options};
use super::session::ContactSession;
use super::{batch, creation, errors};
use crate::contract::{
    AccountId, Calls, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, FieldValue, Kind, Load,
    Lookup, Normaliser, Property, QuotaOwner, RateLimit, RunContext, Session, Target, Traffic, Value, Verb,
    folded,
};
use crate::creation::Creation;
use crate::http::{Patience, Policy, Terms, json};
use crate::registry::{Limits, Settings};

/// Calls on contacts in every plan; two larger ones allow 20 and 60 (<https://developers.brevo.com/docs/api-limits>).
const START_RATE: RateLimit = RateLimit { requests: 10, per: Duration::from_secs(1) };

const IN_FLIGHT: usize = 4;

/// Changes of a batch whose contacts go one by one: five seconds' worth, all of which a crash leaves in doubt.
const SINGLE: usize = 50;

/// Changes of a batch that an import may take. The fewer imports, the fewer questions for their end, of which an hour has
/// a hundred.
const IMPORTED: usize = 20_000;

/// An import that takes longer is given up.
const LONGEST_IMPORT: Duration = Duration::from_secs(3600);

/// A Brevo account, by one of its keys.
pub struct Brevo {
    client: Client,
    limits: Limits,
    sandbox: bool,
    patience: Patience,
}

impl Brevo {
    /// # Errors
    /// [`Kind::Config`] for settings that cannot be meant.
    pub fn new(settings: &Settings) -> Result<Self, ConnectorError> {
        Self::with_policy(settings, Policy::default())
    }

    /// With other times and attempts than the usual ones.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_policy(settings: &Settings, policy: Policy) -> Result<Self, ConnectorError> {
        let login = LOGIN.read(settings)?;
        let terms = Terms { vendor: errors::VENDOR, start_rate: Some(START_RATE), in_flight: IN_FLIGHT };
        let client = Client { http: login.sender(settings, terms, policy)? };
        let patience =
            Patience { first: policy.first_pause, longest: policy.longest_pause * 2, whole: LONGEST_IMPORT };
        Ok(Brevo { client, limits: settings.limits.clone(), sandbox: settings.sandbox, patience })
    }
}

/// What Brevo can do with contacts that go one by one, under these limits.
pub(super) fn capabilities_of(limits: &Limits) -> Capabilities {
    Capabilities {
        verbs: &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete, Verb::Join, Verb::Leave],
        batch_rows: SINGLE,
        in_flight: limits.concurrency.unwrap_or(IN_FLIGHT).max(1),
        rate: Some(limits.requests.unwrap_or(START_RATE)),
        deletes: DeleteKind::Hard,
        remote_ids: true,
        partial_answers: true,
        ..Capabilities::BLANK
    }
}

#[async_trait]
impl Destination for Brevo {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        let options = Options::read(target)?;
        let all = capabilities_of(&self.limits);
        let contacts = &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete];
        Ok(match options.list {
            Some(_) => {
                Capabilities { verbs: &[Verb::Join, Verb::Leave], batch_rows: members::MEMBERS, ..all }
            }
            None if options.importable => Capabilities {
                verbs: contacts,
                batch_rows: IMPORTED,
                batch_bytes: Some(options.max_bytes),
                ..all
            },
            None => Capabilities { verbs: contacts, ..all },
        })
    }

    fn quota(&self) -> QuotaOwner {
        self.client.http.owner().clone()
    }

    fn daily_budget(&self) -> Option<u64> {
        self.client.http.daily_budget()
    }

    fn calls(&self, target: &Target, Load { verb, rows, known }: Load) -> Option<Vec<Calls>> {
        let options = Options::read(target).ok()?;
        let imports = || options.imports(usize::try_from(rows).unwrap_or(usize::MAX));
        let requests = match verb {
            Verb::Join | Verb::Leave => return Some(vec![Calls::of(rows, members::MEMBERS)]),
            Verb::Upsert if imports() => 1,
            Verb::Update => batch::updates(rows, if options.key == Key::Email { rows } else { known }),
            Verb::Create | Verb::Upsert | Verb::Delete => rows,
        };
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
        Ok(AccountId(if self.sandbox { "sandbox".to_owned() } else { format!("brevo:{id}") }))
    }

    async fn catalog(&self, target: &Target) -> Result<Catalog, ConnectorError> {
        let options = Options::read(target)?;
        if let Some(list) = options.list {
            target.members_only()?;
            let shown = self.client.list(list).await?;
            if shown.get("dynamicList").is_some_and(|dynamic| dynamic == true) {
                let message = format!("Brevo fills the list {list} itself");
                return Err(ConnectorError::new(Kind::Config, message)
                    .hint("name a list whose members are put on it, in `destination.list`"));
            }
        }
        for list in options.lists {
            self.client.list(list).await?;
        }
        Ok(attributes::catalog(&self.client.attributes().await?))
    }

    async fn look_up(
        &self,
        target: &Target,
        keys: &[Vec<FieldValue>],
    ) -> Result<Vec<Lookup>, ConnectorError> {
        let key = Options::read(target)?.key;
        let mut found = Vec::with_capacity(keys.len());
        for fields in keys {
            let text = fields
                .first()
                .filter(|field| field.value != Value::Null)
                .map(|field| field.value.to_string());
            let Some(text) = text.filter(|text| !text.is_empty()) else {
                found.push(Lookup::Unclear);
                continue;
            };
            let sent = Sent { place: 0, key: text, remote_id: None };
            found.push(match self.client.contact(key, &sent).await {
                Ok(None) => Lookup::Absent,
                Ok(Some(contact)) => match json::text(&contact, "id") {
                    Some(remote_id) => Lookup::Found { remote_id },
                    None => Lookup::Unclear,
                },
                // A key that Brevo takes for none says nothing of the others.
                Err(error) if error.kind == Kind::Rejected => Lookup::Unclear,
                Err(error) => return Err(error),
            });
        }
        Ok(found)
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let options = Options::read(target)?;
        tracing::debug!(run = context.run_id, sync = context.sync, "session opened");
        let client = Client { http: self.client.http.permitted_by(context.permission.clone()) };
        if let Some(list) = options.list {
            return Ok(Box::new(ListSession { client, key: options.key, list }));
        }
        Ok(Box::new(ContactSession {
            client,
            options,
            creation: Creation::of(&target.missing),
            permission: context.permission,
            patience: self.patience,
        }))
    }

    fn traffic(&self) -> Traffic {
        self.client.http.traffic()
    }
}
