//! Delivery of one batch: as few requests as its rows allow, and one outcome for each row.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use reqwest::header::HeaderMap;

use super::encode::{self, Fault, Row, TOO_LARGE};
use super::requests::{Call, Requests};
use super::rows::Key;
use crate::contract::{
    BatchSource, ConnectorError, Handles, Kind, OneVerb, Outcome, Outcomes, Session, Submitted, Verb,
};
use crate::http::{Answer, HttpClient, Reply, Request, Verdict, in_parts};

pub(super) struct JsonApiSession {
    pub(super) client: HttpClient,
    pub(super) requests: Requests,
    pub(super) headers: HeaderMap,
    pub(super) object: String,
}

#[async_trait]
impl Session for JsonApiSession {
    async fn submit(
        &self,
        batch: &dyn BatchSource,
        _handles: &dyn Handles,
    ) -> Result<Submitted, ConnectorError> {
        let (mut rows, mut outcomes) = (Vec::with_capacity(batch.len()), Outcomes::new(batch.len()));
        let (mut verb, mut place) = (OneVerb::default(), 0);
        batch.each(&mut |change| {
            verb.see(change.verb)?;
            match Row::new(change, &self.object) {
                Ok(row) => rows.push((place, row)),
                Err(fault) => outcomes.set(place, fault.outcome()),
            }
            place += 1;
            Ok(())
        })?;
        let verb = verb.get()?;
        let (places, rows): (Vec<usize>, Vec<Row>) = rows.into_iter().unzip();
        let sent = match self.requests.get(verb) {
            Some(call) => {
                let parts = Parts { session: self, call, verb, rows: &rows };
                let cut = parts.cut();
                in_parts(rows.len(), &cut, |places| parts.send(places)).await?
            }
            None => vec![no_request(verb); rows.len()],
        };
        for (place, outcome) in places.into_iter().zip(sent) {
            outcomes.set(place, outcome);
        }
        Ok(Submitted::Done(outcomes.receipt()))
    }
}

/// A row whose match key changed is updated by its id, whatever the mapping's mode.
fn no_request(verb: Verb) -> Outcome {
    let reason = format!(
        "the mapping's `destination` has no `{verb}` request; add one, or set `on_match_change: replace` or `hold`"
    );
    Outcome::Deferred { reason }
}

/// The rows of one batch on their way.
struct Parts<'a> {
    session: &'a JsonApiSession,
    call: &'a Arc<Call>,
    verb: Verb,
    rows: &'a [Row],
}

impl Parts<'_> {
    /// The rows in parts that one request each may hold, by their number and by the size of the body.
    fn cut(&self) -> Vec<Range<usize>> {
        let most = self.call.rows();
        let mut parts: Vec<Range<usize>> = Vec::new();
        for start in (0..self.rows.len()).step_by(most) {
            let mut waiting = vec![start..self.rows.len().min(start + most)];
            while let Some(part) = waiting.pop() {
                match self.request(part.clone()) {
                    Err(fault) if fault.code == TOO_LARGE && part.len() > 1 => {
                        let middle = part.start + part.len() / 2;
                        waiting.extend([middle..part.end, part.start..middle]);
                    }
                    _ => parts.push(part),
                }
            }
        }
        parts
    }

    fn request(&self, places: impl Iterator<Item = usize>) -> Result<Request, Fault> {
        let rows: Vec<&Row> = places.map(|place| &self.rows[place]).collect();
        encode::request(self.call, &rows, &self.session.headers)
    }

    /// Sends the rows at these places in one request.
    async fn send(&self, places: Vec<usize>) -> Result<Reply, ConnectorError> {
        let request = match self.request(places.iter().copied()) {
            Ok(request) => request,
            Err(fault) => return self.faulty(&places, fault),
        };
        let keys: Vec<Key> = places.iter().map(|place| self.rows[*place].key.clone()).collect();
        let rules = &self.call.rules;
        let named = Mutex::new(Vec::new());
        let judge = |answer: &Answer| {
            let verdict = rules.verdict(answer);
            if matches!(&verdict, Verdict::Failure(error) if error.kind == Kind::Rejected) {
                *locked(&named) = rules.named(answer, self.verb, &keys);
            }
            verdict
        };
        match self.session.client.send_judged(&request, &judge).await {
            Ok(answer) => Ok(Reply::Each(rules.outcomes(&answer, self.verb, &keys))),
            // Not after a lost answer: then nothing is known, and the kind is another one.
            Err(error) if error.kind == Kind::Rejected => {
                let named = std::mem::take(&mut *locked(&named));
                match named.is_empty() {
                    true => Err(error),
                    false => Ok(Reply::Named(named.into_iter().map(|(at, o)| (places[at], o)).collect())),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Names the rows that make no request by themselves; where there is none, they make none together.
    fn faulty(&self, places: &[usize], fault: Fault) -> Result<Reply, ConnectorError> {
        let alone = |place: &usize| {
            let fault = self.request(std::iter::once(*place)).err()?;
            Some((*place, fault.outcome()))
        };
        let named: Vec<(usize, Outcome)> = places.iter().filter_map(alone).collect();
        match named.is_empty() {
            true => Err(ConnectorError::new(Kind::Rejected, fault.message).code(fault.code)),
            false => Ok(Reply::Named(named)),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
