//! The columns of a file: how their values are kept, and how they are encoded.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use jiff::{Timestamp, civil};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{
    Compression, GzipLevel, LogicalType, Repetition, TimeUnit as ParquetUnit, Type as Physical, ZstdLevel,
};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::{ColumnPath, SchemaDescriptor, Type};

use crate::contract::{ConnectorError, FieldType, Kind, Number, Typed, ValueRef};
use crate::files::write::layout::Column;

/// Digits of a decimal number, all of them together.
pub(super) const DIGITS: u8 = 38;

/// How the pages of a file are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::files) enum Codec {
    None,
    Snappy,
    Gzip,
    Zstd,
}

/// Codecs by the words of `compression`.
pub(in crate::files::write) const CODECS: &[(&str, Codec)] =
    &[("snappy", Codec::Snappy), ("zstd", Codec::Zstd), ("gzip", Codec::Gzip), ("none", Codec::None)];

impl Codec {
    /// The word of `compression`.
    pub(in crate::files::write) fn name(self) -> &'static str {
        CODECS.iter().find(|(_, codec)| *codec == self).map_or("none", |(name, _)| name)
    }

    fn compression(self) -> Compression {
        match self {
            Codec::None => Compression::UNCOMPRESSED,
            Codec::Snappy => Compression::SNAPPY,
            Codec::Gzip => Compression::GZIP(GzipLevel::default()),
            Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
        }
    }
}

/// How the values of a column are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Any value, in its plain text.
    Text,
    /// Any value, as JSON.
    Json,
    Boolean,
    Integer,
    /// A number in 64 bits, of binary digits.
    Double,
    /// A number of this many digits after the point.
    Decimal(i8),
    Date,
    /// Microseconds in UTC.
    Instant,
}

impl Kept {
    pub(super) fn of(typed: Typed) -> Self {
        match (typed.kind, typed.scale) {
            (FieldType::String, _) => Kept::Text,
            (FieldType::Json | FieldType::List, _) => Kept::Json,
            (FieldType::Boolean, _) => Kept::Boolean,
            (FieldType::Integer, _) => Kept::Integer,
            (FieldType::Number, None) => Kept::Double,
            // No mapping has a scale above 30.
            (FieldType::Number, Some(scale)) => Kept::Decimal(scale.min(30) as i8),
            (FieldType::Date, _) => Kept::Date,
            (FieldType::DateTime, _) => Kept::Instant,
        }
    }

    /// The value that a text of the ledger stands for. It keeps match keys as JSON, where days, times and long numbers are texts.
    pub(super) fn told(self, text: &str) -> Option<ValueRef<'static>> {
        match self {
            Kept::Text | Kept::Json | Kept::Boolean => None,
            Kept::Integer | Kept::Double | Kept::Decimal(_) => {
                let number = Number::parse(text).ok()?;
                Some(ValueRef::Number(number.as_str().to_owned().into()))
            }
            Kept::Date => text.parse::<civil::Date>().ok().map(ValueRef::Date),
            Kept::Instant => text.parse::<Timestamp>().ok().map(ValueRef::DateTime),
        }
    }

    /// What is handed to the encoder.
    pub(super) fn array(self) -> DataType {
        match self {
            Kept::Text | Kept::Json => DataType::Binary,
            Kept::Boolean => DataType::Boolean,
            Kept::Integer => DataType::Int64,
            Kept::Double => DataType::Float64,
            Kept::Decimal(scale) => DataType::Decimal128(DIGITS, scale),
            Kept::Date => DataType::Date32,
            Kept::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// What the file says of the column
    /// (<https://github.com/apache/parquet-format/blob/master/LogicalTypes.md>).
    fn column(self, name: &str) -> Result<Type, ParquetError> {
        let (physical, logical) = match self {
            Kept::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kept::Json => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
            Kept::Boolean => (Physical::BOOLEAN, None),
            Kept::Integer => (Physical::INT64, None),
            Kept::Double => (Physical::DOUBLE, None),
            Kept::Decimal(scale) => {
                let decimal = LogicalType::decimal(i32::from(scale), i32::from(DIGITS));
                (Physical::FIXED_LEN_BYTE_ARRAY, Some(decimal))
            }
            Kept::Date => (Physical::INT32, Some(LogicalType::Date)),
            Kept::Instant => (Physical::INT64, Some(LogicalType::timestamp(true, ParquetUnit::MICROS))),
        };
        let builder = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        match self {
            Kept::Decimal(scale) => {
                let digits = i32::from(DIGITS);
                builder.with_length(16).with_precision(digits).with_scale(i32::from(scale)).build()
            }
            _ => builder.build(),
        }
    }
}

/// How all files of a batch are encoded.
pub(super) struct Writing {
    pub arrays: SchemaRef,
    pub kept: Vec<Kept>,
    parquet: SchemaDescriptor,
    properties: WriterProperties,
}

impl Writing {
    /// # Errors
    /// [`Kind::Config`] for a column that Parquet cannot have.
    pub(super) fn new(columns: &[Column], kept: &[Kept], codec: Codec) -> Result<Self, ConnectorError> {
        let all = || columns.iter().zip(kept);
        let fields: Vec<Field> =
            all().map(|(column, kept)| Field::new(&column.name, kept.array(), true)).collect();
        let roots: Result<Vec<_>, _> =
            all().map(|(column, kept)| kept.column(&column.name).map(Arc::new)).collect();
        let root = roots.and_then(|roots| Type::group_type_builder("schema").with_fields(roots).build());
        let root = root.map_err(|error| {
            ConnectorError::new(Kind::Config, format!("the columns cannot be those of Parquet: {error}"))
                .hint("give the fields other names or types")
        })?;
        // The footer has the least and the largest value of each column, and of a text it may be all of it.
        let mut properties = WriterProperties::builder()
            .set_compression(codec.compression())
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_max_row_group_row_count(None);
        for (column, _) in all().filter(|(_, kept)| matches!(kept, Kept::Text | Kept::Json)) {
            let path = ColumnPath::from(column.name.clone());
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
        Ok(Writing {
            arrays: Arc::new(Schema::new(fields)),
            kept: kept.to_vec(),
            parquet: SchemaDescriptor::new(Arc::new(root)),
            properties: properties.build(),
        })
    }

    /// What the writer of a file is told.
    pub(super) fn options(&self) -> ArrowWriterOptions {
        ArrowWriterOptions::new()
            .with_properties(self.properties.clone())
            .with_parquet_schema(self.parquet.clone())
            .with_skip_arrow_metadata(true)
    }
}
