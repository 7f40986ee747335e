//! A mapping against reality: the query's columns, the destination's catalogue and abilities. All that is wrong, at
//! once, before anything is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use outflow_connectors::contract::{
    Capabilities, Catalog, Connected, ConnectorError, DeleteKind, Destination, FieldType, Kind, Property,
    Query, Schema, Source, Target, Typed, Verb,
};
use outflow_connectors::nearest::nearest;

use super::check::DataTests;
use super::cursor::ranked;
use super::map::{BindFault, Mapper, Normalise};
use super::missing;
use super::spec::MappingSpec;
use crate::error::{Error, ErrorKind, Location};
use crate::project::{Extent, Field, Mode, OnDelete, Sync};
use crate::transform::encode::Hasher;

/// A sync that can run: everything it names exists.
pub struct Resolved {
    pub target: Target,
    pub capabilities: Capabilities,
    pub connected: Connected,
    pub schema: Arc<Schema>,
    pub spec: Arc<MappingSpec>,
    pub normalise: Normalise,
}

/// The destination's side of a mapping.
pub fn target(sync: &Sync) -> Target {
    Target {
        object: sync.destination.object.clone(),
        match_on: sync.destination.match_on.iter().map(|(field, _)| field.clone()).collect(),
        fields: properties(sync).map(|field| field.name.clone()).collect(),
        types: types(sync),
        missing: Vec::new(),
        associations: sync.fields.iter().filter_map(|field| field.association.clone()).collect(),
        options: sync.destination.options.clone(),
    }
}

/// What the mapping itself says of the types of its fields.
fn types(sync: &Sync) -> BTreeMap<String, Typed> {
    let typed = |field: &Field| Some((field.name.clone(), Typed { kind: field.kind?, scale: field.scale }));
    properties(sync).filter_map(typed).collect()
}

/// The fields that are properties of the object.
fn properties(sync: &Sync) -> impl Iterator<Item = &Field> {
    sync.fields.iter().filter(|field| field.association.is_none())
}

