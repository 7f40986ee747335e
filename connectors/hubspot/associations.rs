//! Links from objects to others. The others are looked up before an object is written, so that a row whose other object
//! is missing is refused without effect; the links are made after, by record ids.
//!
//! Facts: `/crm/v4/associations` as in the vendor's own client `@hubspot/api-client` 13.5. Most inputs of a call are not
//! published for all of them; a thousand is the least that is named anywhere.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value as Json, json};

use super::answers::lookups;
use super::client::{BATCH, Client, ObjectType};
use super::errors::VENDOR;
use super::links::{Made, Prepared, Wanted, unconfirmed};
use crate::contract::{
    Association, AssociationKind, BatchSource, ConnectorError, Kind, Lookup, Outcome, Outcomes,
};
use crate::http::Request;
use crate::http::json::{list, text};
use crate::rehearsal::point;

/// Inputs of one call.
const INPUTS: usize = 1000;
/// Keys of other objects that are remembered for each link.
const REMEMBERED: usize = 100_000;
/// The code of a row whose other object is not there.
pub(super) const MISSING: &str = "ASSOCIATION_TARGET_MISSING";

/// The links that one session makes.
pub(super) struct Associations {
    client: Client,
    from: ObjectType,
    links: Vec<Link>,
}

/// One of them.
struct Link {
    association: Association,
    to: ObjectType,
    /// `None` is the ordinary link.
    spec: Option<Spec>,
    /// Record ids by the keys that were found so far.
    known: Mutex<HashMap<String, String>>,
}

/// A kind of link as HubSpot names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spec {
    category: String,
    number: u64,
}

impl Associations {
    /// # Errors
    /// [`Kind::Config`] for an object, a label or a number that HubSpot does not know.
    pub(super) async fn open(
        client: &Client,
        from: &ObjectType,
        associations: &[Association],
    ) -> Result<Self, ConnectorError> {
        let mut links = Vec::with_capacity(associations.len());
        for association in associations {
            let to = ObjectType::parse(&association.to)?;
            let spec = spec(client, (from, &to), &association.kind).await?;
            links.push(Link { association: association.clone(), to, spec, known: Mutex::default() });
        }
        Ok(Associations { client: client.clone(), from: from.clone(), links })
    }

    /// Looks at what a mapping asks for, before anything is sent.
    ///
    /// # Errors
    /// As [`Self::open`], and for a property of the other objects that is not there or not unique.
    pub(super) async fn check(
        client: &Client,
        from: &ObjectType,
        associations: &[Association],
    ) -> Result<(), ConnectorError> {
        for link in Self::open(client, from, associations).await?.links {
            if link.spec.is_none() {
                kinds(client, from, &link.to).await?;
            }
            let Some(name) = &link.association.match_on else { continue };
            let results = client.properties(&link.to).await?;
            let catalog = super::properties::catalog(&link.to, &results);
            let unique = catalog.properties.iter().filter(|property| property.unique);
            let unique: Vec<String> = unique.map(|property| format!("`{}`", property.name)).collect();
            let problem = match catalog.get(name) {
                None => format!("`{}` has no property `{name}`", link.association.to),
                Some(property) if !property.unique => {
                    format!(
                        "`{name}` of `{}` cannot be matched on: its values are not unique",
                        link.association.to
                    )
                }
                Some(_) => continue,
            };
            let hint = match unique.is_empty() {
                true => {
                    "make a property with unique values in HubSpot, or give record ids with `id`".to_owned()
                }
                false => format!("properties with unique values: {}", unique.join(", ")),
            };
            return Err(ConnectorError::new(Kind::Config, format!("associations: {problem}")).hint(hint));
        }
        Ok(())
    }

    /// Names of the fields that are links.
    pub(super) fn fields(&self) -> Vec<String> {
        self.links.iter().map(|link| link.association.field.clone()).collect()
    }

    /// Looks the other objects of a batch up.
    ///
    /// # Errors
    /// Those of the look-ups, and of the batch.
    pub(super) async fn prepare(&self, batch: &dyn BatchSource) -> Result<Prepared, ConnectorError> {
        let mut prepared = Prepared::default();
        if self.links.is_empty() {
            return Ok(prepared);
        }
        let mut place = 0;
        batch.each(&mut |change| {
            for (link, of) in self.links.iter().enumerate() {
                if let Some(keys) = of.association.keys(&change) {
                    prepared.wanted.push(Wanted { place, link, ids: keys });
                }
            }
            place += 1;
            Ok(())
        })?;
        for (index, link) in self.links.iter().enumerate() {
            let unclear = self.look_up(link, prepared.keys(index)).await?;
            let known = link.known.lock().unwrap_or_else(PoisonError::into_inner);
            prepared.resolve(index, |key| match known.get(key) {
                Some(id) => Ok(id.clone()),
                None => Err(link.missing(key, unclear.contains(key))),
            });
        }
        Ok(prepared)
    }

