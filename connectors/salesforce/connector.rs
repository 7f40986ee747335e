//! Salesforce as a destination.

use std::time::Duration;

use async_trait::async_trait;

use super::client::Client;
use super::columns::Columns;
use super::config::{Config, TYPE};
use super::encode::long_id;
use super::options::{ID, Options};
use super::session::{BATCH, BYTES, RecordSession};
use super::{columns, errors, lookup};
use crate::contract::{
    AccountId, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, FieldValue, Kind, Lookup,
    Normaliser, QuotaOwner, RunContext, Session, Target, Traffic, Value, Verb, folded,
};
use crate::http::{Policy, Setup};
use crate::registry::{Limits, Settings};

const IN_FLIGHT: usize = 4;

/// Before locked records are sent again.
const PAUSE: Duration = Duration::from_millis(500);

/// An org of Salesforce.
pub struct Salesforce {
    pub(super) client: Client,
    limits: Limits,
    sandbox: bool,
    pause: Duration,
}

impl Salesforce {
    /// # Errors
    /// [`Kind::Config`] for settings that cannot be meant.
    pub fn new(settings: &Settings) -> Result<Self, ConnectorError> {
        Self::with_policy(settings, Policy::default(), PAUSE)
    }

    /// With other times and attempts than the usual ones.
    pub(super) fn with_policy(
        settings: &Settings,
        policy: Policy,
        pause: Duration,
    ) -> Result<Self, ConnectorError> {
        let config = Config::read(settings)?;
        let http = settings.client(
            TYPE,
            Setup {
                vendor: errors::VENDOR,
                owner: config.owner,
                limits: settings.limits.clone(),
                start_rate: None,
                in_flight: IN_FLIGHT,
                base_url: config.base_url,
                credentials: config.credentials,
                ca_file: config.ca_file,
                policy,
            },
        )?;
        let client = Client::new(http, config.version);
        Ok(Salesforce { client, limits: settings.limits.clone(), sandbox: settings.sandbox, pause })
    }
}

/// What an object can do with this match key, under these limits.
fn capabilities(key: Option<&str>, limits: &Limits) -> Capabilities {
    Capabilities {
        verbs: match key {
            Some(key) if key.eq_ignore_ascii_case(ID) => &[Verb::Update, Verb::Delete],
            _ => &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete],
        },
        batch_rows: BATCH,
        batch_bytes: Some(BYTES),
        in_flight: limits.concurrency.unwrap_or(IN_FLIGHT).max(1),
        rate: limits.requests,
        deletes: DeleteKind::Archive,
        remote_ids: true,
        partial_answers: true,
        ..Capabilities::BLANK
    }
}

/// What the usual object can do.
pub(super) fn usual() -> Capabilities {
    capabilities(None, &Limits::default())
}

fn long(value: Value) -> Value {
    match value {
        Value::Text(id) => Value::Text(long_id(id.trim()).into_owned()),
        other => other,
    }
}

#[async_trait]
impl Destination for Salesforce {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        let options = Options::read(target)?;
        Ok(capabilities(options.key.as_deref(), &self.limits))
    }

    fn quota(&self) -> QuotaOwner {
        self.client.http.owner().clone()
    }

    fn daily_budget(&self) -> Option<u64> {
        self.client.http.daily_budget()
    }

    fn normaliser(&self, _target: &Target, field: &str) -> Option<Normaliser> {
        match field {
            ID => Some(long),
            "Email" | "Username" => Some(folded),
            _ => None,
        }
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        let org = match self.client.org().await {
            Err(error) if error.code.as_deref() == Some("NOT_FOUND") => {
                // Of a version that is not spoken nothing is there.
                self.client.check_version().await?;
                return Err(error);
            }
            org => org?,
        };
        Ok(AccountId(if self.sandbox { "sandbox".to_owned() } else { format!("salesforce:{org}") }))
    }

    async fn catalog(&self, target: &Target) -> Result<Catalog, ConnectorError> {
        let options = Options::read(target)?;
        let object = self.client.describe(&options.object).await?;
        if !object.createable && !object.updateable {
            let message = format!("the connection's user may not write `{}`", object.name);
            return Err(ConnectorError::new(Kind::Auth, message)
                .hint("give the user create and edit on the object and its fields, by a permission set"));
        }
        if let Some(key) = options.key.as_deref().and_then(|key| object.field(key))
            && !key.is_key()
        {
            let message = format!("`{}` of `{}` is not an External ID", key.name, object.name);
            return Err(ConnectorError::new(Kind::Config, message).hint(
                "make it one in Salesforce (Setup, Object Manager, the field, Edit: External ID and Unique), or match on another",
            ));
        }
        let (_, mut catalog) = columns::resolve(&self.client, &object, &target.fields).await?;
        if let Some(id) = catalog.properties.iter_mut().find(|property| property.name == ID) {
            // It names a record, which is not changed by it.
            id.read_only = options.key.as_deref() != Some(ID);
        }
        Ok(catalog)
    }

    async fn look_up(
        &self,
        target: &Target,
        keys: &[Vec<FieldValue>],
    ) -> Result<Vec<Lookup>, ConnectorError> {
        let options = Options::read(target)?;
        let Some(key) = &options.key else { return Ok(vec![Lookup::Unclear; keys.len()]) };
        let values = keys.iter().map(|key| key.first().map_or(Value::Null, |field| field.value.clone()));
        let values: Vec<Value> = values.collect();
        let found = lookup::ids(&self.client, (&options.object, key), &values).await?;
        let answers = found.into_iter().zip(&values).map(|(mut ids, value)| match (ids.pop(), value) {
            (None, Value::Null) => Lookup::Unclear,
            (None, _) => Lookup::Absent,
            (Some(remote_id), _) if ids.is_empty() => Lookup::Found { remote_id },
            _ => Lookup::Unclear,
        });
        Ok(answers.collect())
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let options = Options::read(target)?;
        tracing::debug!(run = context.run_id, sync = context.sync, "session opened");
        let columns = match target.fields.iter().any(|field| field.contains('.')) {
            true => {
                let object = self.client.describe(&options.object).await?;
                columns::resolve(&self.client, &object, &target.fields).await?.0
            }
            false => Columns::default(),
        };
        Ok(Box::new(RecordSession {
            client: self.client.sending(self.client.http.permitted_by(context.permission.clone())),
            permission: context.permission,
            key: options.key.clone().unwrap_or_default(),
            options,
            columns,
            pause: self.pause,
        }))
    }

    fn traffic(&self) -> Traffic {
        self.client.http.traffic()
    }
}
