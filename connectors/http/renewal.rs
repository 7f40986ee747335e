//! Asks for the access token of a grant, through the same transport and under the same limits as everything else.

use std::sync::Arc;
use std::time::Instant;

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::BaseUrl;
use super::carried::Carried;
use super::client::Inner;
use super::credentials::{self, ClientAuth, Grant};
use super::exchange::{address, exchange};
use super::record::Record;
use super::request::Answer;
use super::token::{self, Token, Tokens};
use crate::contract::{ConnectorError, Kind, Retry};

impl Inner {
    /// The token to send now; `None` where the credentials are no grant. However many wait for a new one, one request
    /// asks for it, and goes on when whoever began it is cancelled: a refresh token may be good for one use only.
    pub(super) async fn token(self: &Arc<Self>) -> Result<Option<Token>, ConnectorError> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        if let Some(token) = tokens.current() {
            return Ok(Some(token));
        }
        let inner = self.clone();
        let asked = tokio::spawn(async move {
            let Some(tokens) = &inner.tokens else { return Ok(None) };
            let mut refresh_token = tokens.flight.lock().await;
            match tokens.current() {
                Some(token) => Ok(Some(token)),
                None => inner.renew(tokens, &mut refresh_token).await.map(Some),
            }
        });
        asked.await.map_err(|error| {
            ConnectorError::new(Kind::Internal, "the renewal of the access token stopped").source(error)
        })?
    }

    async fn renew(
        &self,
        tokens: &Tokens,
        refresh_token: &mut Option<SecretString>,
    ) -> Result<Token, ConnectorError> {
        let proof = tokens.grant.proof(refresh_token.as_ref())?;
        if let Some(proof) = &proof {
            self.secrets.add(proof);
        }
        let wire = self.token_request(&tokens.grant, proof.as_ref())?;
        let host = address(wire.url());
        if tokens.grant.token_url.authority() == self.setup.base_url.authority() {
            self.windows.owner.leave(&self.unshared, self.setup.policy.longest_wait).await?;
        }
        self.counts.read();
        let asked = Instant::now();
        let record = Record::of_token(self.setup.vendor.title, wire.method().as_str(), wire.url().path());
        let answer =
            exchange((&self.client, wire), self.setup.policy.timeout, &self.secrets, &mut Carried::Nothing)
                .await;
        if let Some(record) = record {
            record.end(&answer, &self.secrets).await;
        }
        // Nothing of the request that waits for the token has left.
        let answer = answer.map_err(|error| match error.kind {
            Kind::Ambiguous => ConnectorError { kind: Kind::Unavailable, ..error },
            _ => error,
        })?;
        let ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(%host, status = answer.status, ms, "token request");
        let granted = match token::granted(&answer, &host, tokens.grant.kind.shows()) {
            Ok(granted) => granted,
            Err(error) => {
                let error = explained(&tokens.grant, self.judged(&answer, error));
                return Err(self.throttled(tokens, error).await);
            }
        };
        let named = tokens.grant.base.zip(answer.json.as_ref()).and_then(|(read, body)| read(body));
        let base = named.map(|address| api_at(&address, &host)).transpose()?;
        let header = credentials::bearer(&granted.access_token, &self.secrets)?;
        if let Some(next) = granted.refresh_token
            && refresh_token.as_ref().is_some_and(|old| old.expose_secret() != next.expose_secret())
        {
            self.secrets.add(&next);
            *refresh_token = Some(next);
            tracing::warn!(
                %host,
                "the server replaced the refresh token; the new one serves this run but cannot be stored: \
                 if the next run is refused, authorise the app anew"
            );
        }
        Ok(tokens.renewed((header, base), asked, granted.lives))
    }

    /// An answer without a token, as the vendor's own words have it, where it refuses with a status of success.
    fn judged(&self, answer: &Answer, error: ConnectorError) -> ConnectorError {
        let said = if answer.is_success() { (self.setup.vendor.judge)(answer) } else { None };
        said.filter(|said| said.kind != Kind::Ambiguous).unwrap_or(error)
    }

    /// A refusal for the rate counts for all that go to the same host.
    async fn throttled(&self, tokens: &Tokens, error: ConnectorError) -> ConnectorError {
        if error.kind == Kind::RateLimited
            && tokens.grant.token_url.authority() == self.setup.base_url.authority()
        {
            let asked = match error.retry {
                Retry::After(wait) => Some(wait),
                _ => None,
            };
            self.noted(self.windows.owner.refused(asked).await);
        }
        error
    }

    fn token_request(
        &self,
        grant: &Grant,
        proof: Option<&SecretString>,
    ) -> Result<reqwest::Request, ConnectorError> {
        let form = grant.form(proof);
        let mut builder = match grant.client_auth {
            ClientAuth::Query => {
                self.client.request(Method::GET, format!("{}?{}", grant.token_url, form.expose_secret()))
            }
            ClientAuth::Form | ClientAuth::Basic => self
                .client
                .request(Method::POST, grant.token_url.as_str())
                .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
                .body(form.expose_secret().to_owned()),
        };
        builder = builder.header(ACCEPT, "application/json");
        if grant.client_auth == ClientAuth::Basic {
            let value = credentials::basic(&grant.client_id, &grant.client_secret, &self.secrets)?;
            builder = builder.header(AUTHORIZATION, value);
        }
        builder.build().map_err(|e| {
            ConnectorError::new(Kind::Internal, "a token request could not be built").source(e.without_url())
        })
    }
}

/// The address that a token's answer names; the token is shown to no other machine in the clear.
fn api_at(address: &str, host: &str) -> Result<BaseUrl, ConnectorError> {
    BaseUrl::parse(address, host).map_err(|error| {
        let message = format!("`{host}` granted a token for an address that cannot be gone to");
        ConnectorError::new(Kind::Config, message)
            .source(error)
            .hint("check that the connection's token endpoint is the vendor's own")
    })
}

/// A refusal with the vendor's own hint, where it has one.
fn explained(grant: &Grant, error: ConnectorError) -> ConnectorError {
    let code = error.code.clone().unwrap_or_default();
    match grant.explain.and_then(|explain| explain(&code, &error.message)) {
        Some(hint) if error.kind == Kind::Auth => error.hint(hint),
        _ => error,
    }
}
