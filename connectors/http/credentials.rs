//! As whom a client speaks.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;

use super::BaseUrl;
use super::assertion::Assertion;
use super::secrets::Secrets;
use crate::contract::{ConnectorError, Kind};

/// What a client shows with every request. `Debug` prints no secret.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    authorization: Authorization,
    headers: Vec<(String, SecretString)>,
}

/// What stands in the header `Authorization`.
#[derive(Debug, Clone, Default)]
enum Authorization {
    #[default]
    None,
    Bearer(SecretString),
    Basic(String, SecretString),
    Grant(Grant),
}

/// An OAuth 2 grant (RFC 6749): the token is asked for when it is needed, renewed ahead of its end, and once more when
/// the API refuses it.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Where tokens are asked for.
    pub token_url: BaseUrl,
    /// Which grant it is.
    pub kind: GrantKind,
    /// The app's public id.
    pub client_id: String,
    /// The app's secret.
    pub client_secret: SecretString,
    /// Scopes to ask for, with spaces between them; `None` asks for the usual ones.
    pub scope: Option<String>,
    /// How id and secret are sent.
    pub client_auth: ClientAuth,
    /// Reads the address of the API from a token's answer; `None` where every token is good at the client's own.
    pub base: Option<fn(&Json) -> Option<String>>,
    /// What to do about a refused grant, in the vendor's own terms: by its code and words.
    pub explain: Option<fn(&str, &str) -> Option<&'static str>>,
}

/// The kinds of grant that need no person at a browser.
#[derive(Debug, Clone)]
pub enum GrantKind {
    /// For the app itself (RFC 6749, section 4.4).
    ClientCredentials,
    /// A server may replace the refresh token with each answer; the new one is used for as long as the process lives.
    RefreshToken(SecretString),
    /// A signed word for a user (RFC 7523), signed anew for each token.
    Assertion(Arc<Assertion>),
    /// A user's name and password (RFC 6749, section 4.3), for servers that have nothing better.
    Password(String, SecretString),
}

impl GrantKind {
    /// What a server refuses that does not accept the grant.
    pub(super) fn shows(&self) -> &'static str {
        match self {
            GrantKind::ClientCredentials => "the app itself",
            GrantKind::RefreshToken(_) => "the refresh token",
            GrantKind::Assertion(_) => "the signed assertion",
            GrantKind::Password(..) => "the user's name or password",
        }
    }
}

/// How the client's id and secret are sent to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// As fields of the form.
    Form,
    /// As HTTP basic authentication.
    Basic,
    /// With all fields of the form in the address, by a `GET`: for servers that read nothing else.
    Query,
}

impl Credentials {
    /// No credentials: for an API that asks for none.
    pub fn none() -> Self {
        Self::default()
    }

    /// `Authorization: Bearer ...`
    pub fn bearer(token: SecretString) -> Self {
        Credentials { authorization: Authorization::Bearer(token), ..Self::default() }
    }

    /// HTTP basic authentication.
    pub fn basic(user: impl Into<String>, password: SecretString) -> Self {
        Credentials { authorization: Authorization::Basic(user.into(), password), ..Self::default() }
    }

    /// A token from an OAuth server.
    pub fn grant(grant: Grant) -> Self {
        Credentials { authorization: Authorization::Grant(grant), ..Self::default() }
    }

    /// With a secret header beside, such as an API key.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: SecretString) -> Self {
        self.headers.push((name.into(), value));
        self
    }

    pub(super) fn as_grant(&self) -> Option<&Grant> {
        match &self.authorization {
            Authorization::Grant(grant) => Some(grant),
            _ => None,
        }
    }

    /// The headers that never change; each value becomes one of the `secrets`.
    ///
    /// # Errors
    /// [`Kind::Config`] for what cannot be a header.
    pub(super) fn fixed_headers(&self, secrets: &Secrets) -> Result<HeaderMap, ConnectorError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let parsed = HeaderName::try_from(name.as_str()).map_err(|_| {
                ConnectorError::new(Kind::Config, format!("`{name}` is not the name of a header"))
                    .hint("a header's name has letters, digits and hyphens")
            })?;
            secrets.add(value);
            headers.insert(parsed, sensitive(value, &format!("the header `{name}`"))?);
        }
        let authorization = match &self.authorization {
            Authorization::None => None,
            Authorization::Bearer(token) => Some(bearer(token, secrets)?),
            Authorization::Basic(user, password) => Some(basic(user, password, secrets)?),
            Authorization::Grant(grant) => {
                secrets.add(&grant.client_secret);
                // As an address has it, which a proxy or a redirect may repeat.
                secrets.add(&SecretString::from(encoded(grant.client_secret.expose_secret())));
                if let GrantKind::RefreshToken(secret) | GrantKind::Password(_, secret) = &grant.kind {
                    secrets.add(secret);
                }
                None
            }
        };
        headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        Ok(headers)
    }
}

