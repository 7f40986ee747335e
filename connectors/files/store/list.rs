//! The objects that a pattern names.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::runtime::Handle;

use super::{Store, answer, ended, wait};
use crate::contract::ConnectorError;
use crate::files::pattern::Pattern;

/// Keys of the objects that match, each with its address, in no order. A pattern without a glob is its only match,
/// whether there is such an object or not.
///
/// # Errors
/// What the store says of the listing.
pub(in crate::files) fn find(
    store: &Arc<Store>,
    pattern: &Pattern,
) -> Result<Vec<(Path, PathBuf)>, ConnectorError> {
    let below = |key: Path| {
        let shown = address(store, &key);
        (key, shown)
    };
    let (fixed, globs) = pattern.split();
    let place = fixed.iter().fold(store.root.clone(), |place, part| join(&place, part));
    if globs.is_empty() {
        return Ok(vec![below(place)]);
    }
    // One folder is listed as such; what lies deeper comes in one go, a thousand keys a request.
    let is_flat = globs.len() == 1 && globs[0] != "**";
    let (inner, prefix) = (store.inner.clone(), place.clone());
    let listed = wait(&Handle::current(), async move {
        match is_flat {
            true => inner
                .list_with_delimiter(Some(&prefix))
                .await
                .map(|found| found.objects.into_iter().map(|object| object.location).collect::<Vec<_>>()),
            false => inner.list(Some(&prefix)).map_ok(|object| object.location).try_collect().await,
        }
    });
    let keys = listed.ok_or_else(ended)?;
    let keys = keys.map_err(|error| answer::judge(store, "listed", &address(store, &place), &error))?;
    let own = |key: &Path| {
        key.as_ref().strip_prefix(store.root.as_ref()).map(|rest| rest.trim_start_matches('/').to_owned())
    };
    // As in a folder, a name that is the pattern letter by letter is the only match.
    if let Some(literal) = keys.iter().find(|key| own(key).is_some_and(|own| own == pattern.text())) {
        return Ok(vec![below(literal.clone())]);
    }
    let fits = |key: &Path| own(key).is_some_and(|own| pattern.fits(&own));
    Ok(keys.into_iter().filter(fits).map(below).collect())
}

/// The key of what lies below another.
pub(super) fn join(place: &Path, part: &str) -> Path {
    let joined = match place.as_ref() {
        "" => part.to_owned(),
        place => format!("{place}/{part}"),
    };
    // A key is taken as it stands; what no key can be is not there under any other name.
    Path::parse(&joined).unwrap_or_else(|_| Path::from(joined))
}

/// As in messages: `s3://bucket/prefix/key`.
fn address(store: &Store, key: &Path) -> PathBuf {
    let below = key.as_ref().strip_prefix(store.root.as_ref()).unwrap_or(key.as_ref());
    FilePath::new(store.url()).join(below.trim_start_matches('/'))
}
