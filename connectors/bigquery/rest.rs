//! Rows by REST pages, where the Storage Read API may not be used: every value is a text there, in one of BigQuery's forms.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil;
use serde_json::Value as Json;

use super::client::{Client, incomplete};
use super::config::Config;
use super::source::Finished;
use super::value::{self, Columns, Field, Kind, Scratch};
use crate::contract::{Cell, ConnectorError, RowBatch, RowBatchBuilder, RowSink};
use crate::sql;

type Row = serde_json::Map<String, Json>;

/// Reads all pages of a result, in its order, and gives the number of rows.
///
/// # Errors
/// When a page fails, or is not like the one before it.
pub(super) async fn rows(
    config: &Config,
    client: &Client,
    finished: &Finished,
    sink: &mut dyn RowSink,
) -> Result<u64, ConnectorError> {
    let mut builder = RowBatchBuilder::new(finished.columns.schema.clone());
    let (mut token, mut count) = (String::new(), 0);
    loop {
        let page = client.page(config, &finished.handle, &token).await?;
        if page.job_complete != Some(true) || page.total_rows != Some(finished.rows) {
            return Err(incomplete(config, "the pages of the result are not of one result"));
        }
        count += page.rows.len() as u64;
        for row in &page.rows {
            push(&mut builder, &finished.columns, row).map_err(|what| incomplete(config, what))?;
            if builder.is_full() {
                sink.accept(builder.take()).await?;
            }
        }
        if page.page_token.is_empty() {
            break;
        }
        if count > finished.rows {
            return Err(incomplete(config, "there are more rows than announced"));
        }
        if page.rows.is_empty() && page.page_token == token {
            return Err(incomplete(config, "a page of the result has no rows, and is its own next one"));
        }
        token = page.page_token;
    }
    if !builder.is_empty() {
        let last: RowBatch = builder.take();
        sink.accept(last).await?;
    }
    Ok(count)
}

/// `{"f": [{"v": ...}, ...]}`
fn push(builder: &mut RowBatchBuilder, columns: &Columns, row: &Row) -> Result<(), &'static str> {
    let values = row.get("f").and_then(Json::as_array).filter(|values| values.len() == columns.fields.len());
    let values = values.ok_or("a row has other columns than announced")?;
    let mut scratch = Scratch::default();
    for (field, value) in columns.fields.iter().zip(values) {
        builder.push(cell(value.get("v").unwrap_or(&Json::Null), field, &mut scratch));
    }
    Ok(())
}

/// One value of a column.
pub(super) fn cell<'a>(value: &'a Json, field: &Field, scratch: &'a mut Scratch) -> Cell<'a> {
    let is_struct = matches!(field.kind, Kind::Struct(_));
    match value {
        Json::Null if !field.repeated => return Cell::Null,
        Json::String(text) if !field.repeated && !is_struct => return scalar(text, &field.kind, scratch),
        _ => {}
    }
    let text = &mut scratch.text;
    text.clear();
    match nested(value, field, text) {
        Ok(()) if field.repeated => Cell::List(text),
        Ok(()) => Cell::Json(text),
        Err(problem) => {
            *text = problem;
            Cell::Malformed(text)
        }
    }
}

/// BigQuery knows no null array in a result: it is an empty one.
fn nested(value: &Json, field: &Field, out: &mut String) -> Result<(), String> {
    if !field.repeated {
        return inner(value, &field.kind, out);
    }
    const NONE: &[Json] = &[];
    let items = match value {
        Json::Null => NONE,
        Json::Array(items) => items,
        _ => return Err("an array that is none".to_owned()),
    };
    out.push('[');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        inner(item.get("v").unwrap_or(&Json::Null), &field.kind, out)?;
    }
    out.push(']');
    Ok(())
}

fn inner(value: &Json, kind: &Kind, out: &mut String) -> Result<(), String> {
    let fields = match (kind, value) {
        (_, Json::Null) => {
            out.push_str("null");
            return Ok(());
        }
        (Kind::Struct(fields), _) => fields,
        (kind, Json::String(text)) => {
            return value::write(scalar(text, kind, &mut Scratch::default()), kind, out);
        }
        _ => return Err("a value that is no text".to_owned()),
    };
    let values = value.get("f").and_then(Json::as_array).filter(|values| values.len() == fields.len());
    let values = values.ok_or("a struct with other fields than announced")?;
    out.push('{');
    for (position, (field, value)) in fields.iter().zip(values).enumerate() {
        if position > 0 {
            out.push(',');
        }
        sql::push_quoted(&field.name, out);
        out.push(':');
        nested(value.get("v").unwrap_or(&Json::Null), field, out)?;
    }
    out.push('}');
    Ok(())
}

