//! The HTTP server: from a request to an account, past its limits and faults, to the emulator and back.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Query, State as Shared};
use axum::http::{HeaderName, HeaderValue, Request as HttpRequest, Response, StatusCode, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::account::Account;
use super::config::SandboxConfig;
use super::connection::{Cut, Sockets};
use super::faults::FaultKind;
use super::keys::list;
use super::show;
use super::state::State;
use super::stats::{Counted, Stats};
use super::store::{Storage, Store};
use super::vendor::{self, Answer, Content, Exhausted, Request, Usage};
use crate::contract::{ConnectorError, Kind};

struct Server {
    accounts: Vec<Arc<Account>>,
    store: Store,
    stats: Stats,
    stopping: watch::Receiver<bool>,
}

/// A running sandbox on a loopback port.
pub struct Sandbox {
    url: String,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    server: Arc<Server>,
}

impl Sandbox {
    /// Listens on `127.0.0.1:port` (0: any free port), each vendor under `/NAME`.
    ///
    /// # Errors
    /// [`Kind::Config`] when the port is taken or the configuration contradicts a vendor's catalogue,
    /// [`Kind::Internal`] when the storage cannot be used.
    pub async fn start(config: SandboxConfig, storage: Storage, port: u16) -> Result<Self, ConnectorError> {
        let accounts = vendor::names()
            .map(|name| Account::new(name, &config).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|message| ConnectorError::new(Kind::Config, format!("the sandbox: {message}")))?;
        let listening = |error: std::io::Error| {
            ConnectorError::new(
                Kind::Config,
                format!("the sandbox cannot listen on 127.0.0.1:{port}: {error}"),
            )
            .hint("choose another port; 0 takes any free one")
        };
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let store = Store::start(&storage)?;
        let (stop, stopping) = watch::channel(false);
        let server =
            Arc::new(Server { accounts, store, stats: Stats::default(), stopping: stopping.clone() });
        let router = Router::new().fallback(handle).with_state(server.clone());
        let service = router.into_make_service_with_connect_info::<Cut>();
        let serve = axum::serve(Sockets(listener), service)
            .with_graceful_shutdown(async move { stopped(stopping).await });
        let serving = tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the sandbox's server ended");
            }
        });
        Ok(Sandbox { url: format!("http://{address}"), stop, serving, server })
    }

    /// `http://127.0.0.1:PORT`, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What `outflow sandbox show` tells, of any storage.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub async fn show(&self) -> Result<Json, ConnectorError> {
        let shown = self.server.store.run(|connection| show::collect(connection)).await;
        let failed =
            |why: String| ConnectorError::new(Kind::Internal, format!("the sandbox cannot be read: {why}"));
        shown.ok_or_else(|| failed("it is stopping".into()))?.map_err(|error| failed(error.to_string()))
    }

    /// What `GET /__sandbox/stats` tells: counts since the start, of requests and of each fault that fired.
    pub fn stats(&self) -> Json {
        self.server.stats()
    }

    /// When the last ten thousand requests arrived, those over a limit too, in their order.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.server.stats.arrivals()
    }

    /// Ends the server and closes its file. Requests in flight are answered, those that hang are cut.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if tokio::time::timeout(Duration::from_secs(5), &mut self.serving).await.is_err() {
            self.serving.abort();
        }
        self.server.store.close().await;
    }
}

/// Ends when the sandbox is stopped or dropped.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn handle(
    Shared(server): Shared<Arc<Server>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: HttpRequest<Body>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if path == "/__sandbox/stats" {
        return respond(Answer::new(StatusCode::OK, server.stats()));
    }
    // The target of a `CONNECT` has no path at all.
    let below = path.strip_prefix('/').unwrap_or_default();
    let (name, rest) = below.split_at(below.find('/').unwrap_or(below.len()));
    let Some(account) = server.accounts.iter().find(|account| account.vendor.name() == name) else {
        let names: Vec<_> = vendor::names().collect();
        let message = format!("no such vendor; this sandbox serves {}", list(&names));
        return respond(Answer::new(StatusCode::NOT_FOUND, json!({"message": message})));
    };
    server.serve(account.clone(), rest.to_owned(), request, cut).await
}

