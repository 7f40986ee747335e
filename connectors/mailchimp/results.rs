//! The results of a batch of operations: a compressed archive of files, each a JSON list of `{status_code,
//! operation_id, response}`, of which `response` is the operation's own answer as a text. It lies on another host, at
//! an address that is itself the permission to read it.
//!
//! The form is that of <https://mailchimp.com/developer/marketing/guides/run-async-requests-batch-endpoint/>, and was
//! not tried: what is not understood proves nothing.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, QuotaOwner, Retry};
use crate::http::json::text;
use crate::http::{Answer, BaseUrl, Credentials, HttpClient, Observed, Policy, Request, Setup, Sink, Vendor};
use crate::registry::Limits;

/// Bytes of an archive, packed and unpacked: a thousand members have some five million.
const MOST: usize = 64 << 20;

/// Bytes of the blocks that an archive is made of.
const BLOCK: usize = 512;

/// A store's own answers mean what their status says.
const STORE: Vendor = Vendor {
    title: "Mailchimp's store of results",
    request_id: "x-amz-request-id",
    judge: |_| None,
    observe: |_| Observed::default(),
};

/// An operation as the results tell of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation {
    status: u16,
    response: Option<Json>,
}

impl Operation {
    /// As if the call had been made alone.
    pub(super) fn answer(&self) -> Answer {
        Answer {
            status: self.status,
            headers: HeaderMap::new(),
            json: self.response.clone(),
            plain: None,
            body_is_empty: self.response.is_none(),
        }
    }
}

/// How results are fetched: without the connection's credentials.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) connection: String,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) policy: Policy,
}

impl Store {
    /// The operations of one batch by their ids.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where they are not to be had, or not understood.
    pub(super) async fn fetch(&self, url: &str) -> Result<HashMap<String, Operation>, ConnectorError> {
        let (origin, path) = parts(url).ok_or_else(|| not_understood("their address is none"))?;
        let base_url = BaseUrl::parse(&origin, &self.connection)
            .map_err(|error| not_understood(&format!("their address cannot be used: {}", error.message)))?;
        let client = HttpClient::new(Setup {
            vendor: STORE,
            owner: QuotaOwner(format!("mailchimp-results:{}", base_url.host())),
            limits: Limits::default(),
            start_rate: None,
            in_flight: 2,
            base_url,
            credentials: Credentials::none(),
            ca_file: self.ca_file.clone(),
            policy: self.policy,
        })?;
        // The address is a permission, and stays out of logs.
        let request = Request { label: Some("/{results}".to_owned()), ..Request::get(path) };
        let mut body = Body::default();
        client.download(&request, &mut body).await.map_err(|error| match error.kind {
            Kind::Revoked => error,
            _ => ConnectorError { kind: Kind::Unavailable, retry: Retry::Never, ..error },
        })?;
        operations(&body.0)
    }
}

/// The host's own address, and all behind it.
fn parts(url: &str) -> Option<(String, String)> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some((format!("{}://{host}{port}", url.scheme()), format!("{}{query}", url.path())))
}

fn not_understood(what: &str) -> ConnectorError {
    let message = format!("the results of a batch of operations were not understood: {what}");
    ConnectorError::new(Kind::Unavailable, message)
        .code("RESULTS_NOT_UNDERSTOOD")
        .hint("nothing is lost, the rows go again; set `api: members` in the mapping if it stays")
        .retry(Retry::Never)
}

/// A body in memory, up to a bound.
#[derive(Default)]
struct Body(Vec<u8>);

