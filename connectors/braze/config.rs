//! Settings of a Braze connection.

use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::Value as Json;

use crate::contract::{ConnectorError, QuotaOwner};
use crate::http::{self, BaseUrl, CA_FILE, Credentials};
use crate::registry::{Setting, Settings};

/// The `type` of a connection.
pub(super) const TYPE: &str = "braze";

/// Objects in a request to `/users/track`, where the contract sets no other number: 75 in all, and 50 for contracts by
/// monthly active users (<https://www.braze.com/docs/api/api_limits/>).
pub(super) const OBJECTS: usize = 75;

/// What a connection takes.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "api_key",
        required: true,
        secret: true,
        help: "a REST API key of the workspace; `base_url` is the REST endpoint of its instance",
    },
    Setting {
        name: "batch_rows",
        required: false,
        secret: false,
        help: "most objects in a request that the contract allows: 75 (default), or 50 by monthly active users",
    },
    Setting {
        name: "workspace",
        required: false,
        secret: false,
        help: "your own name for the workspace, which tells several of one instance apart",
    },
    CA_FILE,
];

/// Where and as whom to speak; its `Debug` cannot print the key.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) credentials: Credentials,
    pub(super) base_url: BaseUrl,
    /// Limits are those of a workspace; its keys are told apart all the same, as nothing names the workspace.
    pub(super) owner: QuotaOwner,
    /// Most objects in a request to `/users/track`.
    pub(super) batch_rows: usize,
    pub(super) workspace: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
}

impl Config {
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for a missing key or address, an unknown setting, or a number of
    /// objects that no contract has.
    pub(super) fn read(settings: &Settings) -> Result<Self, ConnectorError> {
        settings.only(TYPE, SETTINGS)?;
        let refuse = |hint: &'static str| move |what: String| settings.refuse(TYPE, &what, hint);
        let key = settings.required("api_key").map_err(refuse(KEY_HINT))?;
        let address = settings.base_url.as_deref().ok_or_else(|| "`base_url` is missing".to_owned());
        let base_url = BaseUrl::parse(address.map_err(refuse(ADDRESS_HINT))?, &settings.connection)?;
        let batch_rows = objects(settings.values.get("batch_rows")).map_err(refuse(OBJECTS_HINT))?;
        let workspace =
            settings.text("workspace").map_err(refuse("give the workspace a name, or leave it out"))?;
        Ok(Config {
            owner: http::owner(TYPE, &base_url, [key]),
            credentials: Credentials::bearer(SecretString::from(key)),
            base_url,
            batch_rows,
            workspace: workspace.map(str::to_owned),
            ca_file: http::ca_file(settings)?,
        })
    }
}

fn objects(value: Option<&Json>) -> Result<usize, String> {
    let Some(value) = value else { return Ok(OBJECTS) };
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    let number = number.and_then(|number| usize::try_from(number).ok()).filter(|n| (1..=OBJECTS).contains(n));
    number.ok_or_else(|| format!("`batch_rows` must be a whole number from 1 to {OBJECTS}"))
}

const KEY_HINT: &str = "write `api_key: \"${BRAZE_API_KEY}\"`, and give the variable a REST API key with the permissions \
                        `users.track` and `custom_attributes.get`";

const ADDRESS_HINT: &str = "set it to the REST endpoint of your instance, as in `base_url: https://rest.iad-01.braze.com` \
                            (Settings, APIs and Identifiers)";

const OBJECTS_HINT: &str = "leave it out, or write `batch_rows: 50` for a contract by monthly active users";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::Kind;
    use crate::registry::Limits;

    fn settings(values: Json) -> Settings {
        Settings {
            connection: "messages".to_owned(),
            values: values.as_object().unwrap().clone(),
            base_url: Some("https://rest.iad-01.braze.com".to_owned()),
            sandbox: false,
            limits: Limits::default(),
            environment: Default::default(),
        }
    }

    #[test]
    fn reads_the_key_and_never_shows_it() {
        let config = Config::read(&settings(json!({"api_key": " key-secret\n"}))).unwrap();
        assert_eq!((config.base_url.as_str(), config.batch_rows), ("https://rest.iad-01.braze.com", 75));
        assert!(!format!("{config:?}").contains("key-secret"));
        let other = Config::read(&settings(json!({"api_key": "other"}))).unwrap();
        assert_ne!(other.owner, config.owner);
        for (value, rows) in [(json!(50), 50), (json!("50"), 50), (json!(75), 75)] {
            let config = Config::read(&settings(json!({"api_key": "key", "batch_rows": value}))).unwrap();
            assert_eq!(config.batch_rows, rows);
        }
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (values, word) in [
            (json!({}), "`api_key` is missing"),
            (json!({"api_key": " "}), "`api_key` is empty"),
            (json!({"api_key": 7}), "`api_key` must be a text"),
            (json!({"api_key": "key", "batch_rows": 76}), "from 1 to 75"),
            (json!({"api_key": "key", "batch_rows": 0}), "from 1 to 75"),
            (json!({"api_key": "key", "batch_rows": "many"}), "from 1 to 75"),
            (json!({"api_key": "key", "workspace": ""}), "`workspace` is empty"),
            (json!({"api_key": "key", "instance": "us-01"}), "`instance`"),
        ] {
            let error = Config::read(&settings(values)).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            assert!(error.message.contains(word) && error.message.contains("`messages`"), "{error}");
            assert!(error.hint.is_some(), "{error}");
        }
        let nowhere = Settings { base_url: None, ..settings(json!({"api_key": "key"})) };
        let error = Config::read(&nowhere).unwrap_err();
        assert!(error.message.contains("`base_url` is missing"), "{error}");
        assert!(error.hint.is_some_and(|hint| hint.contains("rest.iad-01.braze.com")));
    }
}