impl Server {
    fn stats(&self) -> Json {
        let faults = self.accounts.iter().flat_map(|account| account.faults.counts()).collect();
        self.stats.report(faults)
    }

    async fn serve(
        &self,
        account: Arc<Account>,
        path: String,
        request: HttpRequest<Body>,
        cut: Cut,
    ) -> Response<Body> {
        self.stats.arrived();
        let vendor = &account.vendor;
        let writes = vendor.writes(request.method(), &path);
        let _in_flight = self.stats.in_flight(writes);
        let counted = if writes { Counted::Write } else { Counted::Read };
        let request = read(path, request, vendor.longest_body()).await;
        let compressed = takes_gzip(&request);
        let connection = account.connection();
        let admitted = match &connection {
            Ok(_) => self.admit(&account, &request.path).await,
            Err(limit) => {
                self.count(vendor.name(), Counted::Refused).await;
                Err(*limit)
            }
        };
        let usage = match admitted {
            Ok(usage) => usage,
            Err(limit) => {
                let mut answer = account.exhausted(limit, &request.path);
                vendor.finish(&mut answer, &account.used_up(&request.path));
                return respond(answer);
            }
        };
        let fault = account.faults.strike(&format!("/{}{}", vendor.name(), request.path));
        match fault {
            Some(FaultKind::Status { code, retry_after }) => {
                let counted = if code == 429 { Counted::Refused } else { counted };
                self.count(vendor.name(), counted).await;
                let mut answer = account.fault_answer(code, &request.path);
                answer.headers.extend(retry_after.map(|seconds| ("retry-after", seconds.to_string())));
                vendor.finish(&mut answer, &usage);
                return respond(answer);
            }
            Some(FaultKind::Hang) => {
                self.count(vendor.name(), counted).await;
                stopped(self.stopping.clone()).await;
                cut.now();
                return Response::default();
            }
            Some(FaultKind::Delay(time)) => {
                let _ = tokio::time::timeout(time, stopped(self.stopping.clone())).await;
            }
            _ => {}
        }
        let mut answer = self.answer(account.clone(), request, usage, counted).await;
        vendor.finish(&mut answer, &usage);
        if compressed {
            compress(&mut answer);
        }
        match fault {
            // Within an answer that has no body there is no place to cut.
            Some(FaultKind::LostAck | FaultKind::Truncate)
                if fault == Some(FaultKind::LostAck) || answer.body.is_none() =>
            {
                cut.now();
                Response::default()
            }
            Some(FaultKind::Truncate) => truncate(respond(answer), cut).await,
            Some(FaultKind::Garbage) => garbage(answer),
            _ => respond(answer),
        }
    }

    /// Counts the request against the limits, or tells which one is used up.
    async fn admit(&self, account: &Arc<Account>, path: &str) -> Result<Usage, Exhausted> {
        let name = account.vendor.name();
        let remaining = match account.accept(path) {
            Ok(remaining) => remaining,
            Err(limit) => {
                self.count(name, Counted::Refused).await;
                return Err(limit);
            }
        };
        let daily = account.daily;
        let day = format!("day {}", Timestamp::now().strftime("%F"));
        let used = self.store.run(move |connection| {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let state = State::new(&transaction, name);
            let used = match state.counted(&day)? {
                used if used >= daily => None,
                _ => Some(state.count(&day)?),
            };
            transaction.commit()?;
            Ok::<_, rusqlite::Error>(used)
        });
        match used.await {
            Some(Ok(None)) => {
                self.count(name, Counted::Refused).await;
                Err(Exhausted::Day)
            }
            // A store that fails here fails again in `answer`, which tells the client.
            used => {
                let used = used.and_then(Result::ok).flatten().unwrap_or(0);
                Ok(account.usage(path, remaining, daily.saturating_sub(used)))
            }
        }
    }

