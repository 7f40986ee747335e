//! HubSpot as a destination.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::answers;
use super::associations::Associations;
use super::client::{BATCH, Call, Client, ObjectType};
use super::config::Config;
use super::creation;
use super::encode::{self, Inputs};
use super::errors;
use super::existing;
use super::lists::{self, List, ListSession};
use super::named::named;
use crate::contract::{
    AccountId, BatchSource, Capabilities, Catalog, ConnectorError, DeleteKind, Destination, FieldValue,
    Handles, Kind, Lookup, Normaliser, OneVerb, Outcome, Outcomes, Property, QuotaOwner, RateLimit,
    RunContext, Session, Submitted, Target, Traffic, Verb, folded,
};
use crate::creation::Creation;
use crate::http::{Policy, Reply, Setup, bisect, default_budget};
use crate::registry::{Limits, Settings};

/// The lowest tier's limit, until the vendor's headers name the account's own.
const START_RATE: RateLimit = RateLimit { requests: 100, per: Duration::from_secs(10) };

const IN_FLIGHT: usize = 4;

/// A HubSpot account, by one private app.
pub struct HubSpot {
    client: Client,
    limits: Limits,
    sandbox: bool,
}

impl HubSpot {
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
            vendor: errors::VENDOR,
            owner: config.owner,
            limits: settings.limits.clone(),
            start_rate: Some(START_RATE),
            in_flight: IN_FLIGHT,
            base_url: config.base_url,
            credentials: config.credentials,
            ca_file: config.ca_file,
            policy,
        };
        let http = settings.client("hubspot", setup)?;
        let client = Client { http, version: config.version };
        Ok(HubSpot { client, limits: settings.limits.clone(), sandbox: config.sandbox })
    }
}

/// What HubSpot can do under these limits; the same for all its objects.
pub(super) fn capabilities_of(limits: &Limits) -> Capabilities {
    Capabilities {
        verbs: &Verb::ALL,
        batch_rows: BATCH,
        in_flight: limits.concurrency.unwrap_or(IN_FLIGHT).max(1),
        rate: Some(limits.requests.unwrap_or(START_RATE)),
        deletes: DeleteKind::Archive,
        remote_ids: true,
        partial_answers: true,
        associations: true,
        ..Capabilities::BLANK
    }
}

/// The object and the key it is matched on, as far as they can be checked without a request.
fn checked(target: &Target) -> Result<ObjectType, ConnectorError> {
    let object = ObjectType::parse(&target.object)?;
    if target.match_on.len() > 1 {
        let message = format!("HubSpot matches on one property, not on {}", target.match_on.len());
        return Err(ConnectorError::new(Kind::Config, message)
            .hint("make one property with unique values that holds the whole key"));
    }
    if target.match_on.iter().any(|name| name == "hs_object_id") {
        return Err(ConnectorError::new(Kind::Config, "HubSpot cannot match on `hs_object_id`")
            .hint("match on a property with unique values that holds your own key; outflow keeps the object's id by itself"));
    }
    Ok(object)
}

#[async_trait]
impl Destination for HubSpot {
    fn capabilities(&self, target: &Target) -> Result<Capabilities, ConnectorError> {
        checked(target)?;
        existing::updates(target)?;
        let all = capabilities_of(&self.limits);
        Ok(match lists::of(target) {
            Some(_) => Capabilities {
                verbs: &[Verb::Join, Verb::Leave],
                batch_rows: lists::MEMBERS,
                associations: false,
                ..all
            },
            None => Capabilities { verbs: &[Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete], ..all },
        })
    }

    fn quota(&self) -> QuotaOwner {
        self.client.http.owner().clone()
    }

    fn daily_budget(&self) -> Option<u64> {
        self.client.http.daily_budget()
    }

    fn normaliser(&self, target: &Target, field: &str) -> Option<Normaliser> {
        let contacts = ObjectType::parse(&target.object).is_ok_and(|o| o.is_contacts());
        (contacts && field == "email").then_some(folded as Normaliser)
    }

    fn creates(&self, field: &Property) -> Result<(), String> {
        creation::accepts(field)
    }