/// `Bearer ...`; the token becomes one of the `secrets`.
pub(super) fn bearer(token: &SecretString, secrets: &Secrets) -> Result<HeaderValue, ConnectorError> {
    secrets.add(token);
    sensitive(&SecretString::from(format!("Bearer {}", token.expose_secret())), "the token")
}

/// `Basic ...`; the password and what it is encoded to become `secrets`.
pub(super) fn basic(
    user: &str,
    password: &SecretString,
    secrets: &Secrets,
) -> Result<HeaderValue, ConnectorError> {
    let refuse = |what: &str| {
        ConnectorError::new(Kind::Config, format!("the user name or password {what}"))
            .hint("look for a line break or a colon copied along with it")
    };
    if user.contains(':') {
        return Err(refuse("cannot be sent: a user name has no colon"));
    }
    secrets.add(password);
    let plain = SecretString::from(format!("{user}:{}", password.expose_secret()));
    let encoded = BASE64_STANDARD.encode(plain.expose_secret());
    let encoded = SecretString::from(format!("Basic {encoded}"));
    secrets.add(&encoded);
    sensitive(&encoded, "the password")
}

fn sensitive(value: &SecretString, what: &str) -> Result<HeaderValue, ConnectorError> {
    let mut value = HeaderValue::try_from(value.expose_secret()).map_err(|_| {
        ConnectorError::new(Kind::Config, format!("{what} holds characters that cannot be sent"))
            .hint("look for a line break or a quote copied along with it")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

impl Grant {
    /// What the grant shows beside the app's id and secret: the refresh token now in force, a new assertion, the password.
    ///
    /// # Errors
    /// Where an assertion cannot be signed.
    pub(super) fn proof(
        &self,
        refresh_token: Option<&SecretString>,
    ) -> Result<Option<SecretString>, ConnectorError> {
        match &self.kind {
            GrantKind::ClientCredentials => Ok(None),
            GrantKind::RefreshToken(_) => Ok(refresh_token.cloned()),
            GrantKind::Assertion(assertion) => assertion.sign().map(Some),
            GrantKind::Password(_, password) => Ok(Some(password.clone())),
        }
    }

    /// The form of a token request with this proof.
    pub(super) fn form(&self, proof: Option<&SecretString>) -> SecretString {
        let proof = proof.map(ExposeSecret::expose_secret).unwrap_or_default();
        let mut fields = match &self.kind {
            GrantKind::ClientCredentials => vec![("grant_type", "client_credentials")],
            GrantKind::RefreshToken(_) => vec![("grant_type", "refresh_token"), ("refresh_token", proof)],
            GrantKind::Assertion(_) => vec![("grant_type", JWT_BEARER), ("assertion", proof)],
            GrantKind::Password(user, _) => {
                vec![("grant_type", "password"), ("username", user.as_str()), ("password", proof)]
            }
        };
        // An assertion names the app, and shows by its signature that it is the app's.
        if self.client_auth != ClientAuth::Basic && !matches!(self.kind, GrantKind::Assertion(_)) {
            fields.extend([
                ("client_id", self.client_id.as_str()),
                ("client_secret", self.client_secret.expose_secret()),
            ]);
        }
        fields.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        SecretString::from(encode(&fields))
    }
}

/// RFC 7523, section 2.1.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A value as it stands in a form.
fn encoded(value: &str) -> String {
    encode(&[("", value)]).trim_start_matches('=').to_owned()
}

/// `application/x-www-form-urlencoded`.
fn encode(fields: &[(&str, &str)]) -> String {
    // The query of an address is written in the same way.
    let mut url = Url::parse("form:").ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut().extend_pairs(fields);
    }
    url.as_ref().and_then(Url::query).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn every_kind_of_fixed_credentials_is_a_header_that_is_not_shown() {
        let secrets = Secrets::default();
        for (credentials, name, value) in [
            (Credentials::bearer(secret("tok-123456")), "authorization", "Bearer tok-123456"),
            (Credentials::basic("user", secret("passw0rd!")), "authorization", "Basic dXNlcjpwYXNzdzByZCE="),
            (Credentials::basic("ab", secret("c")), "authorization", "Basic YWI6Yw=="),
            (Credentials::none().with_header("X-Api-Key", secret("key-abcdef")), "x-api-key", "key-abcdef"),
        ] {
            let headers = credentials.fixed_headers(&secrets).unwrap();
            assert_eq!((headers.len(), &headers[name]), (1, &HeaderValue::from_str(value).unwrap()));
            assert!(headers[name].is_sensitive());
            let shown = format!("{credentials:?} {headers:?} {secrets:?}");
            for part in ["tok-123456", "passw0rd", "dXNlcj", "key-abcdef"] {
                assert!(!shown.contains(part), "{shown}");
            }
        }
        let echo = "tok-123456 passw0rd! dXNlcjpwYXNzdzByZCE= key-abcdef".to_owned().into_bytes();
        assert_eq!(secrets.cut(echo), b"[secret] [secret] [secret] [secret]");
        assert!(Credentials::none().fixed_headers(&secrets).unwrap().is_empty());
    }

    #[test]
    fn a_client_secret_is_cut_out_as_an_address_has_it_too() {
        let secrets = Secrets::default();
        let grant = Grant {
            token_url: BaseUrl::parse("https://login.example/token", "crm").unwrap(),
            kind: GrantKind::ClientCredentials,
            client_id: "id".to_owned(),
            client_secret: secret("se+cr/et=="),
            scope: None,
            client_auth: ClientAuth::Query,
            base: None,
            explain: None,
        };
        Credentials::grant(grant).fixed_headers(&secrets).unwrap();
        let echo = b"/token?client_secret=se%2Bcr%2Fet%3D%3D&a=se+cr/et==".to_vec();
        assert_eq!(secrets.cut(echo), b"/token?client_secret=[secret]&a=[secret]");
    }

    #[test]
    fn what_cannot_be_a_header_is_said_without_the_secret() {
        for credentials in [
            Credentials::bearer(secret("abc\ndef")),
            Credentials::basic("a:b", secret("abc\ndef")),
            Credentials::none().with_header("X Key", secret("abc\ndef")),
            Credentials::none().with_header("X-Key", secret("abc\ndef")),
        ] {
            let error = credentials.fixed_headers(&Secrets::default()).unwrap_err();
            assert_eq!(error.kind, Kind::Config);
            assert!(error.hint.is_some() && !format!("{error:?}").contains("def"), "{error:?}");
        }
    }

    #[test]
    fn a_grant_is_a_form() {
        let mut grant = Grant {
            token_url: BaseUrl::parse("https://login.example/token", "crm").unwrap(),
            kind: GrantKind::ClientCredentials,
            client_id: "id 1".to_owned(),
            client_secret: secret("s&=cret"),
            scope: Some("a b".to_owned()),
            client_auth: ClientAuth::Form,
            base: None,
            explain: None,
        };
        assert_eq!(
            grant.form(None).expose_secret(),
            "grant_type=client_credentials&client_id=id+1&client_secret=s%26%3Dcret&scope=a+b"
        );
        grant.client_auth = ClientAuth::Query;
        assert!(
            grant.form(None).expose_secret().contains("client_secret=s%26%3Dcret"),
            "it is the address's"
        );
        grant.client_auth = ClientAuth::Basic;
        grant.scope = None;
        let token = secret("r/1+2");
        grant.kind = GrantKind::RefreshToken(token.clone());
        assert_eq!(
            grant.form(Some(&token)).expose_secret(),
            "grant_type=refresh_token&refresh_token=r%2F1%2B2"
        );
        grant.client_auth = ClientAuth::Form;
        grant.kind = GrantKind::Password("u@x.io".to_owned(), secret("p w"));
        let proof = grant.proof(None).unwrap();
        assert_eq!(
            grant.form(proof.as_ref()).expose_secret(),
            "grant_type=password&username=u%40x.io&password=p+w&client_id=id+1&client_secret=s%26%3Dcret"
        );
        assert!(!format!("{grant:?}").contains("cret\""));
    }
}
