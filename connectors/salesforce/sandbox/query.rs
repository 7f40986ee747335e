//! A small part of SOQL: `SELECT a, b FROM T [WHERE f = 'x' AND g IN ('a', 'b')] [LIMIT n]`.

use std::sync::PoisonError;

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::records::text;
use super::schema::ORG;
use super::{Org, collections, failure};
use crate::sandbox::State;
use crate::sandbox::vendor::{Answer, Request};

/// Rows of a page, and the fewest that a client can ask for by `Sforce-Query-Options: batchSize=200`.
const PAGE: usize = 2_000;
const LEAST: usize = 200;

#[derive(Debug, Default)]
struct Query {
    fields: Vec<String>,
    object: String,
    /// A field and the values, in small letters, of which it must have one.
    conditions: Vec<(String, Vec<String>)>,
    limit: Option<usize>,
}

/// The first page of a query.
pub(super) fn answer(org: &Org, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    page(org, request, (request.query("q").unwrap_or_default(), 0), state)
}

/// A further page, by the locator that the one before named: the query's number, and how many rows came before.
pub(super) fn further(
    org: &Org,
    locator: &str,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let parts = locator.split_once('-');
    let parts = parts.and_then(|(number, from)| Some((number.parse::<usize>().ok()?, from.parse().ok()?)));
    let queries = org.queries.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match parts.and_then(|(number, from)| Some((queries.get(number)?, from))) {
        Some((soql, from)) => page(org, request, (soql, from), state),
        None => Ok(failure(StatusCode::BAD_REQUEST, "INVALID_QUERY_LOCATOR", "invalid query locator")),
    }
}

fn page(
    org: &Org,
    request: &Request,
    (soql, from): (&str, usize),
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let asked = request.headers.get("sforce-query-options").and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|value| value.strip_prefix("batchSize=")?.parse::<usize>().ok());
    let size = asked.unwrap_or(PAGE).clamp(LEAST, PAGE);
    let rows = match rows(org, soql, state)? {
        Ok(rows) => rows,
        Err(refusal) => return Ok(refusal),
    };
    let until = rows.len().min(from + size);
    let done = until == rows.len();
    let mut body = json!({"totalSize": rows.len(), "done": done, "records": rows.get(from..until)});
    if !done {
        let mut queries = org.queries.lock().unwrap_or_else(PoisonError::into_inner);
        let known = queries.iter().position(|known| known == soql);
        let number = known.unwrap_or_else(|| {
            queries.push(soql.to_owned());
            queries.len() - 1
        });
        body["nextRecordsUrl"] = format!("/services/data/v66.0/query/{number}-{until}").into();
    }
    Ok(Answer::new(StatusCode::OK, body))
}

/// All rows of a query, or its refusal.
fn rows(org: &Org, soql: &str, state: &State<'_>) -> rusqlite::Result<Result<Vec<Json>, Answer>> {
    let refuse = |code, message: &str| Ok(Err(failure(StatusCode::BAD_REQUEST, code, message)));
    let Some(query) = parse(soql) else {
        return refuse("MALFORMED_QUERY", "unexpected token");
    };
    if query.object.eq_ignore_ascii_case("Organization") {
        let row = json!({"attributes": {"type": "Organization"}, "Id": ORG});
        return Ok(Ok(vec![row]));
    }
    let Some((object, fields)) = org.schema.get(&query.object) else {
        let message = format!("sObject type '{}' is not supported.", query.object);
        return refuse("INVALID_TYPE", &message);
    };
    let named = query.fields.iter().chain(query.conditions.iter().map(|(field, _)| field));
    for name in named {
        if !fields.iter().any(|field| field.name.eq_ignore_ascii_case(name)) {
            let message = format!("No such column '{name}' on entity '{object}'.");
            return refuse("INVALID_FIELD", &message);
        }
    }
    let mut rows = Vec::new();
    state.scan(object, |record| {
        let whole = collections::shown(object, &record);
        let value = |name: &str| {
            whole.as_object().and_then(|whole| {
                whole.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
            })
        };
        let holds = |(name, values): &(String, Vec<String>)| {
            value(name).is_some_and(|value| values.contains(&text(&value).to_lowercase()))
        };
        if !record.archived && query.conditions.iter().all(holds) {
            let mut row = Map::new();
            row.insert("attributes".to_owned(), json!({"type": object}));
            for name in &query.fields {
                row.insert(name.clone(), value(name).unwrap_or_default());
            }
            rows.push(Json::Object(row));
        }
        query.limit.is_none_or(|limit| rows.len() < limit)
    })?;
    Ok(Ok(rows))
}

/// Words, quoted texts and signs.
fn tokens(soql: &str) -> Option<Vec<String>> {
    let mut tokens = Vec::new();
    let mut chars = soql.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '\'' => {
                let mut quoted = String::from("'");
                loop {
                    match chars.next()? {
                        '\'' => break,
                        '\\' => quoted.push(match chars.next()? {
                            'n' => '\n',
                            'r' => '\r',
                            't' => '\t',
                            other => other,
                        }),
                        other => quoted.push(other),
                    }
                }
                tokens.push(quoted);
            }
            ',' | '(' | ')' | '=' => tokens.push(c.to_string()),
            c => {
                let mut word = c.to_string();
                while let Some(next) = chars.next_if(|c| !c.is_whitespace() && !",()='".contains(*c)) {
                    word.push(next);
                }
                tokens.push(word);
            }
        }
    }
    Some(tokens)
}

/// `None` for what is not understood.
fn parse(soql: &str) -> Option<Query> {
    let mut tokens = tokens(soql)?.into_iter().peekable();
    let is = |token: &String, word: &str| token.eq_ignore_ascii_case(word);
    let mut query = Query::default();
    tokens.next_if(|token| is(token, "select"))?;
    loop {
        query.fields.push(tokens.next()?);
        if tokens.next_if(|token| token == ",").is_none() {
            break;
        }
    }
    tokens.next_if(|token| is(token, "from"))?;
    query.object = tokens.next()?;
    if tokens.next_if(|token| is(token, "where")).is_some() {
        loop {
            let field = tokens.next()?;
            let mut values = Vec::new();
            match tokens.next()? {
                sign if sign == "=" => values.push(literal(&tokens.next()?)),
                word if is(&word, "in") => {
                    tokens.next_if(|token| token == "(")?;
                    loop {
                        values.push(literal(&tokens.next()?));
                        match tokens.next()?.as_str() {
                            "," => {}
                            ")" => break,
                            _ => return None,
                        }
                    }
                }
                _ => return None,
            }
            query.conditions.push((field, values));
            if tokens.next_if(|token| is(token, "and")).is_none() {
                break;
            }
        }
    }
    if tokens.next_if(|token| is(token, "limit")).is_some() {
        query.limit = Some(tokens.next()?.parse().ok()?);
    }
    tokens.next().is_none().then_some(query)
}

fn literal(token: &str) -> String {
    token.strip_prefix('\'').unwrap_or(token).to_lowercase()
}