/// Asks both sides and holds the mapping against their answers.
///
/// # Errors
/// All that was found; never empty.
pub async fn resolve(
    sync: &Sync,
    source: &Arc<dyn Source>,
    destination: &Arc<dyn Destination>,
    connection: Option<&Location>,
) -> Result<Resolved, Vec<Error>> {
    let mut target = target(sync);
    // A wrong object is the mapping's fault; a wrong token or host the connection's.
    let failed = |error: ConnectorError| {
        let place = sync.destination.place_of(&error);
        let at = if error.kind == Kind::Config { place } else { connection.unwrap_or(place) };
        vec![Error::destination(&error).at(at.clone())]
    };
    let capabilities = destination.capabilities(&target).map_err(failed)?;
    let mut errors = unsupported(sync, &capabilities);
    errors.extend(missing::unreadable(sync));
    let account = destination.account().await.map_err(failed)?;
    let mut catalog = destination.catalog(&target).await.map_err(failed)?;
    let (missing, refused) = missing::fields(sync, &catalog, &**destination);
    catalog.properties.extend(missing.iter().cloned());
    target.missing = missing;
    errors.extend(refused);
    let at_query = |error| vec![Error::source(&error).at(sync.source.location.clone())];
    let schema = source.shape(&sync.source.query).await.map_err(at_query)?;
    if let (Some((_, place)), Query::Sql(_)) = (sync.priority.as_ref(), &sync.source.query) {
        let sorted = source.shape(&ranked(sync, sync.source.query.clone())).await;
        errors.extend(sorted.err().map(|error| Error::source(&error).at(place.clone())));
    }
    errors.extend(
        against_catalog(sync, &catalog).into_iter().map(|e| missing::hinted(e, sync, &**destination)),
    );
    let spec = Arc::new(MappingSpec::new(sync, &catalog));
    let normalise = normaliser(destination.clone(), target.clone());
    let hasher = Arc::new(Hasher::new(&[0; 32]));
    if let Err(faults) = Mapper::bind(spec.clone(), &schema, &catalog, hasher, normalise.clone()) {
        errors.extend(faults.into_iter().map(|fault| bind_error(sync, &schema, fault)));
    }
    if let Err(faults) = DataTests::bind(&sync.tests, &schema, None) {
        errors.extend(faults);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let connected = Connected { account, catalog: Arc::new(catalog) };
    Ok(Resolved { target, capabilities, connected, schema, spec, normalise })
}

fn normaliser(destination: Arc<dyn Destination>, target: Target) -> Normalise {
    Arc::new(move |field: &str| destination.normaliser(&target, field))
}

/// What the mapping asks for and the destination cannot do.
pub fn unsupported(sync: &Sync, capabilities: &Capabilities) -> Vec<Error> {
    let at = |message: String| {
        Error::new("OF-RUN-003", ErrorKind::Config, message).at(sync.destination.location.clone())
    };
    let object = &sync.destination.object;
    if sync.mode == Mode::Audience {
        let lists = capabilities.supports(Verb::Join) && capabilities.supports(Verb::Leave);
        let message = || {
            let hint = "name the list with `destination.list`, or use another `mode`";
            at(format!("`mode: audience` needs a list, and `{object}` here has none")).hint(hint)
        };
        let fields = capabilities.members_only.then(|| not_sent(sync)).flatten();
        return (!lists).then(message).into_iter().chain(fields.filter(|_| lists)).collect();
    }
    let needed = match sync.mode {
        Mode::Update => Verb::Update,
        Mode::Insert => Verb::Create,
        _ => Verb::Upsert,
    };
    let mut errors: Vec<Error> = too_many_rows(sync, capabilities).into_iter().collect();
    let can_remove = capabilities.deletes != DeleteKind::None && capabilities.supports(Verb::Delete);
    if !capabilities.supports(needed) {
        errors.push(match capabilities.supports(Verb::Join) {
            true => at(format!("a list of `{object}` takes members only, not records"))
                .hint("set `mode: audience`, or leave `destination.list` out"),
            false => {
                let error = at(format!("`{object}` of this destination cannot {needed} records"));
                match (capabilities.supports(Verb::Upsert), can_remove) {
                    (true, true) => error.hint("use `mode: upsert`, or `mode: mirror`"),
                    (true, false) => error.hint("use `mode: upsert`"),
                    (false, _) => error,
                }
            }
        });
    }
    errors.extend(no_updates(sync, capabilities));
    if !capabilities.associations
        && let Some(field) = sync.fields.iter().find(|field| field.association.is_some())
    {
        let message = format!("`{object}` of this destination cannot be linked to other objects");
        errors.push(at(message).at(field.location.clone()).hint("take `associations` out of the mapping"));
    }
    let removes = matches!(sync.on_delete, OnDelete::Delete | OnDelete::Archive);
    if removes && !can_remove {
        let hint = if sync.mode == Mode::Mirror { "use `mode: upsert`" } else { "set `on_delete: ignore`" };
        errors.push(at(format!("`{object}` of this destination cannot remove records")).hint(hint));
    }
    if sync.on_delete == OnDelete::Archive && capabilities.deletes == DeleteKind::Hard {
        errors.push(at(format!("`{object}` of this destination deletes for good; it cannot archive")));
    }
    if sync.on_delete == OnDelete::Clear && !capabilities.supports(Verb::Update) {
        errors.push(at(format!(
            "`{object}` of this destination cannot update records, so `clear` cannot work"
        )));
    }
    errors
}

/// A field of a list that takes none.
fn not_sent(sync: &Sync) -> Option<Error> {
    let is_key = |field: &Field| sync.destination.match_on.iter().any(|(name, _)| *name == field.name);
    let field = properties(sync).find(|field| !is_key(field))?;
    let message = format!("a list takes members only, so `{}` would not be sent", field.name);
    let hint = "deliver the fields of the objects by a sync of their own, and take them out of this one";
    Some(Error::new("OF-RUN-003", ErrorKind::Config, message).at(field.location.clone()).hint(hint))
}

/// `delivery: {send: changed}` where objects cannot be updated by their ids, nor by their keys with some of their fields.
fn no_updates(sync: &Sync, capabilities: &Capabilities) -> Option<Error> {
    let is_found = capabilities.remote_ids || capabilities.changed_fields;
    let lacking = match (capabilities.supports(Verb::Update), is_found) {
        (true, true) => return None,
        (false, _) => "this destination cannot update records",
        (true, false) => "this destination does not name the ids of its objects",
    };
    let place = sync.delivery.send_at.as_ref().unwrap_or(&sync.destination.location);
    let message = format!(
        "`delivery.send: changed` updates objects by their ids, but `{}` of {lacking}",
        sync.destination.object
    );
    let error = Error::new("OF-RUN-003", ErrorKind::Config, message).at(place.clone());
    (sync.delivery.send == Extent::Changed).then(|| error.hint("leave `send` out: whole records are sent"))
}

/// Batches larger than a request can be.
fn too_many_rows(sync: &Sync, capabilities: &Capabilities) -> Option<Error> {
    let (asked, most) = (sync.delivery.batch_rows?, capabilities.batch_rows);
    let place = sync.delivery.batch_rows_at.as_ref().unwrap_or(&sync.destination.location);
    let object = &sync.destination.object;
    let message = || {
        format!(
            "`delivery.batch_rows` is {asked}, but a request to `{object}` of this destination takes at most {most}"
        )
    };
    (asked > most).then(|| {
        let error = Error::new("OF-RUN-003", ErrorKind::Config, message()).at(place.clone());
        error.hint(format!("leave `batch_rows` out, or set it to {most} or less"))
    })
}

/// Unknown, read-only and required fields, and a match key that isn't unique.
pub fn against_catalog(sync: &Sync, catalog: &Catalog) -> Vec<Error> {
    let mut errors: Vec<Error> = properties(sync).filter_map(|field| field_error(field, catalog)).collect();
    for (name, column) in &sync.destination.match_on {
        if catalog.get(name).is_some_and(|property| !property.unique) {
            let message =
                format!("`{name}` cannot be matched on: its values are not unique in the destination");
            let unique: Vec<&str> =
                catalog.properties.iter().filter(|p| p.unique).map(|p| p.name.as_str()).collect();
            let hint = match unique.is_empty() {
                true => "make a property with unique values in the destination".to_owned(),
                false => format!("fields with unique values: {}", quoted(&unique)),
            };
            errors.push(
                Error::new("OF-MAP-004", ErrorKind::Config, message).at(column.location.clone()).hint(hint),
            );
        }
    }
    let sent = |property: &Property| sync.fields.iter().any(|field| field.name == property.name);
    if !matches!(sync.mode, Mode::Update | Mode::Audience) {
        let missing: Vec<&str> = catalog
            .properties
            .iter()
            .filter(|p| p.required && !p.read_only && !sent(p))
            .map(|p| p.name.as_str())
            .collect();
        if !missing.is_empty() {
            let message =
                format!("the destination requires {}, which the mapping does not send", quoted(&missing));
            errors.push(
                Error::new("OF-MAP-003", ErrorKind::Config, message).at(sync.destination.location.clone()),
            );
        }
    }
    errors
}

fn field_error(field: &Field, catalog: &Catalog) -> Option<Error> {
    let at = |code, message: String| Error::new(code, ErrorKind::Config, message).at(field.location.clone());
    let name = &field.name;
    let Some(property) = catalog.get(name) else {
        if catalog.open {
            return None;
        }
        let names = catalog.properties.iter().map(|p| p.name.as_str());
        let error = at("OF-MAP-001", format!("the destination has no field `{name}`"));
        return Some(match nearest(name, names) {
            Some(near) => error.hint(format!("did you mean `{near}`? `outflow fields` lists them all")),
            None => error.hint("`outflow fields` lists the fields there are"),
        });
    };
    if property.read_only {
        return Some(at("OF-MAP-002", format!("`{name}` is read-only in the destination")));
    }
    let kind = field.kind?;
    (!fits(kind, property.kind)).then(|| {
        let message =
            format!("`{name}` is a {} in the destination, but the mapping makes it a {kind}", property.kind);
        at("OF-MAP-005", message).hint(format!("leave `type` out, or use `type: {}`", property.kind))
    })
}

/// Whether values of the mapping's type can be values of the destination's.
fn fits(ours: FieldType, theirs: FieldType) -> bool {
    ours == theirs
        || theirs == FieldType::String
        || matches!(
            (ours, theirs),
            (FieldType::Integer, FieldType::Number) | (FieldType::String, FieldType::List)
        )
}

fn bind_error(sync: &Sync, schema: &Schema, fault: BindFault) -> Error {
    let columns = || schema.columns.iter().map(|c| c.name.as_str());
    let no_column = |column: &str, location: Location| {
        let error =
            Error::new("OF-MAP-010", ErrorKind::Config, format!("the query has no column `{column}`"));
        let list = quoted(&columns().collect::<Vec<_>>());
        let hint = match nearest(column, columns()) {
            Some(near) => format!("did you mean `{near}`? The columns are {list}"),
            None => format!("the columns are {list}"),
        };
        error.at(location).hint(hint)
    };
    let place = |name: &str| {
        let field = sync.fields.iter().find(|field| field.name == name);
        field.map_or_else(|| sync.destination.location.clone(), |field| field.location.clone())
    };
    let at_field =
        |code, field: &str, message: String| Error::new(code, ErrorKind::Config, message).at(place(field));
    match fault {
        BindFault::KeyColumn { column } => {
            let key = sync.source.primary_key.iter().find(|k| k.column == column);
            let location = key.map_or_else(|| sync.source.location.clone(), |k| k.location.clone());
            no_column(&column, location)
        }
        BindFault::FieldColumn { field, column } => no_column(&column, place(&field)),
        BindFault::Template { field, message } => {
            at_field("OF-MAP-011", &field, format!("the template of `{field}` is wrong: {message}"))
        }
        BindFault::Constant { field, message } => {
            at_field("OF-MAP-012", &field, format!("the value of `{field}` does not fit: {message}"))
        }
        BindFault::Timezone { name } => {
            Error::new("OF-MAP-013", ErrorKind::Config, format!("there is no time zone `{name}`"))
                .at(sync.source.location.clone())
                .hint("use an IANA name such as `Europe/Berlin`")
        }
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
