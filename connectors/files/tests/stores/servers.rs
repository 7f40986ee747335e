//! Servers that speak as the stores do: moto for S3 and for the XML API of Google Cloud Storage, Azurite for Azure.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use serde_json::{Value as Json, json};

use super::cut::cut;
use super::written::{Ledger, below, rows, submit, target};
use super::*;
use crate::contract::Destination;
use crate::files::destination::FilesDestination;
use crate::files::tests::delivery::run;
use crate::testing::server;

/// Made by `.ci/services/stores`.
const BUCKET: &str = "outflow";
/// The account that Azurite has, and its key: <https://learn.microsoft.com/azure/storage/common/storage-use-azurite>.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

fn at(address: &str, url: &str, mut values: Json) -> Settings {
    values["url"] = url.into();
    Settings { base_url: Some(address.to_owned()), ..settings(values) }
}

fn opened(settings: &Settings) -> Store {
    let url = settings.values["url"].as_str().unwrap();
    Store::open(settings, url.split_once("://").unwrap()).unwrap()
}

/// The whole way: all formats through a glob, a missing bucket, and a replaced object.
fn works(scheme: &str, address: &str, values: &Json) {
    // The emulator of Google's store reads its dialect, and takes objects in Amazon's.
    let writes = if scheme == "gs" { "s3" } else { scheme };
    let folder = lake();
    let url = format!(
        "{scheme}://{BUCKET}/{}",
        folder.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.')
    );
    let settings = at(address, &url, values.clone());
    let writing = at(address, &url.replacen(scheme, writes, 1), values.clone());
    block_on(async {
        let store = opened(&writing);
        upload(folder.path(), store.inner(), store.prefix()).await;
        gives_the_same(folder.path(), &of(opened(&settings))).await;
        let missing = of(opened(&settings)).shape(&Query::Files(files("none.csv"))).await.unwrap_err();
        let (code, message) = refusal(missing);
        assert!(code == "FILE_MISSING" && message.contains(&format!("`{url}/none.csv`")), "{code} {message}");

        let store = opened(&settings);
        let key = Key::parse(format!("{}/customers/1.parquet", store.prefix())).unwrap();
        let mut sink = Replace { store: opened(&writing), key };
        let query = Query::Files(files("customers/*.parquet"));
        let error = of(store).extract(&query, &ReadContext::fleeting("t"), &mut sink).await.unwrap_err();
        assert_eq!(error.code.as_deref(), Some("FILE_CHANGED"), "{error}");
    });
}

struct Replace {
    store: Store,
    key: Key,
}

#[async_trait]
impl RowSink for Replace {
    async fn accept(&mut self, _: RowBatch) -> Result<(), ConnectorError> {
        self.store.inner().put(&self.key, "other".into()).await.unwrap();
        Ok(())
    }
}

fn refused(scheme: &str, address: &str, bucket: &str, values: &Json) -> (String, String) {
    let settings = at(address, &format!("{scheme}://{bucket}"), values.clone());
    let query = Query::Files(files("*.csv"));
    refusal(block_on(async { of(opened(&settings)).shape(&query).await.unwrap_err() }))
}

#[test]
fn s3_by_a_server_that_checks_signatures() {
    let (Some(address), Some(key)) = (server("s3"), server("s3_key")) else { return };
    let (id, secret) = key.split_once(' ').unwrap();
    let good = json!({"access_key_id": id, "secret_access_key": secret});
    works("s3", &address, &good);
    for (values, bucket, expected, words) in [
        (
            json!({"access_key_id": id, "secret_access_key": "wrong-secret"}),
            BUCKET,
            "FILE_STORE_LOGIN",
            "SignatureDoesNotMatch",
        ),
        (
            json!({"access_key_id": "AKNOBODY", "secret_access_key": secret}),
            BUCKET,
            "FILE_STORE_LOGIN",
            "InvalidAccessKeyId",
        ),
        (good, "another", "FILE_STORE_DENIED", "AccessDenied"),
    ] {
        let (code, message) = refused("s3", &address, bucket, &values);
        assert!(code == expected && message.contains(words), "{code} {message}");
        assert!(!message.contains(secret) && !message.contains("wrong-secret"), "{message}");
    }
}

#[test]
fn google_cloud_storage_by_its_xml_dialect() {
    let Some(address) = server("gcs") else { return };
    works("gs", &address, &json!({"credentials": "none"}));
    let (code, message) = refused("gs", &address, "another", &json!({"credentials": "none"}));
    assert!(code == "FILE_STORE_MISSING" && message.contains("NoSuchBucket"), "{code} {message}");
}

