//! Azure Blob Storage.

use object_store::azure::{AzureConfigKey as Key, MicrosoftAzureBuilder};

use super::settings::is_public;
use super::{Built, Client, Secrets, address, client, retry};
use crate::registry::Settings;

/// What logs in, and the variable of the environment that stands in for it:
/// <https://docs.rs/object_store/latest/object_store/azure/struct.MicrosoftAzureBuilder.html#method.from_env>.
const LOGIN: [(&str, &str, Key); 5] = [
    ("access_key", "AZURE_STORAGE_ACCOUNT_KEY", Key::AccessKey),
    ("sas_token", "AZURE_STORAGE_SAS_TOKEN", Key::SasKey),
    ("tenant_id", "AZURE_TENANT_ID", Key::AuthorityId),
    ("client_id", "AZURE_CLIENT_ID", Key::ClientId),
    ("client_secret", "AZURE_CLIENT_SECRET", Key::ClientSecret),
];

/// A container; asks nobody.
pub(super) fn build(container: &str, settings: &Settings) -> Built {
    let address = address(settings, &[])?;
    let variable = |name: &str| settings.environment.get(name).filter(|v| !v.is_empty()).map(String::as_str);
    let Some(account) = settings.text("account")?.or_else(|| variable("AZURE_STORAGE_ACCOUNT_NAME")) else {
        return Err("`account` is missing".to_owned().into());
    };
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name(container)
        .with_retry(retry())
        .with_client_options(client(address.as_ref()))
        .with_skip_signature(is_public(settings)?);
    // Containers of two accounts may have one name.
    let owner = Some(address.as_ref().map_or(account, |address| address.as_str()).to_owned());
    if let Some(address) = address {
        builder = builder.with_endpoint(address.as_str().to_owned());
    }
    let mut secrets = Secrets::default();
    let mut own = Vec::new();
    for (name, ..) in LOGIN {
        own.push(settings.text(name)?);
    }
    complete(&own)?;
    // All of the connection's, or all of the environment's: a mixture would log in as somebody else.
    let is_own = own.iter().any(Option::is_some);
    for ((name, instead, key), own) in LOGIN.into_iter().zip(own) {
        let value = if is_own { own } else { variable(instead) };
        if let Some(value) = value {
            builder = builder.with_config(key, value);
            if !matches!(name, "tenant_id" | "client_id") {
                secrets.add(value);
            }
        }
    }
    if let Some(host) = settings.text("authority_host")?.or_else(|| variable("AZURE_AUTHORITY_HOST")) {
        builder = builder.with_authority_host(host);
    }
    if !is_own {
        for (name, key) in
            [("AZURE_FEDERATED_TOKEN_FILE", Key::FederatedTokenFile), ("IDENTITY_ENDPOINT", Key::MsiEndpoint)]
        {
            builder =
                variable(name).into_iter().fold(builder, |builder, value| builder.with_config(key, value));
        }
    }
    let store = builder.build().map_err(|error| secrets.redact(&error.to_string()))?;
    Ok(Client::new(store, owner, secrets))
}

/// One way to log in, and all that it takes.
fn complete(own: &[Option<&str>]) -> Result<(), String> {
    match own {
        [Some(_), Some(_), ..] => {
            Err("`access_key` and `sas_token` are two ways to log in; set one".to_owned())
        }
        [None, None, tenant, client, Some(_)] if tenant.is_none() || client.is_none() => {
            Err("`client_secret` needs `tenant_id` and `client_id`".to_owned())
        }
        [Some(_), ..] | [_, Some(_), ..] if own[2..].iter().any(Option::is_some) => {
            Err("`client_id`, `tenant_id` and `client_secret` are another way to log in than a key; set one"
                .to_owned())
        }
        _ => Ok(()),
    }
}
