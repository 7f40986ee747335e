//! The attempts at one request, from its turn to the verdict on its answer.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};

use super::Observed;
use super::carried::Carried;
use super::client::{HttpClient, Inner, Judge};
use super::exchange::{UNREACHABLE, exchange};
use super::record::Record;
use super::request::{Answer, Request, Verdict};
use super::retry::{self, Next};
use super::token::Token;
use super::trace::Trace;
use super::turn::of_window;
use crate::contract::{ConnectorError, Kind, Permission, Retry, Step};

/// A host that has never answered is given up after so many attempts: the address is likelier wrong than the host down.
const FIRST_CONTACT: u32 = 3;

/// What is known of a request after some attempts.
#[derive(Default)]
struct Round {
    tried: u32,
    /// Why the answer of an attempt is not known; after that no refusal proves that there was no effect.
    lost: Option<String>,
    /// The token of the last attempt was refused, and may be replaced.
    expired: bool,
    renewed: bool,
}

impl HttpClient {
    /// As [`Self::send_judged`], with what the request carries.
    pub(super) async fn rounds(
        &self,
        request: &Request,
        judge: Judge<'_>,
        carried: &mut Carried<'_>,
    ) -> Result<Answer, ConnectorError> {
        let policy = self.inner.setup.policy;
        let (mut pauses, mut round) = (policy.pauses(), Round::default());
        self.inner.budget.earn();
        loop {
            round.tried += 1;
            let error = match self.attempt((request, judge), &mut *carried, &mut round).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if std::mem::take(&mut round.expired) && !std::mem::replace(&mut round.renewed, true) {
                Trace::again(request, round.tried, &error, Duration::ZERO);
                continue;
            }
            if error.kind == Kind::Ambiguous {
                round.lost.get_or_insert_with(|| error.message.clone());
            }
            let nobody_there =
                error.code.as_deref() == Some(UNREACHABLE) && !self.inner.reached.load(Relaxed);
            let pause = pauses.next().filter(|_| round.tried < FIRST_CONTACT || !nobody_there);
            let error = match policy.next(error, request.repeatable, pause) {
                Next::Stop(error) => error,
                // Too many requests are no trouble of the other side's; everybody waits for the window anyway.
                Next::Again(pause, error) if error.kind == Kind::RateLimited || self.inner.budget.spend() => {
                    Trace::again(request, round.tried, &error, pause);
                    let pause = async {
                        tokio::time::sleep(pause).await;
                        Ok(())
                    };
                    self.while_open(request, &round, pause).await?;
                    continue;
                }
                Next::Again(_, error) => retry::too_often(error, self.inner.setup.vendor.title),
            };
            return Err(retry::after_loss(error, round.lost.as_deref()));
        }
    }

    async fn attempt(
        &self,
        (request, judge): (&Request, Judge<'_>),
        carried: &mut Carried<'_>,
        round: &mut Round,
    ) -> Result<Answer, ConnectorError> {
        let Inner { client, setup, unshared, windows, .. } = &*self.inner;
        let begun = Instant::now();
        let turn = async {
            // What only reads keeps to no share: it asks little, and others may wait for it.
            let limits = if request.is_write() { &setup.limits } else { unshared };
            let longest = setup.policy.longest_wait;
            // The wait without an end comes first: what is entered in a window leaves at once.
            let step = self.step(request).await?;
            let turn = windows.narrow_turn(request.narrow.as_ref(), limits, longest).await?;
            let narrowed = begun.elapsed();
            let place = windows.owner.concurrency.place().await?;
            let placed = begun.elapsed() - narrowed;
            let early = self.inner.token().await?;
            let asked = Instant::now();
            let mut turn = windows.turn(turn, limits, longest).await?;
            let trace = Trace { placed, limited: narrowed + asked.elapsed(), ..Trace::default() };
            // The turn may have been long in coming.
            let token = self.inner.token().await?;
            if token.as_ref().map(|token| token.number) != early.map(|token| token.number) {
                turn.late().await?;
            }
            Ok((step, place, token, turn, trace))
        };
        let (step, place, token, mut turn, mut trace) = self.while_open(request, round, turn).await?;
        let wire = self.wire(request, token.as_ref())?;
        if request.is_write() {
            self.permission()?.check()?;
        }
        if let Some(step) = step {
            step.leave();
        }
        let (left, opened) = (Instant::now(), self.inner.opened.load(Relaxed));
        self.inner.counts.count(request, round.tried > 1);
        let method = request.method.as_str();
        let record = Record::begin(setup.vendor.title, method, request.recorded(), request.body.as_deref());
        let answered =
            exchange((client, wire), setup.policy.timeout, &self.inner.secrets, &mut *carried).await;
        self.inner.counts.carried(carried.sent());
        trace.took = left.elapsed();
        if let Some(record) = record {
            record.end(&answered, &self.inner.secrets).await;
        }
        // It waited for a connection first, which may take longer than the limiter's margin.
        if self.inner.opened.load(Relaxed) != opened {
            self.inner.noted(turn.late().await);
        }
        // What an answer says of limits is written down while the next request is on its way, but a refusal before it.
        let place = match answered.as_ref().is_ok_and(Answer::is_success) {
            true => {
                place.answered(trace.took);
                None
            }
            false => Some(place),
        };
        let result = match answered {
            Ok(answer) => self.verdict((request, answer), judge, &mut trace).await,
            Err(error) => Err(error),
        };
        if let (Some(place), Err(error)) = (&place, &result)
            && is_overload(error)
        {
            place.overloaded();
        }
        if let (Some(token), Some(tokens)) = (token, &self.inner.tokens) {
            match &result {
                Ok(_) => tokens.accepted(),
                Err(error) => round.expired = is_expired(error) && tokens.refused(token.number),
            }
        }
        trace.tell(request, round.tried, result.as_ref().err());
        result.map_err(|error| retry::for_access(error, request).with("path", request.shown()))
    }

    /// Waits for as long as the session is open. What may have had an effect is waited for to the end.
    async fn while_open<T>(
        &self,
        request: &Request,
        round: &Round,
        wait: impl Future<Output = Result<T, ConnectorError>>,
    ) -> Result<T, ConnectorError> {
        if !request.is_write() || round.lost.is_some() {
            return wait.await;
        }
        let permission = self.permission()?;
        tokio::select! {
            biased;
            done = wait => done,
            () = permission.closing() => {
                Err(ConnectorError::new(Kind::Revoked, "the run ended before this request's turn came"))
            }
        }
    }

    /// Waits until the run's own rate lets a write leave, where it has one.
    async fn step(&self, request: &Request) -> Result<Option<Step<'_>>, ConnectorError> {
        if !request.is_write() {
            return Ok(None);
        }
        match self.permission()?.spacing() {
            Some(spacing) => Ok(Some(spacing.step().await)),
            None => Ok(None),
        }
    }