    async fn account(&self) -> Result<AccountId, ConnectorError> {
        let portal = match self.client.portal().await {
            Ok(id) => Some(id),
            // A token may write and still not see the account.
            Err(e) if e.kind == Kind::Auth && e.code.as_deref() == Some("MISSING_SCOPES") => None,
            Err(error) => return Err(error),
        };
        Ok(AccountId(match portal {
            // It is the same one, whatever the token may see of it.
            _ if self.sandbox => "sandbox".to_owned(),
            Some(id) => format!("hubspot:{id}"),
            None => {
                tracing::warn!("the token cannot read the account's id; the host stands for it");
                self.client.http.host().to_owned()
            }
        }))
    }

    fn names_one(&self, account: &AccountId) -> bool {
        account.0 != self.client.http.host()
    }

    async fn catalog(&self, target: &Target) -> Result<Catalog, ConnectorError> {
        let object = checked(target)?;
        if let Some(name) = lists::of(target) {
            target.members_only()?;
            List::find(&self.client, &object, &name).await?;
        }
        Associations::check(&self.client, &object, &target.associations).await?;
        let results = self.client.properties(&object).await?;
        Ok(super::properties::catalog(&object, &results))
    }

    async fn look_up(
        &self,
        target: &Target,
        keys: &[Vec<FieldValue>],
    ) -> Result<Vec<Lookup>, ConnectorError> {
        let object = checked(target)?;
        let mut found = vec![Lookup::Unclear; keys.len()];
        let mut askable = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            if let [field] = key.as_slice()
                && let Ok(text) = encode::text(&field.value.borrowed())
                && !text.is_empty()
            {
                askable.push((place, field.name.to_string(), text));
            }
        }
        for part in askable.chunks(BATCH) {
            let texts: Vec<String> = part.iter().map(|(.., text)| text.clone()).collect();
            let answer = self.client.read(&object, Some(&part[0].1), &texts).await?;
            let lookups = answers::lookups(&texts, Some(&part[0].1), &answer);
            for ((place, ..), lookup) in part.iter().zip(lookups) {
                found[*place] = lookup;
            }
        }
        Ok(found)
    }

    async fn open(&self, target: &Target, context: RunContext) -> Result<Box<dyn Session>, ConnectorError> {
        let object = checked(target)?;
        tracing::debug!(
            run = context.run_id,
            sync = context.sync,
            object = object.as_str(),
            "session opened"
        );
        let http = self.client.http.permitted_by(context.permission);
        let client = Client { http, ..self.client.clone() };
        if let Some(name) = lists::of(target) {
            let list = List::find(&client, &object, &name).await?;
            return Ok(Box::new(ListSession { client, object, list }));
        }
        let associations = Associations::open(&client, &object, &target.associations).await?;
        let creation = Creation::of(&target.missing);
        let updates = existing::updates(target)?;
        Ok(Box::new(HubSpotSession { client, object, associations, creation, updates }))
    }

    fn traffic(&self) -> Traffic {
        self.client.http.traffic()
    }
}

struct HubSpotSession {
    client: Client,
    object: ObjectType,
    associations: Associations,
    creation: Creation,
    /// Objects that creates meet are updated.
    updates: bool,
}

#[async_trait]
impl Session for HubSpotSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        _handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let mut outcomes = Outcomes::new(batch.len());
        let links = self.associations.prepare(batch).await?;
        let (mut verb, mut seen) = (OneVerb::default(), 0);
        let name = format!("{:08x}", getrandom::u32().unwrap_or_default());
        let mut inputs = Inputs::new(name).without(self.associations.fields());
        let mut places = Vec::with_capacity(batch.len());
        batch.each(&mut |change| {
            let place = seen;
            seen += 1;
            verb.see(change.verb)?;
            if let Some(refusal) = links.refusal(place) {
                outcomes.set(place, refusal.clone());
                return Ok(());
            }
            match inputs.push(change) {
                Ok(()) => places.push(place),
                Err(outcome) => outcomes.set(place, outcome),
            }
            Ok(())
        })?;
        let Some(call) = call_of(verb.get()?) else {
            return Err(ConnectorError::new(Kind::Internal, "objects are no members of a list"));
        };
        if call != Call::Archive {
            let create = creation::create(&self.client, &self.object, self.creation.missing());
            self.creation.ensure(create).await?;
        } else {
            (inputs, places) = self.with_record_ids(&inputs, &places, &mut outcomes).await?;
        }
        self.send(call, (&inputs, &places), &mut outcomes).await?;
        self.associations.make(&links, &mut outcomes).await;
        Ok(Submitted::Done(outcomes.receipt()))
    }
}