    /// Remembers the record ids of these keys; returns those of which HubSpot did not say whether they are there.
    async fn look_up(&self, link: &Link, keys: BTreeSet<String>) -> Result<BTreeSet<String>, ConnectorError> {
        let mut unclear = BTreeSet::new();
        let keys: Vec<String> = {
            let mut known = link.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() > REMEMBERED {
                known.clear();
            }
            keys.into_iter().filter(|key| !known.contains_key(key)).collect()
        };
        for part in keys.chunks(BATCH) {
            let property = link.association.match_on.as_deref();
            let answer = self.client.read(&link.to, property, part).await?;
            let found = lookups(part, property, &answer);
            let mut known = link.known.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, lookup) in part.iter().zip(found) {
                match lookup {
                    Lookup::Found { remote_id } => drop(known.insert(key.clone(), remote_id)),
                    Lookup::Absent => {}
                    Lookup::Unclear => drop(unclear.insert(key.clone())),
                }
            }
        }
        Ok(unclear)
    }

    /// Makes the links of the objects that were written. An object that did not get all of its links is unknown: it is
    /// sent again.
    pub(super) async fn make(&self, prepared: &Prepared, outcomes: &mut Outcomes) {
        for (index, link) in self.links.iter().enumerate() {
            let made = Made::of(prepared, index, outcomes);
            point("links.make");
            let mut failed = self.create(link, &made.pairs()).await;
            point("links.made");
            if link.association.exclusive {
                failed.extend(self.take_away(link, &made).await);
            }
            for (place, why) in made.failed(&failed) {
                let reason =
                    format!("the object was written, but not its link `{}`: {why}", link.association.field);
                outcomes.set(place, Outcome::Unknown { reason });
            }
        }
    }

    /// Makes these links; returns why by the record ids of objects that did not get theirs.
    async fn create(&self, link: &Link, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut failed = Vec::new();
        for part in pairs.chunks(INPUTS) {
            let call = if link.spec.is_some() { "create" } else { "associate/default" };
            let inputs = part.iter().map(|(from, to)| {
                let mut input = json!({"from": {"id": from}, "to": {"id": to}});
                if let Some(spec) = &link.spec {
                    input["types"] = json!([spec.wire()]);
                }
                input
            });
            match self.write(link, call, inputs.collect()).await {
                Ok(answer) => failed.extend(unconfirmed(part, &answer.unwrap_or_default())),
                Err(error) => {
                    failed.extend(part.iter().map(|(from, _)| ((*from).to_owned(), error.message.clone())));
                }
            }
        }
        failed
    }

    /// Takes links away that the objects' changes do not name.
    async fn take_away(&self, link: &Link, made: &Made<'_>) -> Vec<(String, String)> {
        let objects = made.objects();
        let surplus = match self.surplus(link, made, &objects).await {
            Ok(surplus) => surplus,
            Err(error) => {
                return objects.into_iter().map(|id| (id.to_owned(), error.message.clone())).collect();
            }
        };
        let mut failed = Vec::new();
        for part in surplus.chunks(INPUTS) {
            let (call, inputs): (_, Vec<Json>) = match &link.spec {
                Some(spec) => {
                    let input = |(from, to): &(String, String)| json!({"from": {"id": from}, "to": {"id": to}, "types": [spec.wire()]});
                    ("labels/archive", part.iter().map(input).collect())
                }
                None => {
                    let input =
                        |(from, to): &(String, String)| json!({"from": {"id": from}, "to": [{"id": to}]});
                    ("archive", part.iter().map(input).collect())
                }
            };
            if let Err(error) = self.write(link, call, inputs).await {
                failed.extend(part.iter().map(|(from, _)| (from.clone(), error.message.clone())));
            }
        }
        failed
    }

    /// Links that are there and are not wanted.
    async fn surplus(
        &self,
        link: &Link,
        made: &Made<'_>,
        objects: &[&str],
    ) -> Result<Vec<(String, String)>, ConnectorError> {
        let mut surplus = Vec::new();
        for part in objects.chunks(INPUTS) {
            let mut inputs: Vec<Json> = part.iter().map(|id| json!({"id": id})).collect();
            while !inputs.is_empty() {
                let body = json!({"inputs": inputs}).to_string().into_bytes();
                let answer = self.client.http.send(&Request::query(self.path(link, "read"), body)).await?;
                let answer =
                    answer.json.ok_or_else(|| VENDOR.not_understood("links were answered without a body"))?;
                inputs = Vec::new();
                for result in list(&answer, "results") {
                    let Some(from) = result.get("from").and_then(|from| text(from, "id")) else { continue };
                    let there = list(result, "to").filter(|to| link.is_of_kind(to));
                    let there = there.filter_map(|to| text(to, "toObjectId"));
                    surplus.extend(there.filter(|to| !made.wants(&from, to)).map(|to| (from.clone(), to)));
                    if let Some(after) = result.pointer("/paging/next").and_then(|next| text(next, "after")) {
                        inputs.push(json!({"id": from, "after": after}));
                    }
                }
            }
        }
        Ok(surplus)
    }

    async fn write(
        &self,
        link: &Link,
        call: &str,
        inputs: Vec<Json>,
    ) -> Result<Option<Json>, ConnectorError> {
        let body = json!({"inputs": inputs}).to_string().into_bytes();
        // A link that is there stays as it is, and one that is gone too.
        let request = Request::write(self.path(link, call), body, true);
        Ok(self.client.http.send(&request).await?.json)
    }

    fn path(&self, link: &Link, call: &str) -> String {
        format!("/crm/v4/associations/{}/{}/batch/{call}", self.from.as_str(), link.to.as_str())
    }
}

