//! A mapping against the columns of one query.

use std::sync::Arc;

use jiff::tz::TimeZone;
use outflow_connectors::contract::{Catalog, Schema};

use super::source_hash::SourceHash;
use super::{BindFault, BoundField, BoundFrom, Mapper, Normalise};
use crate::sync::spec::{FieldSpec, FromSpec, MappingSpec};
use crate::transform::canonical::Encoder;
use crate::transform::encode::Hasher;
use crate::transform::{self, Conversion, Template};

impl Mapper {
    /// Binds the mapping, or says all that is wrong with it. The catalogue adds the checks of values: options, length, digits.
    pub fn bind(
        spec: Arc<MappingSpec>,
        schema: &Schema,
        catalog: &Catalog,
        hasher: Arc<Hasher>,
        normalise: Normalise,
    ) -> Result<Self, Vec<BindFault>> {
        let mut faults = Vec::new();
        let timezone = bind_timezone(spec.timezone.as_deref(), &mut faults);
        let key_columns = bind_key(&spec, schema, &mut faults);
        let mut fields = Vec::new();
        for field in &spec.fields {
            let is_matched = spec.match_on.iter().any(|name| **name == *field.name);
            let conversion = conversion(field, catalog, timezone.clone());
            match bind_from(field, schema, &conversion) {
                Ok(from) => fields.push(BoundField {
                    from,
                    encoder: Encoder::of(&conversion),
                    conversion,
                    is_matched,
                    normaliser: if is_matched { normalise(&field.name) } else { None },
                }),
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let position = |name: &String| spec.fields.iter().position(|f| *f.name == **name);
        let match_fields = spec.match_on.iter().filter_map(position).collect();
        let records = hasher.records(spec.fields.iter().filter(|field| field.diff).map(|field| &*field.name));
        let source = SourceHash::bind(&spec, schema, (&key_columns, &fields), &hasher);
        let beside = (0..fields.len()).filter(|at| !spec.fields[*at].diff).collect();
        let mut mapper = Mapper {
            spec,
            key_columns,
            fields,
            match_fields,
            key_is_match: false,
            hasher,
            records,
            source,
            beside,
        };
        mapper.key_is_match = mapper.destination_is_key();
        Ok(mapper)
    }
}

fn bind_timezone(name: Option<&str>, faults: &mut Vec<BindFault>) -> Option<TimeZone> {
    let name = name?;
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        faults.push(BindFault::Timezone { name: name.into() });
    }
    zone
}

fn bind_key(spec: &MappingSpec, schema: &Schema, faults: &mut Vec<BindFault>) -> Vec<usize> {
    let mut columns = Vec::new();
    for column in &spec.key {
        match schema.position(column) {
            Some(position) => columns.push(position),
            None => faults.push(BindFault::KeyColumn { column: column.clone() }),
        }
    }
    columns
}

fn bind_from(field: &FieldSpec, schema: &Schema, conversion: &Conversion) -> Result<BoundFrom, BindFault> {
    let name = || field.name.to_string();
    Ok(match &field.from {
        FromSpec::Column(column) => match schema.position(column) {
            Some(position) => BoundFrom::Column(position),
            None => return Err(BindFault::FieldColumn { field: name(), column: column.clone() }),
        },
        FromSpec::Template(source) => {
            let template = Template::parse(source)
                .map_err(|error| BindFault::Template { field: name(), message: error.message })?;
            if let Some(column) = template.columns().iter().find(|c| schema.position(c).is_none()) {
                return Err(BindFault::FieldColumn { field: name(), column: column.clone() });
            }
            BoundFrom::Template(Box::new(template))
        }
        FromSpec::Value(json) => BoundFrom::Value(
            transform::constant(json, conversion)
                .map_err(|fault| BindFault::Constant { field: name(), message: fault.message })?,
        ),
    })
}

fn conversion(field: &FieldSpec, catalog: &Catalog, timezone: Option<TimeZone>) -> Conversion {
    let property = catalog.get(&field.name);
    Conversion {
        kind: field.kind,
        scale: field.scale,
        timezone,
        set: field.set,
        options: property.map(|p| p.options.clone()).unwrap_or_default(),
        multiple: property.is_some_and(|p| p.multiple),
        max_length: property.and_then(|p| p.max_length),
        kept: property.and_then(|p| p.scale),
        reserved: property.map_or(&[], |p| p.reserved),
    }
}
