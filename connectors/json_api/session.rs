//! Delivery of one batch: as few requests as its rows allow, and one outcome for each row.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use reqwest::header::HeaderMap;

use super::encode::{self, Fault, Row, TOO_LARGE};
use super::requests::{Call, Requests};
use super::rows::Key;
use crate::contract::{
    BatchSource, ConnectorError, Handles, Kind, Outcome, Receipt, RemoteHandle, Session, Submitted, Verb,
};
use crate::http::{HttpClient, Reply, Verdict, bisect, default_budget};

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
        let (mut rows, mut outcomes) = (Vec::with_capacity(batch.len()), vec![None; batch.len()]);
        let (mut verb, mut mixed, mut place) = (None, false, 0);
        batch.each(&mut |change| {
            mixed |= *verb.get_or_insert(change.verb) != change.verb;
            match Row::new(change, &self.object) {
                Ok(row) => rows.push((place, row)),
                Err(fault) => outcomes[place] = Some(fault.outcome()),
            }
            place += 1;
            Ok(())
        })?;
        let verb = verb
            .filter(|_| !mixed)
            .ok_or_else(|| ConnectorError::new(Kind::Internal, "a batch must hold changes of one verb"))?;
        let (places, rows): (Vec<usize>, Vec<Row>) = rows.into_iter().unzip();
        let sent = match self.requests.get(verb) {
            Some(call) => {
                let parts = Parts { session: self, call, verb, rows: &rows };
                parts.deliver().await?
            }
            None => vec![no_request(verb); rows.len()],
        };
        for (place, outcome) in places.into_iter().zip(sent) {
            outcomes[place] = Some(outcome);
        }
        Ok(Submitted::Done(Receipt::new(batch.len(), outcomes.into_iter().flatten().collect())?))
    }

    async fn settle(
        &self,
        handle: &RemoteHandle,
        _batch: &dyn BatchSource,
    ) -> Result<Receipt, ConnectorError> {
        let message = format!("requests are answered at once; there is no job `{}`", handle.0);
        Err(ConnectorError::new(Kind::Internal, message))
    }

    async fn finish(&self) -> Result<(), ConnectorError> {
        Ok(())
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
    /// # Errors
    /// A failure before any row had, or may have had, an effect.
    async fn deliver(&self) -> Result<Vec<Outcome>, ConnectorError> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(self.rows.len());
        let mut stopped = None;
        for part in self.cut() {
            if let Some(reason) = &stopped {
                outcomes.extend(part.map(|_| Outcome::Deferred { reason: String::clone(reason) }));
                continue;
            }
            let send = |places: Vec<usize>| self.send(part.start, places);
            match bisect(part.len(), default_budget(part.len()), send).await {
                Ok(sent) => outcomes.extend(sent),
                Err(error) => {
                    let nothing_yet = outcomes.iter().all(|o| matches!(o, Outcome::Rejected { .. }));
                    if nothing_yet && (error.kind != Kind::Ambiguous || part.len() == self.rows.len()) {
                        return Err(error);
                    }
                    let reason = error.message;
                    outcomes.extend(part.map(|_| match error.kind {
                        Kind::Ambiguous => Outcome::Unknown { reason: reason.clone() },
                        _ => Outcome::Deferred { reason: reason.clone() },
                    }));
                    stopped = Some(reason);
                }
            }
        }
        Ok(outcomes)
    }

    /// The rows in parts that one request each may hold, by their number and by the size of the body.
    fn cut(&self) -> Vec<Range<usize>> {
        let most = self.call.rows();
        let mut parts: Vec<Range<usize>> = Vec::new();
        for start in (0..self.rows.len()).step_by(most) {
            let mut waiting = vec![start..self.rows.len().min(start + most)];
            while let Some(part) = waiting.pop() {
                let rows: Vec<&Row> = self.rows[part.clone()].iter().collect();
                match encode::request(self.call, &rows, &self.session.headers) {
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

    /// Sends some rows of a part in one request.
    async fn send(&self, start: usize, places: Vec<usize>) -> Result<Reply, ConnectorError> {
        let rows: Vec<&Row> = places.iter().map(|place| &self.rows[start + place]).collect();
        let request = match encode::request(self.call, &rows, &self.session.headers) {
            Ok(request) => request,
            Err(fault) => return self.refuse_alone(&places, &rows, &fault),
        };
        let keys: Vec<Key> = rows.iter().map(|row| row.key.clone()).collect();
        let rules = &self.call.rules;
        let named = Mutex::new(Vec::new());
        let judge = |answer: &crate::http::Answer| {
            let verdict = rules.verdict(answer);
            if matches!(&verdict, Verdict::Failure(error) if error.kind == Kind::Rejected) {
                *locked(&named) = rules.named(answer, self.verb, &keys);
            }
            verdict
        };
        match self.session.client.send_judged(&request, &judge).await {
            Ok(answer) => Ok(Reply::Each(rules.outcomes(&answer, self.verb, &keys))),
            Err(error) if error.kind == Kind::Rejected && places.len() > 1 => {
                let named = std::mem::take(&mut *locked(&named));
                match named.is_empty() {
                    true => Err(error),
                    false => Ok(Reply::Named(named.into_iter().map(|(at, o)| (places[at], o)).collect())),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Refuses the rows that make no request by themselves, without one.
    fn refuse_alone(&self, places: &[usize], rows: &[&Row], fault: &Fault) -> Result<Reply, ConnectorError> {
        let alone = |(place, row): (&usize, &&Row)| match places {
            [_] => Some((*place, fault.clone().outcome())),
            _ => {
                let made = encode::request(self.call, &[*row], &self.session.headers);
                made.err().map(|fault| (*place, fault.outcome()))
            }
        };
        let faulty: Vec<(usize, Outcome)> = places.iter().zip(rows).filter_map(alone).collect();
        match faulty.is_empty() {
            true => Err(ConnectorError::new(Kind::Rejected, fault.message.clone()).code(fault.code)),
            false => Ok(Reply::Named(faulty)),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
