//! Files on hosts that SendGrid names, not its own: the file of an import goes up there, and a job's file of errors comes from
//! there. Their addresses are signed, so nothing else is shown to them: no key, and no record keeps the signature.

use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::MultiGzDecoder;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};

use crate::contract::{ConnectorError, Kind, Permission, QuotaOwner, Retry, Traffic};
use crate::http::{
    Answer, BaseUrl, Credentials, HttpClient, Observed, Policy, Request, Setup, Sink, Vendor, Verdict,
};
use crate::registry::Limits;

const STORE: Vendor = Vendor {
    title: "SendGrid's store of files",
    request_id: "x-amz-request-id",
    judge: |_answer| None,
    observe: |_headers| Observed::default(),
};

/// Most bytes of a file of errors that are read.
const LONGEST: usize = 32 << 20;

/// Headers that are the sender's own, whatever SendGrid asks for.
const OWN: [&str; 5] = ["authorization", "host", "content-length", "transfer-encoding", "connection"];

/// What a path is called in logs.
const LABEL: &str = "/{file}";

/// Sends and fetches such files.
#[derive(Clone)]
pub(super) struct Files {
    policy: Policy,
    ca_file: Option<PathBuf>,
    /// The connection is to this machine, which may name files of its own in the clear.
    local: bool,
    permission: Option<Arc<dyn Permission>>,
    traffic: Arc<Mutex<Traffic>>,
}

impl Files {
    pub(super) fn new(policy: Policy, ca_file: Option<PathBuf>, local: bool) -> Self {
        Files { policy, ca_file, local, permission: None, traffic: Arc::default() }
    }

    pub(super) fn permitted_by(&self, permission: Arc<dyn Permission>) -> Self {
        Files { permission: Some(permission), ..self.clone() }
    }

    /// Requests made so far.
    pub(super) fn traffic(&self) -> Traffic {
        *self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a file where SendGrid wants it, with the headers that it asks for.
    ///
    /// # Errors
    /// [`Kind::Ambiguous`] where it may have arrived; any other kind means that it did not.
    pub(super) async fn put(
        &self,
        uri: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<(), ConnectorError> {
        let (http, path) = self.open(uri)?;
        let mut request = Request::write(path, body, true).by(Method::PUT).signed();
        request.label = Some(LABEL.to_owned());
        for (name, value) in headers {
            let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
            else {
                return Err(refused("a header that it asks for is none"));
            };
            if !OWN.contains(&name.as_str()) {
                request.headers.insert(name, value);
            }
        }
        let sent = http.send_judged(&request, &by_success).await;
        self.count(&http);
        sent.map(drop).map_err(|error| match error.kind {
            Kind::Ambiguous | Kind::Revoked | Kind::Unavailable | Kind::Internal => error,
            _ => refused(&error.message),
        })
    }

    /// The bytes of a file, unpacked where they are packed.
    ///
    /// # Errors
    /// Where it cannot be fetched, or is too long to be read.
    pub(super) async fn get(&self, uri: &str) -> Result<Vec<u8>, ConnectorError> {
        let (http, path) = self.open(uri)?;
        let mut taken = Taken::default();
        let request = Request { label: Some(LABEL.to_owned()), ..Request::get(path).signed() };
        let fetched = http.download(&request, &mut taken).await;
        self.count(&http);
        fetched?;
        match taken.0.starts_with(&[0x1f, 0x8b]) {
            true => unpacked(&taken.0),
            false => Ok(taken.0),
        }
    }

    /// A sender for the host of this address, and what stands behind it.
    fn open(&self, uri: &str) -> Result<(HttpClient, String), ConnectorError> {
        let url = Url::parse(uri).map_err(|_| refused("its address is none"))?;
        let base_url = BaseUrl::parse(&url.origin().ascii_serialization(), STORE.title)
            .ok()
            .filter(|base_url| base_url.is_encrypted() || self.local)
            .ok_or_else(|| refused("its address does not begin with `https://`"))?;
        let http = HttpClient::new(Setup {
            vendor: STORE,
            owner: QuotaOwner(format!("sendgrid-files:{}", base_url.host())),
            base_url,
            limits: Limits::default(),
            start_rate: None,
            in_flight: 4,
            credentials: Credentials::none(),
            ca_file: self.ca_file.clone(),
            policy: self.policy,
        })?;
        let http = match &self.permission {
            Some(permission) => http.permitted_by(permission.clone()),
            None => http,
        };
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok((http, format!("{}{query}", url.path())))
    }

    fn count(&self, http: &HttpClient) {
        let (more, mut all) = (http.traffic(), self.traffic.lock().unwrap_or_else(PoisonError::into_inner));
        *all = sum(*all, more);
    }
}

/// Both together.
pub(super) fn sum(a: Traffic, b: Traffic) -> Traffic {
    Traffic {
        writes: a.writes + b.writes,
        reads: a.reads + b.reads,
        bytes: a.bytes + b.bytes,
        retries: a.retries + b.retries,
    }
}

/// A store need not answer with JSON.
fn by_success(answer: &Answer) -> Verdict {
    if answer.is_success() { Verdict::Success } else { Verdict::ByStatus }
}

fn refused(why: &str) -> ConnectorError {
    ConnectorError::new(
        Kind::Unavailable,
        format!("the store that SendGrid names for files did not take one: {why}"),
    )
    .code("UPLOAD_REFUSED")
    .hint("run again; `api: contacts` does without files")
    .retry(Retry::Never)
}

fn too_long() -> ConnectorError {
    ConnectorError::new(Kind::Unavailable, format!("a file of errors has more than {LONGEST} bytes"))
        .retry(Retry::Never)
}

fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, ConnectorError> {
    let mut plain = Vec::new();
    let broken = |error| {
        ConnectorError::new(Kind::Unavailable, "a file of errors cannot be unpacked")
            .retry(Retry::Never)
            .source(error)
    };
    MultiGzDecoder::new(bytes).take(LONGEST as u64 + 1).read_to_end(&mut plain).map_err(broken)?;
    if plain.len() > LONGEST { Err(too_long()) } else { Ok(plain) }
}

#[derive(Default)]
struct Taken(Vec<u8>);

impl Sink for Taken {
    fn begin(&mut self) {
        self.0.clear();
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ConnectorError> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(too_long());
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_spoken_to_in_secret_unless_the_connection_is_to_this_machine() {
        let files = |local| Files::new(Policy::default(), None, local);
        for uri in [
            "http://store.example/f?signature=s3cr3t",
            "http://127.0.0.1:1/f",
            "ftp://store.example/f",
            "data:text/plain,x",
            "nothing",
        ] {
            let error = files(false).open(uri).err().unwrap();
            assert_eq!(
                (error.kind, error.code.as_deref()),
                (Kind::Unavailable, Some("UPLOAD_REFUSED")),
                "{uri}"
            );
            assert!(!error.message.contains("base_url") && !error.message.contains("s3cr3t"), "{error}");
        }
        assert!(files(true).open("http://127.0.0.1:1/f").is_ok());
        assert!(files(true).open("http://store.example/f").is_err());
    }
}
