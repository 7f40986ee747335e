//! Salesforce as a destination.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::bulk::BYTES as BYTES_OF_JOB;
use super::client::Client;
use super::columns::Columns;
use super::config::{Config, TYPE};
use super::course::{Jobs, Made};
use super::encode::long_id;
use super::options::{Api, ID, Options};
use super::session::{BATCH, BYTES, RecordSession};
use super::sheet::NULL;
use super::{columns, errors, lookup};
use crate::contract::{
    AccountId, Bulk, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, FieldType, FieldValue,
    Kind, Lookup, Normaliser, QuotaOwner, RunContext, Session, Target, Traffic, Value, Verb, folded,
};
use crate::http::{Patience, Policy, Setup};
use crate::registry::{Limits, Settings};

const IN_FLIGHT: usize = 4;

/// What a job takes for a null; `auto` sends such texts by collections.
const RESERVED: &[&str] = &[NULL];

/// From so many changes on jobs are used (Salesforce's advice, "Bulk API 2.0 Limits and Allocations").
const MANY: u64 = 2_000;

/// Rows of a job: one of Salesforce's own batches, and as much as is well kept in memory of what becomes of each.
const JOB: usize = 10_000;

/// Jobs under way at once.
const JOBS: usize = 4;

/// Calls of a job: to make, fill and close it, three results, and some to see how far it is.
const CALLS: u64 = 12;

const PATIENCE: Patience = Patience {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
    whole: Duration::from_secs(24 * 3600),
};

/// Before locked records are sent again.
const PAUSE: Duration = Duration::from_millis(500);

/// An org of Salesforce.
pub struct Salesforce {
    pub(super) client: Client,
    limits: Limits,
    sandbox: bool,
    pause: Duration,
    patience: Patience,
    /// Bytes of a job's upload at most.
    pub(super) job_bytes: u64,
    made: Arc<Made>,
}

impl Salesforce {
    /// # Errors
    /// [`Kind::Config`] for settings that cannot be meant.
    pub fn new(settings: &Settings) -> Result<Self, ConnectorError> {
        // Our own emulator is asked as often as one likes.
        let first = if settings.sandbox { Duration::from_millis(20) } else { PATIENCE.first };
        Self::with_policy(settings, Policy::default(), (PAUSE, Patience { first, ..PATIENCE }))
    }

    /// With other times and attempts than the usual ones.
    pub(super) fn with_policy(
        settings: &Settings,
        policy: Policy,
        (pause, patience): (Duration, Patience),
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
        Ok(Salesforce {
            client,
            limits: settings.limits.clone(),
            sandbox: settings.sandbox,
            pause,
            patience,
            job_bytes: BYTES_OF_JOB as u64,
            made: Arc::default(),
        })
    }
}

/// What an object can do with this match key, under these limits.
fn capabilities(options: &Options, limits: &Limits) -> Capabilities {
    let in_flight = |usual: usize| limits.concurrency.unwrap_or(usual).max(1);
    let from = match options.api {
        Api::Bulk => Some(0),
        Api::Auto => Some(MANY),
        Api::Collections => None,
    };
    Capabilities {
        verbs: match options.key.as_deref() {
            Some(key) if key.eq_ignore_ascii_case(ID) => &[Verb::Update, Verb::Delete],
            _ => &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete],
        },
        batch_rows: BATCH,
        batch_bytes: Some(BYTES),
        in_flight: in_flight(IN_FLIGHT),
        rate: limits.requests,
        deletes: if options.hard_delete { DeleteKind::Hard } else { DeleteKind::Archive },
        bulk: from.map(|from| Bulk {
            from,
            batch_rows: JOB,
            batch_bytes: BYTES_OF_JOB,
            in_flight: in_flight(JOBS),
            requests: CALLS,
            together: options.together.clone(),
        }),
        remote_ids: true,
        partial_answers: true,
        ..Capabilities::BLANK
    }
}

/// What the usual object can do.
pub(super) fn usual() -> Capabilities {
    let options = Options::read(&Target { object: "Account".to_owned(), ..Target::default() });
    options.map_or(Capabilities::BLANK, |options| capabilities(&options, &Limits::default()))
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
        Ok(capabilities(&options, &self.limits))
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
        if options.api == Api::Bulk {
            let texts = catalog.properties.iter_mut().filter(|property| property.kind == FieldType::String);
            texts.for_each(|property| property.reserved = RESERVED);
        }
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

    async fn allowance(&self, batches: u64, changes: u64) -> Result<Option<String>, ConnectorError> {
        // Each job has one for 10,000 rows.
        let takes = batches.max(changes.div_ceil(10_000));
        let Some((most, left)) = self.client.bulk_batches().await? else { return Ok(None) };
        let jobs = if batches == 1 { "1 job takes".to_owned() } else { format!("{batches} jobs take") };
        Ok(Some(format!("{jobs} about {takes} of the org's {most} Bulk API batches a day; {left} are left")))
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
            fields: target.fields.clone(),
            jobs: Jobs::new(self.patience, self.job_bytes, self.made.clone()),
            unsettled: context.unsettled,
        }))
    }

    fn traffic(&self) -> Traffic {
        self.client.http.traffic()
    }
}