impl Link {
    fn missing(&self, key: &str, unclear: bool) -> Outcome {
        let Association { field, to, match_on, .. } = &self.association;
        let by = match_on.as_deref().unwrap_or("record id");
        if unclear {
            let reason = format!("HubSpot did not say which of `{to}` has the {by} `{key}`");
            return Outcome::Deferred { reason };
        }
        let message = format!("there is none of `{to}` with the {by} `{key}` to link it to");
        Outcome::Rejected { code: MISSING.to_owned(), field: Some(field.clone()), message }
    }

    /// Whether a link that is there is one of this kind. A link with a name of the account's own is no ordinary one:
    /// taking the ordinary one away would take the named one along.
    fn is_of_kind(&self, to: &Json) -> bool {
        let mut kinds = list(to, "associationTypes").filter_map(Spec::read);
        match &self.spec {
            Some(spec) => kinds.any(|kind| kind == *spec),
            None => kinds.all(|kind| kind.category == "HUBSPOT_DEFINED"),
        }
    }
}

impl Spec {
    fn read(kind: &Json) -> Option<Self> {
        let number = kind.get("typeId").or_else(|| kind.get("associationTypeId"))?.as_u64()?;
        Some(Spec { category: text(kind, "category")?, number })
    }

    fn wire(&self) -> Json {
        json!({"associationCategory": self.category, "associationTypeId": self.number})
    }
}

/// The kinds of links that these objects can have.
async fn kinds(client: &Client, from: &ObjectType, to: &ObjectType) -> Result<Json, ConnectorError> {
    let path = format!("/crm/v4/associations/{}/{}/labels", from.as_str(), to.as_str());
    let answer = client.http.send(&Request::get(path)).await.map_err(|error| match error.kind {
        Kind::Rejected | Kind::Config => {
            let message =
                format!("HubSpot cannot link `{}` to `{}`: {}", from.as_str(), to.as_str(), error.message);
            ConnectorError { kind: Kind::Config, message, ..error }
        }
        _ => error,
    })?;
    answer.json.ok_or_else(|| VENDOR.not_understood("the kinds of links have no body"))
}

/// The kind of link that a mapping names.
async fn spec(
    client: &Client,
    (from, to): (&ObjectType, &ObjectType),
    kind: &AssociationKind,
) -> Result<Option<Spec>, ConnectorError> {
    if *kind == AssociationKind::Default {
        return Ok(None);
    }
    let body = kinds(client, from, to).await?;
    let is_meant = |known: &&Json| match kind {
        AssociationKind::Label(label) => text(known, "label").as_deref() == Some(label),
        AssociationKind::Type(number) => {
            Spec::read(known).is_some_and(|spec| spec.number == u64::from(*number))
        }
        AssociationKind::Default => false,
    };
    if let Some(spec) = list(&body, "results").find(is_meant).and_then(Spec::read) {
        return Ok(Some(spec));
    }
    let shown = |known: &Json| {
        let number = Spec::read(known)?.number;
        Some(match text(known, "label") {
            Some(label) => format!("`{label}` (type {number})"),
            None => format!("type {number}"),
        })
    };
    let known: Vec<String> = list(&body, "results").filter_map(shown).collect();
    let asked = match kind {
        AssociationKind::Label(label) => format!("label `{label}`"),
        AssociationKind::Type(number) => format!("type {number}"),
        AssociationKind::Default => "ordinary link".to_owned(),
    };
    let message = format!("HubSpot has no {asked} for links from `{}` to `{}`", from.as_str(), to.as_str());
    Err(ConnectorError::new(Kind::Config, message).hint(format!("there are: {}", known.join(", "))))
}
