//! The owner of the limits, by what is known before the first request.

use sha2::{Digest, Sha256};

use super::BaseUrl;
use crate::contract::QuotaOwner;

/// Who owns the limits of an address with these credentials, for as long as nothing else is known of the account: the
/// connector's name and a hash.
pub fn owner(
    connector: &str,
    base_url: &BaseUrl,
    credentials: impl IntoIterator<Item = impl AsRef<str>>,
) -> QuotaOwner {
    let mut hash = Sha256::new();
    hash.update(base_url.as_str());
    for part in credentials {
        hash.update([0]);
        hash.update(part.as_ref());
    }
    let hex: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    QuotaOwner(format!("{connector}:{hex}"))
}
