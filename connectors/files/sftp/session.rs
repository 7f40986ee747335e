//! One connection to the server, made again when it breaks.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client::{self, DisconnectReason, Handle, Handler};
use russh::keys::PublicKeyOrCertificate;
use russh::{ChannelMsg, Disconnect};
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::rawsession::SftpResult;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{sleep, timeout};

use super::config::{Login, Target};
use super::errors::{Failure, Refusal, clean};
use super::host_key::HostKeys;
use super::login;
use crate::contract::Kind;
use crate::files::errors;

/// Until the server takes the connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Until it has shown its key.
const GREETING: Duration = Duration::from_secs(15);
/// Until it has let the user in, which many put off after a wrong password; and again until it offers files.
const LOGIN: Duration = Duration::from_secs(30);
/// Until it answers a request.
pub(super) const ANSWER: Duration = Duration::from_secs(60);
/// How long nothing may come from the server before it is asked whether it is there; three questions without an answer
/// end the connection.
const QUIET: Duration = Duration::from_secs(10);
/// How often something is tried that a broken connection ended.
const ATTEMPTS: u32 = 6;
/// How often a connection may break while a user logs in.
const DROPS: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// In a write request. A server takes 32 KiB at least, says the protocol:
/// <https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02#section-3>.
pub(super) const CHUNK: usize = 32 * 1024;
/// Write requests of one connection under way at once, as many as OpenSSH's own client has: 2 MiB. Files that go at the same time
/// share them: on a slow line the last would else wait longer for its answer than an answer may take.
pub(super) const WRITES: usize = 64;

/// A server, who logs in there, and the connection that is open.
pub(super) struct Session {
    pub target: Target,
    login: Login,
    keys: Arc<HostKeys>,
    state: Mutex<State>,
    /// How often, in a row, a connection broke while the user logged in.
    dropped: AtomicU32,
    /// After the first broken connection; doubled after each further one.
    pause: Duration,
}

enum State {
    Closed,
    Open(Arc<Live>),
    /// The server refused the user, or was refused; nobody asks again.
    Refused(Refusal),
}

/// A connection that is open.
pub(super) struct Live {
    pub sftp: RawSftpSession,
    pub can_sync: bool,
    pub can_replace: bool,
    /// Places of write requests.
    pub writes: Semaphore,
    connection: Handle<Check>,
}

/// How often something was tried in vain.
pub(super) struct Patience {
    tries: u32,
    pause: Duration,
}

impl Patience {
    /// Waits before the next try.
    ///
    /// # Errors
    /// The failure, where it is not one that another connection mends, or it came too often.
    pub(super) async fn bear(&mut self, failure: Failure) -> Result<(), Failure> {
        self.tries += 1;
        let Failure::Broken(why) = failure else { return Err(failure) };
        if self.tries >= ATTEMPTS {
            return Err(Failure::Broken(why));
        }
        tracing::debug!(why, tries = self.tries, "the connection to the SFTP server is made again");
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

impl Session {
    pub(super) fn new(target: Target, login: Login, keys: HostKeys, pause: Duration) -> Self {
        Session {
            target,
            login,
            keys: Arc::new(keys),
            state: Mutex::new(State::Closed),
            dropped: AtomicU32::new(0),
            pause,
        }
    }

    pub(super) fn patience(&self) -> Patience {
        Patience { tries: 0, pause: self.pause }
    }

    /// Does something, on another connection where one breaks.
    pub(super) async fn repeat<T, W>(&self, work: impl Fn(Arc<Live>) -> W) -> Result<T, Failure>
    where
        W: Future<Output = Result<T, Failure>>,
    {
        let mut patience = self.patience();
        loop {
            let failure = match self.live().await {
                Err(failure) => failure,
                Ok(live) => match work(live.clone()).await {
                    Ok(done) => return Ok(done),
                    Err(failure) => {
                        self.forget(&live, &failure).await;
                        failure
                    }
                },
            };
            patience.bear(failure).await?;
        }
    }

    /// The connection, made where none is open.
    pub(super) async fn live(&self) -> Result<Arc<Live>, Failure> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Open(live) if !live.connection.is_closed() => return Ok(live.clone()),
            State::Refused(refusal) => return Err(Failure::Refused(refusal.clone())),
            _ => {}
        }
        match self.connect().await {
            Ok(live) => {
                let live = Arc::new(live);
                *state = State::Open(live.clone());
                Ok(live)
            }
            Err(failure) => {
                *state = match &failure {
                    Failure::Refused(refusal) => State::Refused(refusal.clone()),
                    _ => State::Closed,
                };
                Err(failure)
            }
        }
    }

    /// Uses this connection no more, where it broke.
    pub(super) async fn forget(&self, broken: &Arc<Live>, failure: &Failure) {
        if !matches!(failure, Failure::Broken(_)) {
            return;
        }
        let mut state = self.state.lock().await;
        if matches!(&*state, State::Open(live) if Arc::ptr_eq(live, broken)) {
            *state = State::Closed;
        }
        drop(state);
        let farewell = broken.connection.disconnect(Disconnect::ByApplication, "", "");
        let _ = timeout(Duration::from_secs(1), farewell).await;
    }

