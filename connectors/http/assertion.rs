//! A signed word for a user: the JWT of a bearer grant (RFC 7523), signed with RS256 (RFC 7518, section 3.3).

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::contract::{ConnectorError, Kind};

/// An assertion is good for so long: Salesforce takes none that ends later than in three minutes.
const LIVES: i64 = 180;

/// Who says of whom, to whom; `Debug` does not show the key.
pub struct Assertion {
    issuer: String,
    subject: String,
    audience: String,
    key: RsaKeyPair,
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Assertion { issuer, subject, audience, .. } = self;
        write!(f, "Assertion({issuer} for {subject} to {audience})")
    }
}

impl Assertion {
    /// `key` is an RSA private key in PEM form, PKCS #8 or PKCS #1.
    ///
    /// # Errors
    /// What is wrong with the key, in words that can follow "the private key".
    pub fn new(
        (issuer, subject, audience): (&str, &str, &str),
        key: &SecretString,
    ) -> Result<Self, &'static str> {
        let der = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes());
        let key = match der.map_err(|_| "is no PEM: it must begin with `-----BEGIN PRIVATE KEY-----`")? {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err("is not an RSA key"),
        };
        Ok(Assertion {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience: audience.to_owned(),
            key: key.map_err(|_| "is not an RSA key of 2048 to 8192 bits")?,
        })
    }

    /// A new assertion, good for three minutes.
    pub(super) fn sign(&self) -> Result<SecretString, ConnectorError> {
        let ends = jiff::Timestamp::now().as_second() + LIVES;
        let claims = json!({"iss": self.issuer, "sub": self.subject, "aud": self.audience, "exp": ends});
        let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
        let header = encode(json!({"alg": "RS256", "typ": "JWT"}).to_string());
        let message = format!("{header}.{}", encode(claims.to_string()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let signed =
            self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature);
        signed.map_err(|_| ConnectorError::new(Kind::Config, "the private key cannot sign"))?;
        Ok(SecretString::from(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use base64::prelude::BASE64_STANDARD;
    use serde_json::Value as Json;

    use super::*;

    fn pem(label: &str, der: &[u8]) -> SecretString {
        let body = BASE64_STANDARD.encode(der);
        SecretString::from(format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"))
    }

    #[test]
    fn an_assertion_says_who_speaks_and_is_signed() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let key = pem("PRIVATE KEY", der.as_ref());
        let assertion = Assertion::new(("app", "u@x.io", "https://login.example"), &key).unwrap();
        assert_eq!(format!("{assertion:?}"), "Assertion(app for u@x.io to https://login.example)");
        let signed = assertion.sign().unwrap();
        let (message, signature) = signed.expose_secret().rsplit_once('.').unwrap();
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
        assert!(public.verify(message.as_bytes(), &decode(signature)).is_ok());
        let (header, claims) = message.split_once('.').unwrap();
        let read = |text: &str| serde_json::from_slice::<Json>(&decode(text)).unwrap();
        assert_eq!(read(header), json!({"alg": "RS256", "typ": "JWT"}));
        let claims = read(claims);
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("app"), &json!("u@x.io")));
        let left = claims["exp"].as_i64().unwrap() - jiff::Timestamp::now().as_second();
        assert!((LIVES - 5..=LIVES).contains(&left), "{left}");
    }

    #[test]
    fn a_key_that_cannot_sign_is_refused_by_what_is_wrong_with_it() {
        let new = |key: &SecretString| Assertion::new(("a", "b", "c"), key).err().unwrap();
        assert!(new(&SecretString::from("secret")).starts_with("is no PEM"));
        assert_eq!(new(&pem("EC PRIVATE KEY", b"x")), "is not an RSA key");
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY"] {
            assert_eq!(new(&pem(label, b"x")), "is not an RSA key of 2048 to 8192 bits");
        }
    }
}