    fn permission(&self) -> Result<&dyn Permission, ConnectorError> {
        self.permission.as_deref().ok_or_else(|| {
            ConnectorError::new(Kind::Internal, "a write outside of a session; this is a defect of outflow")
        })
    }

    fn wire(&self, request: &Request, token: Option<&Token>) -> Result<reqwest::Request, ConnectorError> {
        let Inner { client, setup, headers, .. } = &*self.inner;
        let base = token.and_then(|token| token.base.as_ref()).unwrap_or(&setup.base_url);
        let url = format!("{base}{}", request.path);
        let mut builder = client.request(request.method.clone(), url).header(ACCEPT, "application/json");
        if let Some(body) = &request.body {
            // Whoever signed an address has said which headers it takes.
            if !request.signed {
                builder = builder.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            builder = builder.body(body.clone());
        }
        // Credentials come last: no request of its own may speak as somebody else.
        builder = builder.headers(request.headers.clone()).headers(headers.clone());
        if let Some(token) = token {
            builder = builder.header(AUTHORIZATION, token.header.clone());
        }
        builder.build().map_err(|e| {
            ConnectorError::new(Kind::Internal, "a request could not be built").source(e.without_url())
        })
    }

    /// The vendor's own words decide before the HTTP status does.
    async fn verdict(
        &self,
        (request, answer): (&Request, Answer),
        judge: Judge<'_>,
        trace: &mut Trace,
    ) -> Result<Answer, ConnectorError> {
        let Inner { setup, windows, .. } = &*self.inner;
        let narrow = request.narrow.as_ref();
        let quota = windows.spoken_of(narrow);
        let id = answer.header(setup.vendor.request_id).unwrap_or_default();
        (trace.status, trace.id) = (answer.status, id.to_owned());
        self.inner.reached.store(true, Relaxed);
        let observed: Observed = of_window((setup.vendor.observe)(&answer.headers), narrow);
        self.inner.noted(quota.observe(&observed, &setup.limits, trace.took).await);
        let error = match judge(&answer) {
            Verdict::Success => None,
            Verdict::Failure(error) => Some(error),
            Verdict::ByStatus => retry::by_status(setup.vendor.title, &answer),
        };
        let Some(error) = error else { return Ok(answer) };
        let error = retry::as_asked(error, &answer, observed.reset);
        self.inner.noted(match (error.kind, error.retry) {
            (Kind::RateLimited, Retry::After(wait)) => quota.refused(Some(wait)).await,
            (Kind::RateLimited, _) => quota.refused(None).await,
            (Kind::Quota, _) => windows.owner.left(0, &setup.limits).await,
            _ => Ok(()),
        });
        Err(error.with("status", answer.status).with("request id", id))
    }
}

/// Whether another token may help: the vendor's own code says so, or the status does.
fn is_expired(error: &ConnectorError) -> bool {
    let says_so = error.code.as_deref().is_some_and(|code| code.starts_with("EXPIRED"));
    error.kind == Kind::Auth && (says_so || has_status(error, "401"))
}

/// Whether the other side had too much to do.
fn is_overload(error: &ConnectorError) -> bool {
    error.kind == Kind::RateLimited || has_status(error, "503")
}

fn has_status(error: &ConnectorError, status: &str) -> bool {
    error.context.iter().any(|(name, value)| *name == "status" && value == status)
}
