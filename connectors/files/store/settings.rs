//! What a connection to an object store, or to a server, may say, and what its environment may.

use crate::registry::{Setting, Settings};

const fn setting(name: &'static str, help: &'static str) -> Setting {
    Setting { name, required: false, secret: false, help }
}

const fn secret(name: &'static str, help: &'static str) -> Setting {
    Setting { name, required: false, secret: true, help }
}

/// Beside `url`; each says which stores take it.
pub(in crate::files) const SETTINGS: [Setting; 21] = [
    Setting {
        name: "url",
        required: true,
        secret: false,
        help: "A folder, relative to the project; `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`; of a destination also \
               `sftp://USER@HOST:PORT/FOLDER`.",
    },
    setting("region", "s3: the bucket's region; unless set `AWS_REGION`, or `us-east-1`."),
    setting("endpoint", "s3: the address of another store that speaks S3; the same as `base_url`."),
    setting(
        "access_key_id",
        "s3: the key's id; without one the environment's, a web identity, or the machine's role.",
    ),
    secret("secret_access_key", "s3: the key's secret."),
    secret("session_token", "s3: the token of a temporary key."),
    setting(
        "credentials",
        "gs: `adc` (default) or a JSON file of Google's. All stores: `none` for what everybody may read.",
    ),
    secret("service_account_key", "gs: the JSON of a service account's key, in place of a file."),
    setting("account", "az: the storage account; unless set `AZURE_STORAGE_ACCOUNT_NAME`."),
    secret("access_key", "az: a key of the account."),
    secret(
        "sas_token",
        "az: a shared access signature that allows reading and listing; of a destination also creating, writing and deleting.",
    ),
    setting("tenant_id", "az: the directory of the application that logs in."),
    setting("client_id", "az: the application that logs in; alone, a managed identity of the machine."),
    secret("client_secret", "az: the application's secret."),
    setting("authority_host", "az: where the application logs in, in a cloud of another country."),
    secret("password", "sftp: the user's password."),
    secret("private_key", "sftp: the text of the user's private key."),
    setting("private_key_file", "sftp: its file, relative to the project."),
    secret("passphrase", "sftp: what opens the private key."),
    setting("host_key", "sftp: the server's key, `ssh-ed25519 AAAA...`, or its fingerprint, `SHA256:...`."),
    setting("known_hosts", "sftp: the file of keys that servers have; unless set `~/.ssh/known_hosts`."),
];

/// Variables that the vendors' own tools read.
pub(in crate::files) const ENVIRONMENT: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    // Where `~/.ssh/known_hosts` is.
    "HOME",
];

/// The settings of a store by its scheme, beside `url`.
const OWN: [(&str, &[&str]); 5] = [
    ("s3", &["region", "endpoint", "access_key_id", "secret_access_key", "session_token", "credentials"]),
    ("gs", &["credentials", "service_account_key"]),
    (
        "az",
        &[
            "account",
            "access_key",
            "sas_token",
            "tenant_id",
            "client_id",
            "client_secret",
            "authority_host",
            "credentials",
        ],
    ),
    ("sftp", &["password", "private_key", "private_key_file", "passphrase", "host_key", "known_hosts"]),
    ("", &[]),
];

/// The first setting that this scheme does not take; a folder's scheme is empty.
pub(in crate::files) fn foreign<'a>(settings: &'a Settings, scheme: &str) -> Option<&'a str> {
    let own = OWN.iter().find(|(name, _)| *name == scheme).map_or(&[][..], |(_, own)| own);
    let is_own = |name: &&String| *name == "url" || own.contains(&name.as_str());
    settings.values.keys().find(|name| !is_own(name)).map(String::as_str)
}

/// Whether nothing shall be signed, of a store that knows no other `credentials`.
pub(super) fn is_public(settings: &Settings) -> Result<bool, String> {
    match settings.text("credentials")? {
        None => Ok(false),
        Some("none") => Ok(true),
        Some(_) => Err("`credentials` of this store can only be `none`".to_owned()),
    }
}
