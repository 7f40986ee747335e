//! Any JSON API as a destination.

use async_trait::async_trait;
use reqwest::header::HeaderMap;

use super::config::{Account, Config};
use super::requests::{MOST_ROWS, Requests};
use super::session::JsonApiSession;
use crate::contract::{
    AccountId, Calls, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, Kind, Load, QuotaOwner,
    RunContext, Session, Target, Traffic, Verb,
};
use crate::http::{self, HttpClient, Observed, Policy, Request, Setup, Vendor};
use crate::registry::{Limits, Settings};

const IN_FLIGHT: usize = 4;

/// What the sender knows of an API of which nothing is known: its answers are read by the rules of each mapping.
const VENDOR: Vendor =
    Vendor { title: "the API", request_id: "x-request-id", judge: |_| None, observe: Observed::usual };

/// An account of some API.
pub struct JsonApi {
    client: HttpClient,
    headers: HeaderMap,
    account: Option<Account>,
    limits: Limits,
    sandbox: bool,
}

impl JsonApi {
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
        let config = Config::read(settings)?;
        let setup = Setup {
            vendor: VENDOR,
            owner: config.owner,
            limits: settings.limits.clone(),
            start_rate: None,
            in_flight: IN_FLIGHT,
            base_url: config.base_url,
            credentials: config.credentials,
            ca_file: http::ca_file(settings)?,
            policy,
        };
        let client = settings.client("http", setup)?;
        Ok(JsonApi {
            client,
            headers: config.headers,
            account: config.account,
            limits: settings.limits.clone(),
            sandbox: config.sandbox,
        })
    }
}

/// For the table of connectors: what a mapping can declare.
pub(super) fn usual() -> Capabilities {
    Capabilities {
        verbs: &Verb::ALL,
        batch_rows: MOST_ROWS,
        in_flight: IN_FLIGHT,
        deletes: DeleteKind::Hard,
        remote_ids: true,
        partial_answers: true,
        ..Capabilities::BLANK
    }
}

/// What the mapping's own requests can do.
fn capabilities(requests: &Requests, limits: &Limits) -> Capabilities {
    let has = |verb| requests.get(verb).is_some();
    Capabilities {
        verbs: verbs(has),
        batch_rows: requests.all().map(|(_, call)| call.rows()).max().unwrap_or(1),
        in_flight: limits.concurrency.unwrap_or(IN_FLIGHT).max(1),
        rate: limits.requests,
        deletes: if has(Verb::Delete) { DeleteKind::Hard } else { DeleteKind::None },
        remote_ids: requests
            .all()
            .any(|(verb, call)| matches!(verb, Verb::Create | Verb::Upsert) && call.rules.names_ids()),
        repeatable_creates: requests.get(Verb::Create).is_some_and(|create| create.repeatable),
        partial_answers: requests.all().all(|(_, call)| call.rows() == 1 || call.rules.row_errors.is_some()),
        ..Capabilities::BLANK
    }
}

/// The verbs that there is a request for, as one of the sets that there can be.
fn verbs(has: impl Fn(Verb) -> bool) -> &'static [Verb] {
    static SETS: std::sync::LazyLock<Vec<Vec<Verb>>> = std::sync::LazyLock::new(|| {
        let of = |set: usize| Verb::ALL.into_iter().enumerate().filter(move |(at, _)| set >> at & 1 == 1);
        (0..1 << Verb::ALL.len()).map(|set| of(set).map(|(_, verb)| verb).collect()).collect()
    });
    let set = Verb::ALL
        .into_iter()
        .enumerate()
        .filter(|(_, verb)| has(*verb))
        .map(|(at, _)| 1 << at)
        .sum::<usize>();
    &SETS[set]
}

#[async_trait]
impl Destination for JsonApi {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        // Without a mapping nothing is declared, and anything can be.
        if target.options.is_empty() && target.fields.is_empty() && target.match_on.is_empty() {
            return Ok(usual());
        }
        Ok(capabilities(&Requests::read(target)?, &self.limits))
    }

    fn quota(&self) -> QuotaOwner {
        self.client.owner().clone()
    }

    fn daily_budget(&self) -> Option<u64> {
        self.client.daily_budget()
    }

    fn calls(&self, target: &Target, load: Load) -> Option<Vec<Calls>> {
        let requests = Requests::read(target).ok()?;
        Some(vec![Calls::of(load.rows, requests.get(load.verb)?.rows())])
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        let host = self.client.host();
        let named = match &self.account {
            None => host.to_owned(),
            Some(account) => {
                let request = Request { headers: self.headers.clone(), ..Request::get(&account.path) };
                let answer = self.client.send(&request).await?;
                let id = answer.json.as_ref().and_then(|body| account.id.text(body));
                let id = id.ok_or_else(|| {
                    let message = format!("the answer to `{}` does not name the account", account.path);
                    ConnectorError::new(Kind::Auth, message).code("HTTP_NO_ACCOUNT").hint(
                        "check the connection's `auth` and `account`: `id` points to the account's id in the answer",
                    )
                })?;
                format!("{host}:{id}")
            }
        };
        Ok(AccountId(if self.sandbox { "sandbox".to_owned() } else { named }))
    }

    fn names_one(&self, account: &AccountId) -> bool {
        account.0 != self.client.host()
    }

    async fn catalog(&self, _target: &Target) -> Result<Catalog, ConnectorError> {
        Ok(Catalog { properties: Vec::new(), open: true, ..Catalog::default() })
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        Ok(Box::new(JsonApiSession {
            client: self.client.permitted_by(context.permission),
            requests: Requests::read(target)?,
            headers: self.headers.clone(),
            object: target.object.clone(),
        }))
    }

    fn traffic(&self) -> Traffic {
        self.client.traffic()
    }
}
