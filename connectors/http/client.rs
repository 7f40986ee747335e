//! The client of one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect;
use secrecy::{ExposeSecret, SecretString};
use tower::util::MapResponseLayer;

use super::exchange::{UNREACHABLE, exchange};
use super::quota::{Quota, Wish};
use super::request::{Answer, Request, Vendor};
use super::retry::{self, Next, Policy};
use super::{BaseUrl, Observed};
use crate::contract::{ConnectorError, Kind, Permission, QuotaOwner, RateLimit, Retry, Traffic};
use crate::registry::Limits;
use crate::rehearsal;

/// What a client is made of.
#[derive(Debug)]
pub struct Setup {
    pub vendor: Vendor,
    pub base_url: BaseUrl,
    pub owner: QuotaOwner,
    /// What the user set.
    pub limits: Limits,
    /// What holds where the user set nothing; the vendor's headers may move it either way.
    pub start_rate: Option<RateLimit>,
    /// Requests in flight where the user set nothing.
    pub in_flight: usize,
    /// Sent as `Authorization: Bearer ...`.
    pub bearer: Option<SecretString>,
    pub policy: Policy,
}

/// A host that has never answered is given up after so many attempts: the address is likelier wrong than the host down.
const FIRST_CONTACT: u32 = 3;

/// Sends requests to one API under the limits of their owner; cheap to clone, safe to share, safe to cancel.
#[derive(Clone)]
pub struct HttpClient {
    inner: Arc<Inner>,
    /// Of the session that sends; without one nothing is written.
    permission: Option<Arc<dyn Permission>>,
}

struct Inner {
    client: reqwest::Client,
    setup: Setup,
    /// The limits without a share.
    unshared: Limits,
    authorization: Option<HeaderValue>,
    quota: Arc<Quota>,
    counts: Counts,
    /// Connections opened so far.
    opened: Arc<AtomicU64>,
    /// The host has answered before.
    reached: AtomicBool,
}

#[derive(Default)]
struct Counts {
    writes: AtomicU64,
    reads: AtomicU64,
    bytes: AtomicU64,
    retries: AtomicU64,
}

impl HttpClient {
    /// # Errors
    /// [`Kind::Config`] for credentials that cannot be a header, and for a machine without certificate authorities.
    pub fn new(mut setup: Setup) -> Result<Self, ConnectorError> {
        setup.policy.timeout = rehearsal::timeout().unwrap_or(setup.policy.timeout);
        let authorization = match &setup.bearer {
            Some(token) => Some(bearer(token)?),
            None => None,
        };
        let wish = Wish {
            rate: setup.limits.requests.or(setup.start_rate),
            fixed: setup.limits.requests.is_some(),
            in_flight: setup.limits.concurrency.unwrap_or(setup.in_flight),
            book: setup.limits.book.clone(),
        };
        let quota = Quota::of(&setup.owner, &wish);
        let unshared = Limits { share: None, ..setup.limits.clone() };
        let opened = Arc::<AtomicU64>::default();
        let client = build(&setup, opened.clone())?;
        let counts = Counts::default();
        let reached = AtomicBool::new(false);
        let inner =
            Arc::new(Inner { client, setup, unshared, authorization, quota, counts, opened, reached });
        Ok(HttpClient { inner, permission: None })
    }

    /// The same client for one session, whose writes leave only while they are permitted.
    pub fn permitted_by(&self, permission: Arc<dyn Permission>) -> Self {
        HttpClient { inner: self.inner.clone(), permission: Some(permission) }
    }