#[test]
fn azure_by_a_server_that_checks_signatures() {
    let Some(address) = server("azure") else { return };
    let good = json!({"account": ACCOUNT, "access_key": KEY});
    works("az", &address, &good);
    let wrong = json!({"account": ACCOUNT, "access_key": "d3Jvbmc="});
    let (code, message) = refused("az", &address, BUCKET, &wrong);
    assert!(code == "FILE_STORE_LOGIN" && message.contains("AuthorizationFailure"), "{code} {message}");
    let (code, message) = refused("az", &address, "another", &good);
    assert!(code == "FILE_STORE_MISSING" && message.contains("ContainerNotFound"), "{code} {message}");
}

fn prefix(folder: &Path) -> String {
    folder.file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_owned()
}

fn destination(settings: &Settings) -> FilesDestination {
    FilesDestination::new(Root::Store(Arc::new(opened(settings))))
}

/// Every object below the prefix of a store, by its name there.
async fn objects(store: &Store) -> BTreeMap<String, Vec<u8>> {
    let prefix = Key::parse(store.prefix()).unwrap();
    let keys: Vec<Key> =
        store.inner().list(Some(&prefix)).map_ok(|object| object.location).try_collect().await.unwrap();
    let mut objects = BTreeMap::new();
    for key in keys {
        let content = store.inner().get(&key).await.unwrap().bytes().await.unwrap();
        let name = key.as_ref().strip_prefix(store.prefix()).unwrap().trim_start_matches('/');
        objects.insert(name.to_owned(), content.to_vec());
    }
    objects
}

/// The files of a folder, in pieces, with their manifest, over a network whose first connections break off.
fn arrives(scheme: &str, address: &str, values: &Json) {
    let folder = tempfile::tempdir().unwrap();
    let options =
        json!({"max_bytes": "12MB", "name": "{{ date }}/all-{{ part }}.csv", "manifest": true, "done": true});
    let (options, changes) = (target(options), rows(200, 100_000));
    let local = FilesDestination::new(Root::Folder(folder.path().to_owned()));
    submit(&local, &options, &changes, &Ledger::default()).unwrap();
    let files = below(folder.path());
    assert_eq!(files.len(), 4, "{:?}", files.keys());
    let url = format!("{scheme}://{BUCKET}/{}", prefix(folder.path()));
    let (broken, struck) = cut(address, 3, 1 << 20);
    let remote = destination(&at(&broken, &url, values.clone()));
    submit(&remote, &options, &changes, &Ledger::default()).unwrap();
    assert_eq!(struck.load(std::sync::atomic::Ordering::SeqCst), 3);
    let found = block_on(objects(&opened(&at(address, &url, values.clone()))));
    assert_eq!(found.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
    assert!(found == files, "the files differ");
    let again = submit(&remote, &options, &changes, &Ledger::default()).unwrap_err();
    assert_eq!(again.code.as_deref(), Some("FILE_EXISTS"), "{again}");
}

#[test]
fn files_arrive_whole_in_s3() {
    let (Some(address), Some(key)) = (server("s3"), server("s3_key")) else { return };
    let (id, secret) = key.split_once(' ').unwrap();
    let good = json!({"access_key_id": id, "secret_access_key": secret});
    arrives("s3", &address, &good);
    let denied = destination(&at(&address, "s3://another/lake", good));
    let (code, message) = refusal(run(denied.account()).unwrap_err());
    assert!(code == "FILE_STORE_DENIED" && message.contains("`s3://another/lake`"), "{code} {message}");
    assert!(!message.contains(secret), "{message}");
}

#[test]
fn files_arrive_whole_in_azure() {
    let Some(address) = server("azure") else { return };
    let good = json!({"account": ACCOUNT, "access_key": KEY});
    arrives("az", &address, &good);
    let missing = destination(&at(&address, "az://another", good));
    let (code, message) = refusal(run(missing.account()).unwrap_err());
    assert!(code == "FILE_STORE_MISSING" && message.contains("ContainerNotFound"), "{code} {message}");
}

#[test]
fn a_bucket_that_is_not_there_is_told_before_anything_is_sent() {
    let Some(address) = server("gcs") else { return };
    let missing = destination(&at(&address, "s3://nowhere/lake", json!({"credentials": "none"})));
    let error = run(missing.account()).unwrap_err();
    assert_eq!(error.kind, Kind::Config);
    let (code, message) = refusal(error);
    assert!(code == "FILE_STORE_MISSING" && message.contains("`s3://nowhere/lake`"), "{code} {message}");
}
