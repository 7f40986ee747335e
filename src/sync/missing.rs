//! Fields that a mapping sends and the destination's object lacks: created where `create_missing_properties` asks for it.

use outflow_connectors::contract::{Catalog, Destination, FieldType, Property};

use crate::error::{Error, ErrorKind};
use crate::project::{Field, Mode, Sync};

const OPTION: &str = "create_missing_properties";

/// Whether the mapping asks for it.
fn is_asked(sync: &Sync) -> bool {
    sync.destination.options.get(OPTION).is_some_and(|set| set == true)
}

/// A setting that is neither yes nor no.
pub fn unreadable(sync: &Sync) -> Option<Error> {
    let setting = sync.destination.options.get(OPTION)?;
    let message = || format!("`destination.{OPTION}` must be `true` or `false`");
    (!setting.is_boolean())
        .then(|| Error::new("OF-MAP-006", ErrorKind::Config, message()).at(sync.destination.location.clone()))
}

/// The fields to create, and why some of them cannot be. A match key is not among them: objects would have to carry it
/// already.
pub fn fields(sync: &Sync, catalog: &Catalog, destination: &dyn Destination) -> (Vec<Property>, Vec<Error>) {
    let (mut missing, mut errors) = (Vec::new(), Vec::new());
    if !is_asked(sync) || catalog.open || sync.mode == Mode::Audience {
        return (missing, errors);
    }
    for field in sync.fields.iter().filter(|field| lacks(sync, catalog, field)) {
        let property = Property::new(&field.name, field.kind.unwrap_or(FieldType::String));
        if let Err(why) = destination.creates(&property) {
            let message = format!("`{}` is missing in the destination, and {why}", field.name);
            let error = Error::new("OF-MAP-006", ErrorKind::Config, message).at(field.location.clone());
            errors.push(error.hint("create it in the destination yourself, or mend the mapping"));
        }
        missing.push(property);
    }
    (missing, errors)
}

fn lacks(sync: &Sync, catalog: &Catalog, field: &Field) -> bool {
    let is_key = sync.destination.match_on.iter().any(|(name, _)| *name == field.name);
    field.association.is_none() && !is_key && catalog.get(&field.name).is_none()
}

/// An unknown field's error names the option where the destination can create this field.
pub fn hinted(mut error: Error, sync: &Sync, destination: &dyn Destination) -> Error {
    let field = sync.fields.iter().find(|field| error.location.as_ref() == Some(&field.location));
    let creatable = field.is_some_and(|field| {
        let property = Property::new(&field.name, field.kind.unwrap_or(FieldType::String));
        destination.creates(&property).is_ok()
    });
    if error.code == "OF-MAP-001" && !is_asked(sync) && creatable {
        let hint = error.hint.take().unwrap_or_default();
        error.hint = Some(format!("{hint}; `destination.{OPTION}: true` lets a run create it"));
    }
    error
}

/// What a preview says of one of them.
pub fn said(property: &Property) -> String {
    format!("would create property `{}` ({})", property.name, property.kind)
}

/// As a finding of `check --connect`, at the field.
pub fn noted(sync: &Sync, property: &Property) -> Error {
    let place = sync.fields.iter().find(|field| field.name == property.name).map(|field| &field.location);
    let message = format!("a run {} of `{}`", said(property), sync.destination.object);
    Error::new("OF-MAP-007", ErrorKind::Config, message)
        .at(place.unwrap_or(&sync.destination.location).clone())
        .hint(format!("`destination.{OPTION}` asks for it; give the field a `type` if this one is wrong"))
}
