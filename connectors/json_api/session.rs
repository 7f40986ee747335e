//! Delivery of one batch: as few requests as its rows allow, and one outcome for each row.

use std::collections::BTreeMap;
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
use crate::http::{HttpClient, Verdict, bisect, default_budget};

/// Refusals that name their rows, one after another, before a batch is cut in two.
const NAMED_ROUNDS: usize = 8;

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
                let parts = Parts { session: self, call, verb, rows: &rows, refused: Mutex::default() };
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
    /// Rows known to be refused, which are not sent again with others.
    refused: Mutex<BTreeMap<usize, Outcome>>,
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
            let send = |inner: Range<usize>| self.send(part.start + inner.start..part.start + inner.end);
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

    /// Sends some of the rows, in as many requests as it takes to leave out those that a refusal names.
    async fn send(&self, part: Range<usize>) -> Result<Vec<Outcome>, ConnectorError> {
        for _ in 0..NAMED_ROUNDS {
            let live: Vec<usize> = part.clone().filter(|row| !self.is_refused(*row)).collect();
            if live.is_empty() {
                return Ok(self.whole(part, BTreeMap::new()));
            }
            let rows: Vec<&Row> = live.iter().map(|row| &self.rows[*row]).collect();
            let request = match encode::request(self.call, &rows, &self.session.headers) {
                Ok(request) => request,
                Err(fault) if self.refuse_alone(&live, &fault) => continue,
                Err(fault) => return Err(ConnectorError::new(Kind::Rejected, fault.message).code(fault.code)),
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
                Ok(answer) => {
                    let outcomes = rules.outcomes(&answer, self.verb, &keys);
                    return Ok(self.whole(part, live.into_iter().zip(outcomes).collect()));
                }
                Err(error) if error.kind == Kind::Rejected && live.len() > 1 => {
                    let named = std::mem::take(&mut *locked(&named));
                    if named.is_empty() {
                        return Err(error);
                    }
                    locked(&self.refused).extend(named.into_iter().map(|(at, outcome)| (live[at], outcome)));
                }
                Err(error) => return Err(error),
            }
        }
        Err(ConnectorError::new(Kind::Rejected, "the API refuses these rows again and again, some at a time"))
    }

    fn is_refused(&self, row: usize) -> bool {
        locked(&self.refused).contains_key(&row)
    }

    /// Takes note of the rows that make no request by themselves; whether there are any.
    fn refuse_alone(&self, live: &[usize], fault: &Fault) -> bool {
        let alone = |row: &usize| match live {
            [_] => Some((*row, fault.clone())),
            _ => {
                let made = encode::request(self.call, &[&self.rows[*row]], &self.session.headers);
                made.err().map(|fault| (*row, fault))
            }
        };
        let faulty: Vec<(usize, Fault)> = live.iter().filter_map(alone).collect();
        let any = !faulty.is_empty();
        locked(&self.refused).extend(faulty.into_iter().map(|(row, fault)| (row, fault.outcome())));
        any
    }

    /// An outcome for each row of a part: what was answered now, or refused before.
    fn whole(&self, part: Range<usize>, mut answered: BTreeMap<usize, Outcome>) -> Vec<Outcome> {
        let refused = locked(&self.refused);
        let silent = || Outcome::Unknown { reason: "the answer does not name this row".to_owned() };
        part.map(|row| answered.remove(&row).or_else(|| refused.get(&row).cloned()).unwrap_or_else(silent))
            .collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
