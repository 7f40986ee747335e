//! Attributes that a mapping sends and the account lacks, created before the first write of a session.
//!
//! The call is `POST /contacts/attributes/normal/{name}` (<https://developers.brevo.com/reference/create-attribute>). Which
//! letters a name may have beside capitals stands in no document that we know.

use super::attributes;
use super::client::Client;
use crate::contract::{ConnectorError, FieldType, Kind, Property};
use crate::creation::not_created;

/// Brevo's word for the type of a new attribute; none for values whose options or form only the account knows.
fn word(kind: FieldType) -> Option<&'static str> {
    match kind {
        FieldType::String => Some("text"),
        FieldType::Number | FieldType::Integer => Some("float"),
        FieldType::Boolean => Some("boolean"),
        FieldType::Date => Some("date"),
        FieldType::DateTime | FieldType::Json | FieldType::List => None,
    }
}

/// Whether an attribute can be created.
///
/// # Errors
/// The end of a sentence about it.
pub(super) fn accepts(property: &Property) -> Result<(), String> {
    if word(property.kind).is_none() {
        return Err(format!("outflow creates no attribute of the type `{}` in Brevo", property.kind));
    }
    let valid = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let starts = property.name.starts_with(|c: char| c.is_ascii_uppercase());
    match starts && property.name.chars().all(valid) {
        true => Ok(()),
        false => Err("Brevo's names are capital letters, digits and `_`, and begin with a letter".to_owned()),
    }
}

/// Creates what is still missing. An attribute that is there by now, made by another run or by a call whose answer was lost, is
/// as good as ours.
///
/// # Errors
/// [`Kind::Config`] for an attribute that Brevo refuses, or that is there with another type.
pub(super) async fn create(client: &Client, missing: &[Property]) -> Result<(), ConnectorError> {
    let mut refusal = None;
    for property in lacking(client, missing).await? {
        let Some(kind) = word(property.kind) else { continue };
        match client.create_attribute(&property.name, kind).await {
            Ok(_) => tracing::info!(name = property.name, kind = %property.kind, "attribute created"),
            Err(error) if matches!(error.kind, Kind::Rejected | Kind::Ambiguous) => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    // An answer may be lost, or another run faster; what is there now is what counts.
    let left = lacking(client, missing).await?;
    match left.is_empty() {
        true => Ok(()),
        false => Err(not_created("Brevo", "attribute", &left, refusal).code("ATTRIBUTE_NOT_CREATED")),
    }
}

/// Those that are not there.
async fn lacking<'a>(client: &Client, missing: &'a [Property]) -> Result<Vec<&'a Property>, ConnectorError> {
    let catalog = attributes::catalog(&client.attributes().await?);
    catalog.lacking(missing, "attribute", "ATTRIBUTE_TYPE_MISMATCH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_brevo_takes_is_created() {
        for (name, kind, fits) in [
            ("PLAN", FieldType::String, true),
            ("PLAN_2", FieldType::Integer, true),
            ("Plan", FieldType::String, false),
            ("2ND", FieldType::String, false),
            ("A-B", FieldType::String, false),
            ("", FieldType::String, false),
            ("SEEN", FieldType::DateTime, false),
            ("TAGS", FieldType::List, false),
        ] {
            assert_eq!(accepts(&Property::new(name, kind)).is_ok(), fits, "{name} {kind}");
        }
    }
}
