//! The footer: columns, row counts, and how each column is to be decoded.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

use super::super::errors;
use super::super::opened::Opened;
use super::chunks::Chunks;
use super::guarded;
use crate::contract::ConnectorError;

const INT96_BYTES: i32 = 12;

/// How the bytes of a column are meant, where its decoded type doesn't say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
    Uuid,
    /// Nanoseconds of a day in 8 bytes and the Julian day in 4, as Impala, Hive and older Spark write times.
    Int96,
    /// As the decoded type says.
    Plain,
}

/// One column at the top of the file's schema.
#[derive(Debug, Clone)]
pub(super) struct FileColumn {
    pub name: String,
    /// The Arrow name of its type.
    pub declared: String,
    pub form: Form,
}

/// What the end of the file says.
pub(super) struct Footer {
    pub metadata: ArrowReaderMetadata,
    pub columns: Vec<FileColumn>,
}

impl Footer {
    /// Texts are decoded as bytes, so that one that is not UTF-8 costs its cell and not its file.
    pub(super) fn load(path: &Path, opened: &Opened) -> Result<Self, ConnectorError> {
        if opened.bytes() == 0 {
            return Err(errors::damaged(path, "is empty"));
        }
        let file = &Chunks::of(opened, Vec::new(), 0);
        let first = guarded(path, || ArrowReaderMetadata::load(file, ArrowReaderOptions::new()))?;
        let footer = guarded(path, || {
            let roots = first.parquet_schema().root_schema().get_fields();
            let columns = columns(roots, first.schema());
            let parquet_schema = plain_schema(first.parquet_schema(), &columns)?;
            let arrow_schema = decoded_schema(first.schema(), &columns);
            let options = ArrowReaderOptions::new()
                .with_parquet_schema(Arc::new(parquet_schema))
                .with_schema(Arc::new(arrow_schema));
            let metadata = ArrowReaderMetadata::load(file, options)?;
            Ok::<_, ParquetError>(Footer { metadata, columns })
        })?;
        footer.within(opened.bytes()).map_err(|problem| errors::damaged(path, problem))?;
        Ok(footer)
    }

    /// Rows in the file.
    pub(super) fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// For each row group, where the chunks of these columns lie in the file.
    pub(super) fn chunks(&self, roots: &[usize]) -> Vec<Vec<Range<u64>>> {
        let schema = self.metadata.parquet_schema();
        let groups = self.metadata.metadata().row_groups().iter();
        let chosen = |leaf: usize| roots.contains(&schema.get_column_root_idx(leaf));
        groups
            .map(|group| {
                let chunks = group.columns().iter().enumerate().filter(|(leaf, _)| chosen(*leaf));
                chunks
                    .map(|(_, chunk)| chunk.byte_range())
                    .map(|(start, bytes)| start..start + bytes)
                    .collect()
            })
            .collect()
    }

    /// Bytes of these columns in an average row of the widest row group, before compression.
    pub(super) fn row_bytes(&self, roots: &[usize]) -> i64 {
        let groups = self.metadata.metadata().row_groups().iter();
        let width = |group: &RowGroupMetaData| self.group_bytes(group, roots) / group.num_rows().max(1);
        groups.map(width).max().unwrap_or(0)
    }

    /// Bytes of these columns, before compression.
    pub(super) fn bytes(&self, roots: &[usize]) -> i64 {
        let groups = self.metadata.metadata().row_groups().iter();
        groups.map(|group| self.group_bytes(group, roots)).sum()
    }

    fn group_bytes(&self, group: &RowGroupMetaData, roots: &[usize]) -> i64 {
        let schema = self.metadata.parquet_schema();
        let chunks = group.columns().iter().enumerate();
        let chosen = chunks.filter(|(leaf, _)| roots.contains(&schema.get_column_root_idx(*leaf)));
        chosen.map(|(_, chunk)| chunk.uncompressed_size()).sum()
    }

