//! Profiles that go one by one: each answer speaks of one row.

use super::encode::{Rows, SINGLE_CLOSE, SINGLE_OPEN};
use super::errors;
use super::lookup::{self, Found};
use super::session::ProfileSession;
use crate::contract::{BatchSource, ConnectorError, Kind, Outcome, Verb};
use crate::http::{Reply, in_parts, json};

impl ProfileSession {
    /// Sends these rows, each by a request of its own. One outcome for each comes back, in their order; after a failure that
    /// is not about a row no other is sent.
    ///
    /// # Errors
    /// That failure, as long as no row had or may have had an effect.
    pub(super) async fn each(
        &self,
        verb: Verb,
        rows: &Rows,
        ids: &[String],
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let parts: Vec<_> = (0..rows.sent.len()).map(|row| row..row + 1).collect();
        in_parts(rows.sent.len(), &parts, |places| async move {
            let row = places[0];
            let id = ids.get(rows.sent[row].place).map(String::as_str).unwrap_or_default();
            self.one(verb, rows.items.body(SINGLE_OPEN, places, SINGLE_CLOSE), id)
                .await
                .map(|outcome| Reply::Each(vec![outcome]))
        })
        .await
    }

    /// What the answer confirms is said of the row, and nothing more.
    async fn one(&self, verb: Verb, body: Vec<u8>, id: &str) -> Result<Outcome, ConnectorError> {
        let answer = match verb {
            Verb::Upsert => self.client.upsert(body).await?,
            Verb::Create => self.client.create(body).await?,
            Verb::Update => match self.client.update(id, body).await {
                Err(error) if errors::is_absent(&error) => {
                    return Ok(lookup::absent(self.options.key));
                }
                answer => answer?,
            },
            _ => {
                return Err(ConnectorError::new(
                    Kind::Internal,
                    "no profile is sent to be removed or listed",
                ));
            }
        };
        let shown = answer.json.as_ref().and_then(|body| body.get("data"));
        let remote_id = shown.and_then(|profile| json::text(profile, "id")).filter(|id| !id.is_empty());
        let created = match (verb, answer.status) {
            (Verb::Upsert | Verb::Create, 201) => Some(true),
            (Verb::Upsert | Verb::Update, 200) => Some(false),
            _ => None,
        };
        Ok(match (remote_id, created) {
            (Some(id), Some(created)) => Outcome::Applied { remote_id: Some(id), created: Some(created) },
            _ => Outcome::Unknown {
                reason: format!("Klaviyo answered {}, which confirms no `{verb}`", answer.status),
            },
        })
    }

    /// The profile that each change is for: by its id where that is known, else by its key. A change without either has
    /// an empty text.
    pub(super) async fn found(&self, batch: &dyn BatchSource) -> Result<Vec<Found>, ConnectorError> {
        let (mut found, mut asked, mut keys) = (Vec::with_capacity(batch.len()), Vec::new(), Vec::new());
        let key = self.options.key;
        batch.each(&mut |change| {
            let by_id = change.remote_id.filter(|_| change.verb != Verb::Join);
            found.push(match (by_id, super::encode::key_of(key, change)) {
                (Some(id), _) => Found::One(id.to_owned()),
                (None, Ok(text)) => {
                    asked.push(found.len());
                    keys.push(text);
                    Found::Nothing
                }
                (None, Err(_)) => Found::Nothing,
            });
            Ok(())
        })?;
        if !keys.is_empty() {
            let answered = lookup::ids(&self.client, key, &keys).await?;
            asked.into_iter().zip(answered).for_each(|(place, one)| found[place] = one);
        }
        Ok(found)
    }
}