    /// Sends a request through all layers and returns its answer, once the vendor's own reading of it and its status
    /// both call it a success.
    ///
    /// # Errors
    /// [`Kind::Ambiguous`] when a write may have had an effect; any other kind means that it had none.
    /// [`Kind::Revoked`] where its session may not write any more, or closes while it waits.
    pub async fn send(&self, request: &Request) -> Result<Answer, ConnectorError> {
        let policy = self.inner.setup.policy;
        let mut pauses = policy.pauses();
        let mut lost = None;
        for tried in 1.. {
            let error = match self.attempt(request, tried, lost.is_none()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.kind == Kind::Ambiguous {
                lost.get_or_insert_with(|| error.message.clone());
            }
            let nobody_there =
                error.code.as_deref() == Some(UNREACHABLE) && !self.inner.reached.load(Relaxed);
            let pause = pauses.next().filter(|_| tried < FIRST_CONTACT || !nobody_there);
            match policy.next(error, request.repeatable, pause) {
                Next::Again(pause) => {
                    let pause = async {
                        tokio::time::sleep(pause).await;
                        Ok(())
                    };
                    self.while_open(request, lost.is_none(), pause).await?;
                }
                Next::Stop(error) => return Err(retry::after_loss(error, lost.as_deref())),
            }
        }
        Err(ConnectorError::new(Kind::Internal, "a request was tried too often"))
    }

    /// `harmless`: no earlier attempt can have had an effect.
    async fn attempt(&self, request: &Request, tried: u32, harmless: bool) -> Result<Answer, ConnectorError> {
        let Inner { client, setup, unshared, quota, .. } = &*self.inner;
        let wire = self.wire(request)?;
        let turn = async {
            let place = quota.place().await?;
            // What only reads keeps to no share: it asks little, and others may wait for it.
            let limits = if request.is_write() { &setup.limits } else { unshared };
            Ok((place, quota.leave(limits, setup.policy.longest_wait).await?))
        };
        let (place, entry) = self.while_open(request, harmless, turn).await?;
        if request.is_write() {
            self.permission()?.check()?;
        }
        let (left, opened) = (Instant::now(), self.inner.opened.load(Relaxed));
        self.count(request, tried > 1);
        let answered = exchange(client, wire, setup.policy.timeout, setup.bearer.as_ref()).await;
        // It waited for a connection first, which may take longer than the limiter's margin.
        if self.inner.opened.load(Relaxed) != opened {
            self.noted(quota.late(entry).await.map(drop));
        }
        // What an answer says of limits is written down while the next request is on its way, but a refusal before it.
        let _place = Some(place).filter(|_| !answered.as_ref().is_ok_and(Answer::is_success));
        let result = match answered {
            Ok(answer) => self.verdict(request, answer, left.elapsed()).await,
            Err(error) => Err(error),
        };
        result.map_err(|error| {
            tracing::debug!(path = request.path, kind = ?error.kind, code = error.code, "attempt failed");
            retry::for_access(error, request).with("path", &request.path)
        })
    }

    /// Waits for as long as the session is open. What may have had an effect is waited for to the end.
    async fn while_open<T>(
        &self,
        request: &Request,
        harmless: bool,
        wait: impl Future<Output = Result<T, ConnectorError>>,
    ) -> Result<T, ConnectorError> {
        if !request.is_write() || !harmless {
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

    fn permission(&self) -> Result<&dyn Permission, ConnectorError> {
        self.permission.as_deref().ok_or_else(|| {
            ConnectorError::new(Kind::Internal, "a write outside of a session; this is a defect of outflow")
        })
    }

    fn wire(&self, request: &Request) -> Result<reqwest::Request, ConnectorError> {
        let Inner { client, setup, authorization, .. } = &*self.inner;
        let url = format!("{}{}", setup.base_url, request.path);
        let mut builder = client.request(request.method.clone(), url).header(ACCEPT, "application/json");
        if let Some(value) = authorization {
            builder = builder.header(AUTHORIZATION, value.clone());
        }
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        builder.build().map_err(|e| {
            ConnectorError::new(Kind::Internal, "a request could not be built").source(e.without_url())
        })
    }

    /// The vendor's own words decide before the HTTP status does.
    async fn verdict(
        &self,
        request: &Request,
        answer: Answer,
        took: Duration,
    ) -> Result<Answer, ConnectorError> {
        let Inner { setup, quota, .. } = &*self.inner;
        let id = answer.header(setup.vendor.request_id).unwrap_or_default();
        tracing::debug!(method = %request.method, path = request.path, status = answer.status, id, "answered");
        self.inner.reached.store(true, Relaxed);
        let observed: Observed = (setup.vendor.observe)(&answer.headers);
        self.noted(quota.observe(&observed, &setup.limits, took).await);
        let error = (setup.vendor.judge)(&answer).or_else(|| retry::by_status(setup.vendor.title, &answer));
        let Some(error) = error else { return Ok(answer) };
        self.noted(match (error.kind, error.retry) {
            (Kind::RateLimited, Retry::After(wait)) => quota.refused(Some(wait)).await,
            (Kind::RateLimited, _) => quota.refused(None).await,
            (Kind::Quota, _) => quota.left(0, &setup.limits).await,
            _ => Ok(()),
        });
        Err(error.with("status", answer.status).with("request id", id))
    }

    /// What an answer says of the limits could not be written down. The answer counts all the same; the next request
    /// finds the book as broken.
    fn noted(&self, result: Result<(), ConnectorError>) {
        if let Err(error) = result {
            tracing::warn!(%error, "what the vendor says of its limits was not kept");
        }
    }

    fn count(&self, request: &Request, again: bool) {
        let counts = &self.inner.counts;
        if request.is_write() {
            counts.writes.fetch_add(1, Relaxed);
            counts.bytes.fetch_add(request.body.as_ref().map_or(0, Vec::len) as u64, Relaxed);
        } else {
            counts.reads.fetch_add(1, Relaxed);
        }
        if again {
            counts.retries.fetch_add(1, Relaxed);
        }
    }

    /// Requests sent so far.
    pub fn traffic(&self) -> Traffic {
        let counts = &self.inner.counts;
        Traffic {
            writes: counts.writes.load(Relaxed),
            reads: counts.reads.load(Relaxed),
            bytes: counts.bytes.load(Relaxed),
            retries: counts.retries.load(Relaxed),
        }
    }

    /// The account's day begins at midnight of this IANA time zone; UTC until it is known.
    pub async fn set_zone(&self, name: &str) {
        self.noted(self.inner.quota.zone(name).await);
    }

    /// Requests a day that the user allows this account's owner; `None` where that is not limited, or not known yet.
    pub fn daily_budget(&self) -> Option<u64> {
        self.inner.quota.budget(&self.inner.setup.limits)
    }

    pub fn owner(&self) -> &QuotaOwner {
        &self.inner.setup.owner
    }

    pub fn host(&self) -> &str {
        self.inner.setup.base_url.host()
    }
}

fn bearer(token: &SecretString) -> Result<HeaderValue, ConnectorError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| {
        ConnectorError::new(Kind::Config, "the token holds characters that no token can have")
            .hint("look for a line break or a quote copied along with it")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[expect(clippy::disallowed_methods, reason = "the one client through which everything is sent")]
fn build(setup: &Setup, opened: Arc<AtomicU64>) -> Result<reqwest::Client, ConnectorError> {
    let timeout = setup.policy.timeout;
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("outflow/", env!("CARGO_PKG_VERSION")))
        // Both would send requests that the layers above neither count nor limit.
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connector_layer(MapResponseLayer::new(move |connection| {
            opened.fetch_add(1, Relaxed);
            connection
        }))
        .connect_timeout(timeout.min(Duration::from_secs(10)));
    if setup.base_url.is_loopback() {
        builder = builder.no_proxy();
    }
    if !setup.base_url.is_encrypted() {
        // A machine without certificate authorities can still talk to itself.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|e| {
        ConnectorError::new(Kind::Config, "the TLS client could not be set up")
            .hint("install the system's certificate authorities (package `ca-certificates`)")
            .source(e.without_url())
    })
}
