//! Settings of a connection to Template.

use crate::http::{CA_FILE, Credentials, KeyLogin};
use crate::registry::Setting;

/// What a connection takes.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "api_key",
        required: true,
        secret: true,
        help: "a key that may read the account and write people",
    },
    CA_FILE,
];

/// Where the API is, and how a request shows the key.
pub(super) const LOGIN: KeyLogin = KeyLogin {
    kind: "template",
    settings: SETTINGS,
    api: "https://api.template.example",
    hint: "set it as `api_key: \"${TEMPLATE_API_KEY}\"` and give the variable a key of the account",
    credentials: Credentials::bearer,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::support;

    #[test]
    fn a_key_is_read_and_never_shown() {
        support::logs_in_by_key(&LOGIN);
    }
}