    async fn connect(&self) -> Result<Live, Failure> {
        let stream = self.reach().await?;
        let heard = Arc::<Heard>::default();
        let check = Check { keys: self.keys.clone(), heard: heard.clone() };
        let greeting = client::connect_stream(self.wishes(), stream, check);
        let mut connection = match within(GREETING, greeting).await? {
            Ok(connection) => connection,
            Err(error) => return Err(self.stranger(error, heard.verdict.get())),
        };
        let entered = within(LOGIN, self.login.enter(&mut connection, &self.target)).await;
        if let Err(failure) = entered.flatten() {
            return Err(self.kept_out(failure, heard.farewell.get()));
        }
        self.dropped.store(0, Ordering::Relaxed);
        within(LOGIN, open(connection)).await?
    }

    /// A server that hangs up on a user who logs in may mean to refuse; asking on and on would lock the user out.
    fn kept_out(&self, failure: Failure, farewell: Option<&String>) -> Failure {
        let Failure::Broken(why) = failure else { return failure };
        let times = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        match farewell {
            Some(words) => login::refusal(&self.target, format!("it closes the connection: {words}")),
            None if times >= DROPS => login::refusal(&self.target, format!("{times} times in a row {why}")),
            None => Failure::Broken(why),
        }
    }

    async fn reach(&self) -> Result<TcpStream, Failure> {
        let Target { host, port, .. } = &self.target;
        let broken = |why: String| Failure::Broken(why);
        let stream = timeout(CONNECT, TcpStream::connect((host.as_str(), *port)))
            .await
            .map_err(|_| broken(format!("no connection within {} s", CONNECT.as_secs())))?
            .map_err(|error| broken(error.to_string()))?;
        stream.set_nodelay(true).map_err(|error| broken(error.to_string()))?;
        Ok(stream)
    }

    fn wishes(&self) -> Arc<client::Config> {
        let mut config = client::Config {
            keepalive_interval: Some(QUIET),
            keepalive_max: 3,
            // For those that nobody waits for any more: an open connection is never as quiet.
            inactivity_timeout: Some(12 * QUIET),
            ..client::Config::default()
        };
        config.preferred.key = self.keys.kinds().into();
        Arc::new(config)
    }

    fn stranger(&self, error: russh::Error, verdict: Option<&Refusal>) -> Failure {
        if let Some(refusal) = verdict {
            return Failure::Refused(refusal.clone());
        }
        let russh::Error::NoCommonAlgo { kind, theirs, .. } = error else { return error.into() };
        Failure::Refused(Refusal {
            kind: Kind::Config,
            code: errors::STORE_FAILED,
            message: format!(
                "the server of `{}` knows no way of encryption that is still safe ({kind:?}: it has {})",
                self.target.account(),
                clean(&theirs.join(", "))
            ),
            hint: "have the server brought up to date; nothing was sent".to_owned(),
        })
    }
}

/// Opens the file protocol over a connection that let the user in.
async fn open(connection: Handle<Check>) -> Result<Live, Failure> {
    let mut channel = connection.channel_open_session().await?;
    channel.request_subsystem(true, "sftp").await?;
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => break,
            Some(ChannelMsg::Failure) => {
                return Err(Failure::Refused(Refusal {
                    kind: Kind::Config,
                    code: errors::STORE_FAILED,
                    message: "the server lets the user in, and does not offer SFTP".to_owned(),
                    hint: "have `Subsystem sftp` turned on at the server".to_owned(),
                }));
            }
            Some(_) => {}
            None => return Err(Failure::Broken("it closed the connection".to_owned())),
        }
    }
    // Waiting for answers is up to those who ask.
    let config = russh_sftp::client::Config { request_timeout_secs: 3600, ..Default::default() };
    let sftp = RawSftpSession::new_with_config(channel.into_stream(), config);
    let version = answer(sftp.init()).await?;
    let has = |name: &str| version.extensions.get(name).is_some_and(|version| version == "1");
    Ok(Live {
        can_sync: has("fsync@openssh.com"),
        can_replace: has("posix-rename@openssh.com"),
        writes: Semaphore::new(WRITES),
        sftp,
        connection,
    })
}

/// Waits for an answer.
pub(super) async fn answer<T>(request: impl Future<Output = SftpResult<T>>) -> Result<T, Failure> {
    Ok(within(ANSWER, request).await??)
}

/// Waits so long and no longer.
pub(super) async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Result<T, Failure> {
    timeout(time, work).await.map_err(|_| Failure::Broken(format!("no answer within {} s", time.as_secs())))
}

/// Asks whether the server is the one that is meant, before anything is sent to it.
pub(super) struct Check {
    keys: Arc<HostKeys>,
    heard: Arc<Heard>,
}

/// What a connection brought to light before anybody was let in.
#[derive(Default)]
struct Heard {
    /// Why the server is not believed.
    verdict: OnceLock<Refusal>,
    /// Its last words.
    farewell: OnceLock<String>,
}

impl Handler for Check {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        // A certificate comes only where one is asked for.
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        match self.keys.check(key) {
            Ok(()) => Ok(true),
            Err(refusal) => {
                let _ = self.heard.verdict.set(refusal);
                Ok(false)
            }
        }
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        match reason {
            DisconnectReason::ReceivedDisconnect(words)
                if matches!(words.reason_code, Disconnect::TooManyConnections) =>
            {
                Ok(())
            }
            DisconnectReason::ReceivedDisconnect(words) => {
                let _ = self.heard.farewell.set(clean(&words.message));
                Ok(())
            }
            DisconnectReason::Error(error) => Err(error),
        }
    }
}
