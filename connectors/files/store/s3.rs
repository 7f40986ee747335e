//! Amazon S3, and whatever speaks as it does.

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};

use super::settings::is_public;
use super::{Built, Client, Secrets, address, client, retry};
use crate::registry::Settings;

/// Variables of the environment beside those of a key, by the names that the store's client has for them:
/// <https://docs.rs/object_store/latest/object_store/aws/struct.AmazonS3Builder.html#method.from_env>.
const VARIABLES: [(&str, Key); 9] = [
    ("AWS_DEFAULT_REGION", Key::Region),
    ("AWS_REGION", Key::Region),
    ("AWS_ENDPOINT_URL_STS", Key::StsEndpoint),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", Key::WebIdentityTokenFile),
    ("AWS_ROLE_ARN", Key::RoleArn),
    ("AWS_ROLE_SESSION_NAME", Key::RoleSessionName),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", Key::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", Key::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", Key::ContainerAuthorizationTokenFile),
];

/// A bucket; asks nobody.
pub(super) fn build(bucket: &str, settings: &Settings) -> Built {
    let address = address(settings, &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_retry(retry())
        .with_client_options(client(address.as_ref()))
        // Not all that speak S3 can remove many objects at once.
        .with_disable_bulk_delete(true)
        .with_skip_signature(is_public(settings)?);
    for (name, key) in VARIABLES {
        if let Some(value) = settings.environment.get(name).filter(|value| !value.is_empty()) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(region) = settings.text("region")? {
        builder = builder.with_region(region);
    }
    let owner = address.as_ref().map(|address| address.as_str().to_owned());
    if let Some(address) = address {
        builder = builder.with_endpoint(address.as_str());
    }
    let mut secrets = Secrets::default();
    if let Some((id, secret, token)) = key(settings)? {
        secrets.add(&secret);
        builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        if let Some(token) = token {
            secrets.add(&token);
            builder = builder.with_token(token);
        }
    }
    let store = builder.build().map_err(|error| secrets.redact(&error.to_string()))?;
    Ok(Client::new(store, owner, secrets))
}

/// The key: all of the connection's, or all of the environment's, for one's token does not fit the other's key.
fn key(settings: &Settings) -> Result<Option<(String, String, Option<String>)>, String> {
    let own = |name: &str| Ok::<_, String>(settings.text(name)?.map(str::to_owned));
    let (id, secret, token) = (own("access_key_id")?, own("secret_access_key")?, own("session_token")?);
    match (id, secret, token) {
        (Some(id), Some(secret), token) => Ok(Some((id, secret, token))),
        (None, None, None) => {
            let variable = |name: &str| settings.environment.get(name).filter(|v| !v.is_empty()).cloned();
            let key = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"));
            Ok(key.map(|(id, secret)| (id, secret, variable("AWS_SESSION_TOKEN"))))
        }
        (None, ..) => Err("`access_key_id` is missing".to_owned()),
        (Some(_), None, _) => Err("`secret_access_key` is missing".to_owned()),
    }
}