    async fn count(&self, vendor: &'static str, counted: Counted) {
        self.stats.count(counted);
        let stored = self
            .store
            .run(move |connection| State::new(connection, vendor).count(counted.name()).map(drop))
            .await;
        if let Some(Err(error)) = stored {
            tracing::error!(%error, "the sandbox cannot count a request");
        }
    }

    /// Runs the emulator in one transaction, committed before this returns; an error status undoes the effects.
    async fn answer(
        &self,
        account: Arc<Account>,
        request: Request,
        usage: Usage,
        counted: Counted,
    ) -> Answer {
        self.stats.count(counted);
        let worker = account.clone();
        let answered = self.store.run(move |connection| {
            let mut transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let effects = transaction.savepoint()?;
            let answer = worker.answer(&request, &usage, &effects)?;
            if answer.status.as_u16() < 400 {
                effects.commit()?;
            } else {
                effects.finish()?;
            }
            State::new(&transaction, worker.vendor.name()).count(counted.name())?;
            transaction.commit()?;
            Ok::<_, rusqlite::Error>(answer)
        });
        match answered.await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => {
                let message = format!("the sandbox cannot keep this: {error}");
                tracing::error!("{message}");
                account.vendor.error(StatusCode::INTERNAL_SERVER_ERROR, &message)
            }
            None => account.vendor.error(StatusCode::SERVICE_UNAVAILABLE, "the sandbox is stopping"),
        }
    }
}

async fn read(path: String, request: HttpRequest<Body>, most: usize) -> Request {
    let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).map(|query| query.0);
    let (parts, body) = request.into_parts();
    let body = collect(body, most).await;
    Request {
        method: parts.method,
        path: if path.is_empty() { "/".to_owned() } else { path },
        query: query.unwrap_or_default(),
        headers: parts.headers,
        whole: body.is_some(),
        body: body.unwrap_or_default(),
    }
}

/// The body, or `None` if it breaks off or is too long. It is read to its end in any case, so that the answer arrives.
async fn collect(body: Body, most: usize) -> Option<Bytes> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(part) = stream::StreamExt::next(&mut stream).await {
        let part = part.ok()?;
        length += part.len();
        if length <= most {
            bytes.extend_from_slice(&part);
        }
    }
    (length <= most).then(|| bytes.into())
}

fn takes_gzip(request: &Request) -> bool {
    let accepted = request.headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("gzip"))
}

/// Compresses a long text.
fn compress(answer: &mut Answer) {
    let Some(Content::Text(_, text)) = &mut answer.body else { return };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    if gzip.write_all(text).is_ok()
        && let Ok(bytes) = gzip.finish()
    {
        *text = bytes;
        answer.headers.push(("content-encoding", "gzip".to_owned()));
    }
}

fn respond(answer: Answer) -> Response<Body> {
    let (media, body) = match answer.body {
        None => (None, Vec::new()),
        Some(Content::Json(json)) => (Some("application/json;charset=utf-8"), json.to_string().into_bytes()),
        Some(Content::Text(media, text)) => (Some(media), text),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = answer.status;
    if let Some(media) = media {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    }
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// Announces the whole body, sends half of it, and cuts the connection.
async fn truncate(response: Response<Body>, cut: Cut) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half = stream::once(async move { Ok::<_, std::io::Error>(whole.slice(..whole.len() / 2)) });
    let end = stream::once(async move {
        // A pause lets the server flush what it has.
        tokio::time::sleep(Duration::from_millis(20)).await;
        cut.now();
        Err(std::io::ErrorKind::ConnectionReset.into())
    });
    Response::from_parts(parts, Body::from_stream(stream::StreamExt::chain(half, end)))
}

fn garbage(answer: Answer) -> Response<Body> {
    let mut response = respond(Answer { status: StatusCode::OK, body: None, ..answer });
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    *response.body_mut() = Body::from("<html><body><h1>Everything is fine</h1></body></html>");
    response
}