    /// Whether sizes and places are possible in a file of this length: the decoder would allocate what they say.
    fn within(&self, bytes: u64) -> Result<(), String> {
        let metadata = self.metadata.metadata();
        let mut rows = 0_i64;
        for group in metadata.row_groups() {
            rows = rows.saturating_add(group.num_rows());
            for chunk in group.columns() {
                let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
                let end = start.min(chunk.data_page_offset()).checked_add(chunk.compressed_size());
                let fits = start >= 0 && chunk.compressed_size() >= 0 && chunk.uncompressed_size() >= 0;
                if !fits || end.and_then(|end| u64::try_from(end).ok()).is_none_or(|end| end > bytes) {
                    let name = chunk.column_path().string();
                    return Err(format!("is cut off or damaged: column `{name}` would end beyond the file"));
                }
            }
        }
        let announced = metadata.file_metadata().num_rows();
        match announced == rows {
            true => Ok(()),
            false => Err(format!("is damaged: it announces {announced} rows, its parts {rows}")),
        }
    }
}

fn columns(roots: &[TypePtr], schema: &Schema) -> Vec<FileColumn> {
    let column = |(root, field): (&TypePtr, &Arc<Field>)| FileColumn {
        name: field.name().clone(),
        declared: field.data_type().to_string(),
        form: form(root),
    };
    roots.iter().zip(schema.fields()).map(column).collect()
}

fn form(root: &Type) -> Form {
    let info = root.get_basic_info();
    if !root.is_primitive() || info.repetition() == Repetition::REPEATED {
        return Form::Plain;
    }
    match (root.get_physical_type(), info.logical_type_ref(), info.converted_type()) {
        (PhysicalType::BYTE_ARRAY, Some(LogicalType::Json), _)
        | (PhysicalType::BYTE_ARRAY, None, ConvertedType::JSON) => Form::Json,
        (PhysicalType::BYTE_ARRAY, Some(LogicalType::String | LogicalType::Enum), _)
        | (PhysicalType::BYTE_ARRAY, None, ConvertedType::UTF8 | ConvertedType::ENUM) => Form::Text,
        (PhysicalType::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid), _) => Form::Uuid,
        (PhysicalType::INT96, ..) => Form::Int96,
        _ => Form::Plain,
    }
}

/// The file's schema with texts and the times of 96 bits as plain bytes, which are laid out in the same way.
fn plain_schema(schema: &SchemaDescriptor, columns: &[FileColumn]) -> Result<SchemaDescriptor, ParquetError> {
    let mut fields = Vec::new();
    for (root, column) in schema.root_schema().get_fields().iter().zip(columns) {
        let (kind, length) = match column.form {
            Form::Text | Form::Json => (PhysicalType::BYTE_ARRAY, -1),
            Form::Int96 => (PhysicalType::FIXED_LEN_BYTE_ARRAY, INT96_BYTES),
            Form::Uuid | Form::Plain => {
                fields.push(root.clone());
                continue;
            }
        };
        let info = root.get_basic_info();
        let field = Type::primitive_type_builder(root.name(), kind)
            .with_length(length)
            .with_repetition(info.repetition())
            .with_id(info.has_id().then(|| info.id()))
            .build()?;
        fields.push(Arc::new(field));
    }
    let root = Type::group_type_builder(schema.root_schema().name()).with_fields(fields).build()?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

/// What the decoder shall make of each column.
fn decoded_schema(schema: &Schema, columns: &[FileColumn]) -> Schema {
    let field = |(field, column): (&Arc<Field>, &FileColumn)| {
        let kind = match field.data_type() {
            DataType::Dictionary(_, values) => values.as_ref(),
            kind => kind,
        };
        let kind = match (column.form, kind) {
            (Form::Text | Form::Json, _) => DataType::BinaryView,
            (_, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => DataType::BinaryView,
            (_, DataType::Binary | DataType::LargeBinary) => DataType::BinaryView,
            // Nanoseconds since 1970 in 64 bits end in 2262; these times go on.
            (Form::Int96, _) => DataType::FixedSizeBinary(INT96_BYTES),
            (_, kind) => kind.clone(),
        };
        Arc::new(field.as_ref().clone().with_data_type(kind))
    };
    let fields = schema.fields().iter().zip(columns).map(field).collect::<Vec<_>>();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}