impl Sink for Body {
    fn begin(&mut self) {
        self.0.clear();
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ConnectorError> {
        if self.0.len() + bytes.len() > MOST {
            return Err(not_understood("they are longer than any should be"));
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
}

/// The operations of an archive by their ids. An id that stands there twice with different answers is nobody's.
fn operations(packed: &[u8]) -> Result<HashMap<String, Operation>, ConnectorError> {
    let archive = unpacked(packed)?;
    let mut found: HashMap<String, Option<Operation>> = HashMap::new();
    for file in files(&archive)? {
        let Ok(Json::Array(elements)) = serde_json::from_slice::<Json>(file) else { continue };
        for element in &elements {
            let Some((id, operation)) = operation(element) else { continue };
            match found.get_mut(&id) {
                Some(earlier) if earlier.as_ref() == Some(&operation) => {}
                Some(earlier) => *earlier = None,
                None => drop(found.insert(id, Some(operation))),
            }
        }
    }
    Ok(found.into_iter().filter_map(|(id, operation)| Some((id, operation?))).collect())
}

fn operation(element: &Json) -> Option<(String, Operation)> {
    let status = element.get("status_code")?.as_u64().and_then(|status| u16::try_from(status).ok())?;
    let response = match element.get("response") {
        Some(Json::String(text)) => serde_json::from_str(text).ok(),
        Some(object @ Json::Object(_)) => Some(object.clone()),
        _ => None,
    };
    Some((text(element, "operation_id").filter(|id| !id.is_empty())?, Operation { status, response }))
}

/// On its way it may have been unpacked already.
fn unpacked(packed: &[u8]) -> Result<Vec<u8>, ConnectorError> {
    if !packed.starts_with(&[0x1f, 0x8b]) {
        return Ok(packed.to_vec());
    }
    let mut archive = Vec::new();
    let read = MultiGzDecoder::new(packed).take(MOST as u64 + 1).read_to_end(&mut archive);
    match read {
        Ok(length) if length <= MOST => Ok(archive),
        Ok(_) => Err(not_understood("they are longer than any should be")),
        Err(error) => Err(not_understood(&format!("their packing is damaged: {error}"))),
    }
}

/// The contents of the plain files of a tar archive (POSIX.1-1988, "ustar"), to its end.
fn files(archive: &[u8]) -> Result<Vec<&[u8]>, ConnectorError> {
    let (mut files, mut rest) = (Vec::new(), archive);
    loop {
        let Some((header, behind)) = rest.split_at_checked(BLOCK) else {
            return Err(not_understood("their archive is cut off"));
        };
        if header.iter().all(|byte| *byte == 0) {
            return Ok(files);
        }
        let sum: u64 = header
            .iter()
            .enumerate()
            .map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte }))
            .sum();
        let (Some(length), Some(stated)) = (octal(&header[124..136]), octal(&header[148..156])) else {
            return Err(not_understood("their archive is no archive"));
        };
        let padded = usize::try_from(length).ok().and_then(|length| length.checked_next_multiple_of(BLOCK));
        let content = padded.and_then(|padded| behind.split_at_checked(padded));
        let (Some((content, next)), true) = (content, sum == stated) else {
            return Err(not_understood("their archive is damaged"));
        };
        if matches!(header[156], b'0' | 0) {
            files.push(&content[..usize::try_from(length).unwrap_or(content.len())]);
        }
        rest = next;
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(|c: char| c == '\0' || c == ' ');
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mailchimp::sandbox::tar;

    fn archive(files: &[(&str, Json)]) -> Vec<u8> {
        let files: Vec<(String, Vec<u8>)> = files
            .iter()
            .map(|(name, content)| ((*name).to_owned(), content.to_string().into_bytes()))
            .collect();
        tar::packed(&files)
    }

    #[test]
    fn each_operation_is_known_by_its_id() {
        let packed = archive(&[
            (
                "a.json",
                json!([
                    {"status_code": 200, "operation_id": "1", "response": "{\"id\":\"x\"}"},
                    {"status_code": 400, "operation_id": "2", "response": {"title": "Invalid Resource"}},
                    {"status_code": 200, "operation_id": "3", "response": "<html>"},
                    {"status_code": "200", "operation_id": "4"}, {"status_code": 200}, 7,
                ]),
            ),
            ("b.json", json!({"not": "a list"})),
            (
                "c.json",
                json!([
                    {"status_code": 200, "operation_id": "5"}, {"status_code": 500, "operation_id": "5"},
                    {"status_code": 200, "operation_id": "1", "response": "{\"id\":\"x\"}"},
                ]),
            ),
        ]);
        let found = operations(&packed).unwrap();
        let mut ids: Vec<&str> = found.keys().map(String::as_str).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["1", "2", "3"], "what contradicts itself is left out");
        assert_eq!(found["1"].answer().text("id"), Some("x"));
        assert_eq!((found["2"].status, found["2"].answer().text("title")), (400, Some("Invalid Resource")));
        assert!(found["3"].answer().json.is_none());
    }

    #[test]
    fn what_is_no_archive_is_an_error_and_never_an_empty_result() {
        let whole = archive(&[("a.json", json!([{"status_code": 200, "operation_id": "1"}]))]);
        let plain = unpacked(&whole).unwrap();
        assert_eq!(operations(&plain).unwrap().len(), 1, "unpacked on its way");
        let mut wrong_sum = plain.clone();
        wrong_sum[0] ^= 1;
        for damaged in [&whole[..whole.len() / 2], b"", b"<html>", &plain[..600], &plain[..1024], &wrong_sum]
        {
            let error = operations(damaged).unwrap_err();
            assert_eq!(
                (error.kind, error.code.as_deref()),
                (Kind::Unavailable, Some("RESULTS_NOT_UNDERSTOOD"))
            );
        }
    }

    #[test]
    fn an_address_is_cut_into_its_host_and_the_rest() {
        let cut = |url: &str| parts(url);
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(
            cut("https://store.example/a/b.tar.gz?Signature=x%2Fy&Expires=1"),
            pair("https://store.example", "/a/b.tar.gz?Signature=x%2Fy&Expires=1")
        );
        assert_eq!(cut("http://127.0.0.1:81/r"), pair("http://127.0.0.1:81", "/r"));
        assert_eq!((cut("b.tar.gz"), cut("")), (None, None));
    }
}