fn call_of(verb: Verb) -> Option<Call> {
    match verb {
        Verb::Upsert => Some(Call::Upsert),
        Verb::Create => Some(Call::Create),
        Verb::Update => Some(Call::Update),
        Verb::Delete => Some(Call::Archive),
        Verb::Join | Verb::Leave => None,
    }
}

impl HubSpotSession {
    async fn send(
        &self,
        call: Call,
        (inputs, places): (&Inputs, &[usize]),
        outcomes: &mut Outcomes,
    ) -> Result<(), ConnectorError> {
        if places.is_empty() {
            return Ok(());
        }
        let sent = bisect(inputs.len(), default_budget(inputs.len()), |part| async move {
            let body = inputs.body(part.iter().copied());
            let answer = match self.client.write(&self.object, call, body).await {
                (Err(error), Some(refused)) if error.kind == Kind::Rejected => {
                    let mut named = named(inputs, &part, &refused);
                    if named.is_empty() && call == Call::Create {
                        named = existing::named((&self.client, &self.object), (inputs, &part), &error)
                            .await
                            .unwrap_or_default();
                    }
                    return if named.is_empty() { Err(error) } else { Ok(Reply::Named(named)) };
                }
                (answer, _) => answer?,
            };
            Ok(Reply::Each(match (call, answer.status, &answer.json) {
                (Call::Archive, 204, _) => answers::archived(inputs, part, None),
                (Call::Archive, _, Some(body)) => answers::archived(inputs, part, Some(body)),
                (_, _, body) => answers::outcomes(inputs, part, body.as_ref().unwrap_or(&Json::Null)),
            }))
        });
        let mut sent = sent.await?;
        if call == Call::Create {
            existing::confirm((&self.client, &self.object), inputs, self.updates, &mut sent).await;
        }
        for (place, outcome) in places.iter().zip(sent) {
            outcomes.set(*place, outcome);
        }
        Ok(())
    }

    /// Archiving takes record ids only: those not known are asked for. What is not there counts as removed.
    async fn with_record_ids(
        &self,
        inputs: &Inputs,
        places: &[usize],
        outcomes: &mut Outcomes,
    ) -> Result<(Inputs, Vec<usize>), ConnectorError> {
        let (mut known, mut kept, mut unknown) = (Inputs::default(), Vec::new(), Vec::new());
        for (place, sent) in places.iter().zip(inputs.sent()) {
            match (&sent.record_id, &sent.key) {
                (Some(id), _) => {
                    known.push_id(id);
                    kept.push(*place);
                }
                (None, key) => unknown.push((*place, key.clone().unwrap_or_default())),
            }
        }
        let property = inputs.key_name.as_deref();
        for part in unknown.chunks(BATCH) {
            let keys: Vec<String> = part.iter().map(|(_, key)| key.clone()).collect();
            let answer = self.client.read(&self.object, property, &keys).await?;
            for ((place, _), lookup) in part.iter().zip(answers::lookups(&keys, property, &answer)) {
                match lookup {
                    Lookup::Found { remote_id } => {
                        known.push_id(&remote_id);
                        kept.push(*place);
                    }
                    Lookup::Absent => {
                        outcomes.set(*place, Outcome::Applied { remote_id: None, created: None });
                    }
                    Lookup::Unclear => {
                        let reason = "HubSpot did not say which object has this key".to_owned();
                        outcomes.set(*place, Outcome::Deferred { reason });
                    }
                }
            }
        }
        Ok((known, kept))
    }
}
