//! Google Cloud Storage.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use google_cloud_auth::credentials::AccessTokenCredentials;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::{CredentialProvider, Error};
use tokio::sync::OnceCell;

use super::answer::LoginFailed;
use super::{Built, Client, Secrets, address, client, retry};
use crate::google::{KeyFile, Login};
use crate::registry::Settings;

/// <https://cloud.google.com/storage/docs/oauth-scopes>
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// A bucket; asks nobody.
pub(super) fn build(bucket: &str, settings: &Settings) -> Built {
    let address = address(settings, &[])?;
    let login = login(settings)?;
    let builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_retry(retry())
        .with_client_options(client(address.as_ref()))
        .with_skip_signature(matches!(login, Login::None))
        .with_credentials(Arc::new(Tokens { login, made: OnceCell::new() }));
    let owner = address.as_ref().map(|address| address.as_str().to_owned());
    let builder = match address {
        Some(address) => builder.with_base_url(address.as_str()),
        None => builder,
    };
    let mut secrets = Secrets::default();
    secrets.add(settings.text("service_account_key")?.unwrap_or_default());
    let store = builder.build().map_err(|error| secrets.redact(&error.to_string()))?;
    Ok(Client::new(store, owner, secrets))
}

fn login(settings: &Settings) -> Result<Login, String> {
    match (settings.text("credentials")?, settings.text("service_account_key")?) {
        (Some(_), Some(_)) => Err("`credentials` and `service_account_key` say the same; set one".to_owned()),
        (None | Some("adc"), None) => Ok(Login::Default),
        (Some("none"), None) => Ok(Login::None),
        (Some(path), None) => KeyFile::read(path).map(Login::File),
        (None, Some(key)) => KeyFile::parse(key, "service_account_key")
            .map(Login::File)
            .map_err(|problem| format!("`service_account_key` {problem}")),
    }
}

/// Gives the store's client its tokens, as Google's own library gets them and renews them.
struct Tokens {
    login: Login,
    made: OnceCell<Option<AccessTokenCredentials>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.login.name())
    }
}

#[async_trait]
impl CredentialProvider for Tokens {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        let failed = |what: &str| Error::Generic {
            store: "login",
            source: Box::new(LoginFailed(self.login.redact(what))),
        };
        let make = async || self.login.tokens(SCOPE).map_err(|error| failed(&self.login.failed(&error).0));
        let bearer = match self.made.get_or_try_init(make).await? {
            None => String::new(),
            Some(tokens) => tokens.access_token().await.map_err(|error| failed(&error.to_string()))?.token,
        };
        Ok(Arc::new(GcpCredential { bearer }))
    }
}
