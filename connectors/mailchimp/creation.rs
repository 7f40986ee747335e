//! Merge fields that a mapping sends and the list lacks, created before the first write of a session.
//!
//! The call is `POST /lists/{id}/merge-fields` of the vendor's own client. Which tags it takes stands in no document
//! that we know: ten capital letters, digits and `_` are the longest that Mailchimp makes by itself.

use super::client::{Client, List};
use super::fields;
use crate::contract::{ConnectorError, FieldType, Kind, Property};
use crate::creation::not_created;

/// Letters of a tag.
const LONGEST: usize = 10;

/// Mailchimp's word for the type of a new field; none for values whose options or form only the list knows.
fn word(kind: FieldType) -> Option<&'static str> {
    match kind {
        FieldType::String => Some("text"),
        FieldType::Number | FieldType::Integer => Some("number"),
        FieldType::Date => Some("date"),
        FieldType::Boolean | FieldType::DateTime | FieldType::Json | FieldType::List => None,
    }
}

/// Whether a merge field can be created.
///
/// # Errors
/// The end of a sentence about it.
pub(super) fn accepts(property: &Property) -> Result<(), String> {
    if word(property.kind).is_none() {
        return Err(format!("outflow creates no merge field of the type `{}` in Mailchimp", property.kind));
    }
    let valid = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let name = &property.name;
    let fits = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(valid);
    match fits && name.len() <= LONGEST {
        true => Ok(()),
        false => Err("the tag of a merge field has up to 10 capital letters, digits and `_`, a letter first"
            .to_owned()),
    }
}

/// Creates what is still missing. A field that is there by now, made by another run or by a call whose answer was lost, is as
/// good as ours.
///
/// # Errors
/// [`Kind::Config`] for a field that Mailchimp refuses, or that is there with another type.
pub(super) async fn create(client: &Client, list: &List, missing: &[Property]) -> Result<(), ConnectorError> {
    let mut refusal = None;
    for property in lacking(client, list, missing).await? {
        let Some(kind) = word(property.kind) else { continue };
        match client.create_merge_field(list, &property.name, kind).await {
            Ok(_) => tracing::info!(tag = property.name, kind = %property.kind, "merge field created"),
            Err(error) if matches!(error.kind, Kind::Rejected | Kind::Ambiguous) => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    // An answer may be lost, or another run faster; what is there now is what counts.
    let left = lacking(client, list, missing).await?;
    match left.is_empty() {
        true => Ok(()),
        false => Err(not_created("Mailchimp", "merge field", &left, refusal).code("MERGE_FIELD_NOT_CREATED")),
    }
}

/// Those that are not there.
async fn lacking<'a>(
    client: &Client,
    list: &List,
    missing: &'a [Property],
) -> Result<Vec<&'a Property>, ConnectorError> {
    let catalog = fields::catalog(&client.merge_fields(list).await?, &[], true);
    catalog.lacking(missing, "merge field", "MERGE_FIELD_TYPE_MISMATCH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_mailchimp_takes_is_created() {
        for (name, kind, fits) in [
            ("PLAN", FieldType::String, true),
            ("PLAN_2", FieldType::Integer, true),
            ("SINCE", FieldType::Date, true),
            ("Plan", FieldType::String, false),
            ("2ND", FieldType::String, false),
            ("ELEVENCHARS", FieldType::String, false),
            ("", FieldType::String, false),
            ("SEEN", FieldType::DateTime, false),
            ("VIP", FieldType::Boolean, false),
        ] {
            assert_eq!(accepts(&Property::new(name, kind)).is_ok(), fits, "{name} {kind}");
        }
    }
}
