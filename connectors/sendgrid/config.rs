//! Settings of a SendGrid connection.

use crate::http::{CA_FILE, Credentials, KeyLogin};
use crate::registry::Setting;

pub(super) const SETTINGS: &[Setting] = &[
    Setting { name: "api_key", required: true, secret: true, help: "an API key of the account (`SG....`)" },
    CA_FILE,
];

pub(super) const LOGIN: KeyLogin = KeyLogin {
    kind: "sendgrid",
    settings: SETTINGS,
    // For accounts of the region Global; those of the EU have `https://api.eu.sendgrid.com` (`tsg_user_v3.json`, `servers`).
    api: "https://api.sendgrid.com",
    hint: "set it as `api_key: \"${SENDGRID_API_KEY}\"` and give the variable a key of SendGrid's page \"API Keys\"",
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