/// A value's text as REST writes it.
pub(super) fn scalar<'a>(text: &'a str, kind: &Kind, scratch: &'a mut Scratch) -> Cell<'a> {
    let read = match kind {
        Kind::Integer => text.parse().ok().map(Cell::Integer),
        Kind::Float => text.parse().ok().map(Cell::Float),
        Kind::Decimal => is_decimal(text).then(|| value::decimal(text)),
        Kind::Bool => match text {
            "true" => Some(Cell::Bool(true)),
            "false" => Some(Cell::Bool(false)),
            _ => None,
        },
        Kind::Text | Kind::Unknown => Some(Cell::Text(text)),
        Kind::Bytes => {
            scratch.bytes.clear();
            STANDARD.decode_vec(text, &mut scratch.bytes).ok().map(|()| Cell::Bytes(&scratch.bytes))
        }
        Kind::Date => text.parse().ok().map(Cell::Date),
        Kind::DateTime => text.parse().ok().map(Cell::DateTime),
        Kind::Timestamp => timestamp(text),
        Kind::Time => match text.parse::<civil::Time>() {
            Ok(time) => {
                let since = time.duration_since(civil::Time::midnight());
                Some(value::time(i64::try_from(since.as_micros()).unwrap_or(0), &mut scratch.text))
            }
            Err(_) => None,
        },
        Kind::Json => Some(sql::json(text)),
        Kind::Interval => interval(text).map(|(m, d, us)| value::interval(m, d, us, &mut scratch.text)),
        Kind::Range(of) => ends(text).map(|(start, end)| {
            let (mut first, mut last) = (Scratch::default(), Scratch::default());
            let [start, end] = [(start, &mut first), (end, &mut last)].map(|(text, scratch)| match text {
                "UNBOUNDED" | "NULL" => Cell::Null,
                text => scalar(text, of, scratch),
            });
            scratch.text.clear();
            range_of(start, end, &mut scratch.text)
        }),
        Kind::Struct(_) => None,
    };
    read.unwrap_or(Cell::Malformed("a text that is no value of the column's type"))
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().any(|b| b.is_ascii_digit()) && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Microseconds since 1970, as was asked for; or a time that is written out, as inside of ranges.
fn timestamp(text: &str) -> Option<Cell<'static>> {
    match text.parse::<i64>() {
        Ok(microseconds) => Some(value::instant(microseconds)),
        Err(_) => text.trim().replacen(" UTC", "Z", 1).parse().ok().map(Cell::Timestamp),
    }
}

/// `[start, end)`
fn ends(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('[')?.strip_suffix(')')?;
    inside.split_once(", ").map(|(start, end)| (start.trim(), end.trim()))
}

/// `[start,end)` of both ends; null is an end that there is not.
pub(super) fn range_of<'a>(start: Cell<'_>, end: Cell<'_>, out: &'a mut String) -> Cell<'a> {
    let end_of = |cell: Cell<'_>| match cell {
        Cell::Null => Some(String::new()),
        Cell::Date(date) => Some(date.to_string()),
        Cell::DateTime(time) => Some(time.to_string()),
        Cell::Timestamp(time) => Some(time.to_string()),
        _ => None,
    };
    let (Some(start), Some(end)) = (end_of(start), end_of(end)) else {
        return Cell::Malformed("a range whose ends cannot be read");
    };
    *out = format!("[{start},{end})");
    Cell::Text(out)
}

/// Months, days and microseconds of `1-2 3 4:5:6.789`, each part with a sign of its own.
fn interval(text: &str) -> Option<(i32, i32, i64)> {
    let mut parts = text.split(' ');
    let (months, days, time) = (parts.next()?, parts.next()?, parts.next()?);
    let sign = |part: &str| if part.starts_with('-') { -1 } else { 1 };
    let (years, rest) = months.trim_start_matches('-').split_once('-')?;
    let months_all =
        years.parse::<i32>().ok()?.checked_mul(12)?.checked_add(rest.parse().ok()?)? * sign(months);
    let mut fields = time.trim_start_matches('-').split(':');
    let (hours, minutes, seconds) = (fields.next()?, fields.next()?, fields.next()?);
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let micros: i64 = format!("{:0<6}", fraction.get(..6).unwrap_or(fraction)).parse().ok()?;
    let seconds =
        hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60 + whole.parse::<i64>().ok()?;
    let all = seconds.checked_mul(1_000_000)?.checked_add(micros)? * i64::from(sign(time));
    Some((months_all, days.parse().ok()?, all)).filter(|_| parts.next().is_none())
}
