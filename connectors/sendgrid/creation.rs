//! Custom fields that a mapping sends and the account lacks, created before the first write of a session.
//!
//! The call is `POST /v3/marketing/field_definitions` (`tsg_mc_custom_fields_v3.json`): names are unique whatever the size of
//! their letters, have up to 100 characters, and are none of the reserved ones.

use super::client::Client;
use super::fields::{Definitions, Type};
use crate::contract::{ConnectorError, FieldType, Kind, Property};
use crate::creation::not_created;

/// Characters of a name at most.
const LONGEST: usize = 100;

/// The type of a new field; none for values that SendGrid has no type for.
fn of(kind: FieldType) -> Option<Type> {
    match kind {
        FieldType::String => Some(Type::Text),
        FieldType::Number | FieldType::Integer => Some(Type::Number),
        FieldType::Date => Some(Type::Date),
        FieldType::Boolean | FieldType::DateTime | FieldType::Json | FieldType::List => None,
    }
}

/// Whether a custom field can be created.
///
/// # Errors
/// The end of a sentence about it.
pub(super) fn accepts(property: &Property) -> Result<(), String> {
    if of(property.kind).is_none() {
        return Err(format!(
            "SendGrid has no custom field of the type `{}`; it has texts, numbers and dates",
            property.kind
        ));
    }
    let starts = property.name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let valid = property.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match starts && valid && property.name.len() <= LONGEST {
        true => Ok(()),
        false => Err(format!(
            "SendGrid's names are letters, digits and `_`, begin with no digit and have up to {LONGEST} characters"
        )),
    }
}

/// Creates what is still missing, and gives the definitions that are there then. One that is there by now, made by another run
/// or by a call whose answer was lost, is as good as ours.
///
/// # Errors
/// [`Kind::Config`] for a field that SendGrid refuses, or that is there with another type.
pub(super) async fn ensure(client: &Client, missing: &[Property]) -> Result<Definitions, ConnectorError> {
    let before = client.definitions().await?;
    let (mut refusal, mut asked) = (None, false);
    for property in lacking(&before, missing)? {
        let Some(kind) = of(property.kind) else { continue };
        asked = true;
        match client.create_field(&property.name, kind.word()).await {
            Ok(()) => tracing::info!(name = property.name, kind = kind.word(), "custom field created"),
            Err(error) if matches!(error.kind, Kind::Rejected | Kind::Ambiguous) => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    if !asked {
        return Ok(before);
    }
    // An answer may be lost, or another run faster; what is there now is what counts.
    let now = client.definitions().await?;
    let left = lacking(&now, missing)?;
    match left.is_empty() {
        true => Ok(now),
        false => Err(not_created("SendGrid", "custom field", &left, refusal).code("FIELD_NOT_CREATED")),
    }
}

fn lacking<'a>(
    definitions: &Definitions,
    missing: &'a [Property],
) -> Result<Vec<&'a Property>, ConnectorError> {
    definitions.catalog().lacking(missing, "custom field", "FIELD_TYPE_MISMATCH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sendgrid_takes_is_created() {
        let long = "a".repeat(101);
        for (name, kind, fits) in [
            ("plan", FieldType::String, true),
            ("Plan_2", FieldType::Integer, true),
            ("_since", FieldType::Date, true),
            ("2nd", FieldType::String, false),
            ("a-b", FieldType::String, false),
            ("", FieldType::String, false),
            (&long, FieldType::String, false),
            ("vip", FieldType::Boolean, false),
            ("seen", FieldType::DateTime, false),
            ("tags", FieldType::List, false),
        ] {
            assert_eq!(accepts(&Property::new(name, kind)).is_ok(), fits, "{name} {kind}");
        }
    }
}
