//! The client of one connection.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use reqwest::header::HeaderMap;

use super::budget::Budget;
use super::carried::{Carried, Pieces, Sink};
use super::counts::Counts;
use super::request::{Answer, Request, Vendor, Verdict};
use super::retry::Policy;
use super::secrets::Secrets;
use super::token::Tokens;
use super::transport;
use super::turn::Windows;
use super::{BaseUrl, Credentials};
use crate::contract::{ConnectorError, Permission, QuotaOwner, RateLimit, Traffic};
use crate::registry::Limits;
use crate::rehearsal;

/// What a client is made of.
#[derive(Debug)]
pub struct Setup {
    /// What the sender must know of the vendor.
    pub vendor: Vendor,
    /// Every request's path is put behind it.
    pub base_url: BaseUrl,
    /// Whose limits the requests count against, unless `limits` names another.
    pub owner: QuotaOwner,
    /// What the user set.
    pub limits: Limits,
    /// What holds where the user set nothing; the vendor's headers may move it either way.
    pub start_rate: Option<RateLimit>,
    /// Requests in flight where the user set nothing.
    pub in_flight: usize,
    /// As whom the client speaks.
    pub credentials: Credentials,
    /// Certificate authorities to trust beside the system's; see [`ca_file`](super::ca_file).
    pub ca_file: Option<PathBuf>,
    /// How long and how often it tries.
    pub policy: Policy,
}

/// Sends requests to one API under the limits of their owner; cheap to clone, safe to share, safe to cancel.
#[derive(Clone)]
pub struct HttpClient {
    pub(super) inner: Arc<Inner>,
    /// Of the session that sends; without one nothing is written.
    pub(super) permission: Option<Arc<dyn Permission>>,
}

/// What all sessions of one connection share.
pub(super) struct Inner {
    pub(super) client: reqwest::Client,
    pub(super) setup: Setup,
    /// The limits without a share.
    pub(super) unshared: Limits,
    /// Sent with every request.
    pub(super) headers: HeaderMap,
    pub(super) tokens: Option<Tokens>,
    pub(super) secrets: Secrets,
    pub(super) windows: Windows,
    pub(super) counts: Counts,
    pub(super) budget: Budget,
    /// Connections opened so far.
    pub(super) opened: Arc<AtomicU64>,
    /// The host has answered before.
    pub(super) reached: AtomicBool,
}

/// How an answer is judged before its HTTP status is.
pub(super) type Judge<'a> = &'a (dyn Fn(&Answer) -> Verdict + Sync);

impl HttpClient {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for credentials that cannot be a header, for a machine without certificate authorities, and for a
    /// `ca_file` without certificates.
    pub fn new(mut setup: Setup) -> Result<Self, ConnectorError> {
        setup.policy.timeout = rehearsal::timeout().unwrap_or(setup.policy.timeout);
        setup.owner = setup.limits.owner.clone().unwrap_or(setup.owner);
        let secrets = Secrets::default();
        let headers = setup.credentials.fixed_headers(&secrets)?;
        let tokens = setup.credentials.as_grant().cloned().map(Tokens::new);
        let windows = Windows::of(&setup);
        let unshared = Limits { share: None, ..setup.limits.clone() };
        let opened = Arc::<AtomicU64>::default();
        let token_url = tokens.as_ref().map(|tokens| &tokens.grant.token_url);
        let addresses: Vec<_> = std::iter::once(&setup.base_url).chain(token_url).collect();
        let client =
            transport::build(&addresses, setup.ca_file.as_deref(), setup.policy.timeout, opened.clone())?;
        let inner = Inner {
            client,
            unshared,
            headers,
            tokens,
            secrets,
            windows,
            counts: Counts::default(),
            budget: Budget::default(),
            opened,
            reached: AtomicBool::new(false),
            setup,
        };
        Ok(HttpClient { inner: Arc::new(inner), permission: None })
    }

    /// The same client for one session, whose writes leave only while they are permitted.
    pub fn permitted_by(&self, permission: Arc<dyn Permission>) -> Self {
        HttpClient { inner: self.inner.clone(), permission: Some(permission) }
    }

    /// Sends a request through all layers and returns its answer, once the vendor's own reading of it and its status
    /// both call it a success.
    ///
    /// # Errors
    /// [`Kind::Ambiguous`](crate::contract::Kind::Ambiguous) when a write may have had an effect; any other kind means that it had none.
    /// [`Kind::Revoked`](crate::contract::Kind::Revoked) where its session may not write any more, or closes while it waits.
    pub async fn send(&self, request: &Request) -> Result<Answer, ConnectorError> {
        self.send_judged(request, &self.by_vendor()).await
    }

    /// As [`Self::send`], with a reading of the answer that this request brings along instead of the vendor's. What it
    /// calls a success is one, whatever its status and body.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_judged(&self, request: &Request, judge: Judge<'_>) -> Result<Answer, ConnectorError> {
        self.rounds(request, judge, &mut Carried::Nothing).await
    }

    /// Sends a request whose body is made while it is sent, which holds nothing of it in memory but a piece.
    ///
    /// # Errors
    /// As [`Self::send`], and those of the body's maker.
    pub async fn upload(&self, request: &Request, body: &dyn Pieces) -> Result<Answer, ConnectorError> {
        let judge = self.by_vendor();
        self.rounds(request, &judge, &mut Carried::up(body)).await
    }

    /// Sends a request whose answer, where it is a success, is taken while it comes, whatever its type.
    ///
    /// # Errors
    /// As [`Self::send`], and those of the taker.
    pub async fn download(&self, request: &Request, sink: &mut dyn Sink) -> Result<(), ConnectorError> {
        let judge = self.by_vendor();
        self.rounds(request, &judge, &mut Carried::Down(sink)).await.map(drop)
    }

    fn by_vendor(&self) -> impl Fn(&Answer) -> Verdict + Sync + use<> {
        let judge = self.inner.setup.vendor.judge;
        move |answer| judge(answer).map_or(Verdict::ByStatus, Verdict::Failure)
    }

    /// Requests sent so far.
    pub fn traffic(&self) -> Traffic {
        self.inner.counts.traffic()
    }

    /// The account's day begins at midnight of this IANA time zone; UTC until it is known.
    pub async fn set_zone(&self, name: &str) {
        self.inner.noted(self.inner.windows.owner.zone(name).await);
    }

    /// Requests a day that the user allows this account's owner; `None` where that is not limited, or not known yet.
    pub fn daily_budget(&self) -> Option<u64> {
        self.inner.windows.owner.budget(&self.inner.setup.limits)
    }

    /// Whose limits its requests count against.
    pub fn owner(&self) -> &QuotaOwner {
        &self.inner.setup.owner
    }

    /// The host it speaks to, for messages.
    pub fn host(&self) -> &str {
        self.inner.setup.base_url.host()
    }
}

impl Inner {
    /// What an answer says of the limits could not be written down. The answer counts all the same; the next request
    /// finds the book as broken.
    pub(super) fn noted(&self, result: Result<(), ConnectorError>) {
        if let Err(error) = result {
            tracing::warn!(%error, "what the vendor says of its limits was not kept");
        }
    }
}
