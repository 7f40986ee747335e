//! Settings of a Brevo connection.

use crate::http::{CA_FILE, Credentials, KeyLogin};
use crate::registry::Setting;

/// Holds the key (<https://developers.brevo.com/docs/how-it-works>).
const HEADER: &str = "api-key";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "api_key",
        required: true,
        secret: true,
        help: "an API key of the account (`xkeysib-...`)",
    },
    CA_FILE,
];

pub(super) const LOGIN: KeyLogin = KeyLogin {
    kind: "brevo",
    settings: SETTINGS,
    api: "https://api.brevo.com/v3",
    hint: "set it as `api_key: \"${BREVO_API_KEY}\"` and give the variable a key of Brevo's page \"SMTP & API\"",
    credentials: |key| Credentials::none().with_header(HEADER, key),
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
