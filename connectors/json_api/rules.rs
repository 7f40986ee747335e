//! What an answer means, by the rules of the mapping. What no rule calls a success is none.

use serde_json::Value as Json;

use super::block::{Block, wrong};
use super::rows::{Naming, RowErrors, RowResults};
use crate::contract::{ConnectorError, Kind, Outcome, Verb};
use crate::http::{Answer, Verdict};

type Result<T> = std::result::Result<T, ConnectorError>;

/// Keys of the rules; they stand in `destination` for all requests, or in one request for it alone.
pub(super) const KEYS: [&str; 8] =
    ["unauthorized", "retry", "rejected", "absent", "success", "row_errors", "row_results", "remote_id"];

/// How the answers to one request are read: the first rule that matches decides, in the order of the fields here.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    unauthorized: Vec<Refusing>,
    retry: Vec<Refusing>,
    rejected: Vec<Refusing>,
    absent: Vec<Rule>,
    success: Vec<Rule>,
    pub(super) row_errors: Option<RowErrors>,
    pub(super) row_results: Option<RowResults>,
    /// Of an answer to one row.
    pub(super) remote_id: Option<Pointer>,
}

/// A JSON Pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer(String);

/// An answer with one of these statuses, for which all conditions hold.
#[derive(Debug, Clone)]
struct Rule {
    status: Vec<u16>,
    when: Vec<Condition>,
}

/// A rule, and where the answer says why.
#[derive(Debug, Clone)]
struct Refusing {
    rule: Rule,
    told: Told,
}

/// Where an answer, or an item of it, says what was wrong.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    code: Option<Pointer>,
    message: Option<Pointer>,
    field: Option<Pointer>,
}

/// A test of an answer's body, or of an item in it.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// The value there is one of these.
    OneOf(Pointer, Vec<Json>),
    Exists(Pointer, bool),
    /// The body is this text, which need not be JSON.
    Text(String),
}

/// The code of a refusal that names none.
pub(super) const REFUSED: &str = "HTTP_REFUSED";

impl Pointer {
    pub(super) fn parse(text: &str, path: &str) -> Result<Self> {
        let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if (text.is_empty() || text.starts_with('/')) && escaped {
            return Ok(Pointer(text.to_owned()));
        }
        Err(wrong(path, format!("is not a JSON Pointer: `{text}`")).hint(
            "it begins with `/`, as in `/error/code`; `~1` stands for a slash in a name, `~0` for a tilde",
        ))
    }

    pub(super) fn of(block: &Block<'_>, key: &str) -> Result<Option<Self>> {
        match block.get(key) {
            None => Ok(None),
            Some(Json::String(text)) => Self::parse(text, &block.place(key)).map(Some),
            Some(_) => Err(wrong(&block.place(key), "must be a JSON Pointer, such as `/error/code`")),
        }
    }

    pub(super) fn get<'j>(&self, json: &'j Json) -> Option<&'j Json> {
        json.pointer(&self.0)
    }

    /// The text or number there.
    pub(super) fn text(&self, json: &Json) -> Option<String> {
        match self.get(json)? {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            Json::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }
}

impl Rules {
    /// The rules of a block, and where it has none of a name, the `common` ones.
    pub(super) fn read(block: &Block<'_>, common: &Rules) -> Result<Self> {
        let refusing = |key, common: &[Refusing]| match block.has(key) {
            true => block.items(key).into_iter().map(|(path, item)| Refusing::read(item, &path)).collect(),
            false => Ok::<_, ConnectorError>(common.to_vec()),
        };
        let rules = |key, common: &[Rule]| match block.has(key) {
            true => block.items(key).into_iter().map(|(path, item)| Rule::read(item, &path)).collect(),
            false => Ok::<_, ConnectorError>(common.to_vec()),
        };
        Ok(Rules {
            unauthorized: refusing("unauthorized", &common.unauthorized)?,
            retry: refusing("retry", &common.retry)?,
            rejected: refusing("rejected", &common.rejected)?,
            absent: rules("absent", &common.absent)?,
            success: rules("success", &common.success)?,
            row_errors: RowErrors::read(block)?.or_else(|| common.row_errors.clone()),
            row_results: RowResults::read(block)?.or_else(|| common.row_results.clone()),
            remote_id: Pointer::of(block, "remote_id")?.or_else(|| common.remote_id.clone()),
        })
    }

    /// What must be there for a request of so many rows; `path` is the request's.
    pub(super) fn check(&self, path: &str, batch: bool, keys: &[String]) -> Result<()> {
        if self.success.is_empty() {
            return Err(wrong(path, "has no `success`: nothing would ever count as delivered")
                .hint("say which answers are a success, as in `success: {status: [200, 201]}`"));
        }
        if batch && !self.absent.is_empty() {
            return Err(wrong(path, "has `absent` beside `batch`: such an answer would be about all rows")
                .hint("name the codes of single rows, as in `row_errors: {absent: [NOT_FOUND], ...}`"));
        }
        if batch && self.remote_id.is_some() {
            return Err(wrong(path, "has `remote_id` beside `batch`: one answer is about many rows")
                .hint("use `row_results: {list: /results, index: /index, id: /id}`"));
        }
        let naming = |n: Option<&Naming>| n.map_or(Ok(()), |naming| naming.check(path, keys));
        naming(self.row_errors.as_ref().map(|r| &r.naming))?;
        naming(self.row_results.as_ref().map(|r| &r.naming))
    }

    /// Whether an answer names the objects' ids.
    pub(super) fn names_ids(&self) -> bool {
        self.remote_id.is_some() || self.row_results.as_ref().is_some_and(|r| r.id.is_some())
    }

    /// What an answer means, before its HTTP status does.
    pub(super) fn verdict(&self, answer: &Answer) -> Verdict {
        if let Some(rule) = self.unauthorized.iter().find(|r| r.rule.refuses(answer)) {
            let hint = "check the connection's `auth`, and what it may do";
            return Verdict::Failure(rule.told.error(Kind::Auth, answer).hint(hint));
        }
        if let Some(rule) = self.retry.iter().find(|r| r.rule.refuses(answer)) {
            let error = rule.told.error(Kind::Unavailable, answer);
            return Verdict::Failure(match answer.retry_after() {
                Some(wait) => error.retry(crate::contract::Retry::After(wait)),
                None => error,
            });
        }
        if let Some(rule) = self.rejected.iter().find(|r| r.rule.refuses(answer)) {
            return Verdict::Failure(rule.told.error(Kind::Rejected, answer));
        }
        if self.is_absent(answer) || self.success.iter().any(|rule| rule.confirms(answer)) {
            return Verdict::Success;
        }
        match answer.is_success() && answer.plain.is_none() {
            true => Verdict::Failure(unrecognised(answer)),
            // Another status, or a page where JSON should be.
            false => Verdict::ByStatus,
        }
    }

    /// Whether the answer says that the object is not there.
    pub(super) fn is_absent(&self, answer: &Answer) -> bool {
        self.absent.iter().any(|rule| rule.confirms(answer))
    }
}

/// What becomes of a change whose object is not there.
pub(super) fn not_there(verb: Verb, message: Option<String>) -> Outcome {
    match verb {
        Verb::Delete | Verb::Leave => Outcome::Applied { remote_id: None, created: None },
        Verb::Update | Verb::Join => Outcome::Rejected {
            code: Outcome::OBJECT_NOT_FOUND.to_owned(),
            field: None,
            message: message.unwrap_or_else(|| "there is no object of this key".to_owned()),
        },
        Verb::Create | Verb::Upsert => {
            let reason = "the API says that an object is not there, which was to be written".to_owned();
            Outcome::Unknown { reason }
        }
    }
}

/// A success by its status, and by no rule.
fn unrecognised(answer: &Answer) -> ConnectorError {
    let message = format!("the API answered {} with what no rule of the mapping recognises", answer.status);
    ConnectorError::new(Kind::Ambiguous, message).code("HTTP_UNRECOGNISED").hint(
        "compare the answer with `success` and `rejected` of the mapping; what neither recognises does not count as delivered",
    )
}

impl Rule {
    fn read(value: &Json, path: &str) -> Result<Self> {
        Self::of(&Block::read(value, path, &["status", "when"])?)
    }

    fn of(block: &Block<'_>) -> Result<Self> {
        let mut status = Vec::new();
        for (path, item) in block.items("status") {
            let code = item.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| (200..600).contains(n));
            status.push(code.ok_or_else(|| wrong(&path, "must be an HTTP status from 200 to 599"))?);
        }
        if status.is_empty() {
            return Err(wrong(block.path(), "has no `status`").hint("as in `status: [200, 201]`"));
        }
        Ok(Rule { status, when: Condition::read(block)? })
    }

    fn holds(&self, answer: &Answer) -> bool {
        self.status.contains(&answer.status) && self.when.iter().all(|condition| condition.of_answer(answer))
    }

    /// A page where JSON should be comes from somebody else on the way, and confirms nothing, unless the rule names its
    /// text.
    fn confirms(&self, answer: &Answer) -> bool {
        let named = self.when.iter().any(|condition| matches!(condition, Condition::Text(_)));
        self.holds(answer) && (answer.plain.is_none() || named)
    }

    fn refuses(&self, answer: &Answer) -> bool {
        match answer.is_success() {
            true => self.confirms(answer),
            false => self.holds(answer),
        }
    }
}

impl Refusing {
    fn read(value: &Json, path: &str) -> Result<Self> {
        let block = Block::read(value, path, &["status", "when", "code", "message", "field"])?;
        Ok(Refusing { rule: Rule::of(&block)?, told: Told::read(&block)? })
    }
}

impl Told {
    pub(super) fn read(block: &Block<'_>) -> Result<Self> {
        Ok(Told {
            code: Pointer::of(block, "code")?,
            message: Pointer::of(block, "message")?,
            field: Pointer::of(block, "field")?,
        })
    }

    pub(super) fn code(&self, json: &Json) -> Option<String> {
        self.code.as_ref()?.text(json).filter(|code| !code.trim().is_empty())
    }

    pub(super) fn message(&self, json: &Json) -> Option<String> {
        Some(first_line(&self.message.as_ref()?.text(json)?))
    }

    pub(super) fn field(&self, json: &Json) -> Option<String> {
        self.field.as_ref()?.text(json)
    }

    fn error(&self, kind: Kind, answer: &Answer) -> ConnectorError {
        let body = answer.json.as_ref().unwrap_or(&Json::Null);
        let code = self.code(body);
        let message = match (self.message(body), &code) {
            (Some(message), _) => message,
            (None, Some(code)) => format!("the API answered {} with `{code}`", answer.status),
            (None, None) => format!("the API answered {}", answer.status),
        };
        let error = ConnectorError::new(kind, message).code(code.unwrap_or_else(|| REFUSED.to_owned()));
        match self.field(body) {
            Some(field) => error.with("field", field),
            None => error,
        }
    }
}

/// A person reads the beginning of a message, which can hold whole stack traces.
fn first_line(message: &str) -> String {
    const LONGEST: usize = 300;
    let line = message.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}

impl Condition {
    /// The conditions under `when`.
    pub(super) fn read(block: &Block<'_>) -> Result<Vec<Self>> {
        block.items("when").into_iter().map(|(path, item)| Self::one(item, &path)).collect()
    }

    fn one(value: &Json, path: &str) -> Result<Self> {
        let block = Block::read(value, path, &["pointer", "equals", "one_of", "exists", "text"])?;
        let tests: Vec<&str> =
            ["equals", "one_of", "exists", "text"].into_iter().filter(|key| block.has(key)).collect();
        let pointer = Pointer::of(&block, "pointer")?;
        match (pointer, tests.as_slice()) {
            (None, ["text"]) => Ok(Condition::Text(block.needed("text")?.trim().to_owned())),
            (Some(pointer), ["equals"]) => {
                Ok(Condition::OneOf(pointer, block.get("equals").cloned().into_iter().collect()))
            }
            (Some(pointer), ["one_of"]) => match block.get("one_of") {
                Some(Json::Array(values)) if !values.is_empty() => {
                    Ok(Condition::OneOf(pointer, values.clone()))
                }
                _ => Err(wrong(&block.place("one_of"), "must be a list of values")),
            },
            (Some(pointer), ["exists"]) => {
                Ok(Condition::Exists(pointer, block.flag("exists")?.unwrap_or(true)))
            }
            _ => Err(wrong(path, "must be `text`, or `pointer` with one of `equals`, `one_of` and `exists`")),
        }
    }

    fn of_answer(&self, answer: &Answer) -> bool {
        match (self, &answer.json, &answer.plain) {
            (Condition::Text(text), _, Some(plain)) => plain.trim() == text,
            (Condition::Text(text), Some(Json::String(body)), _) => body == text,
            (_, Some(json), _) => self.of_item(json),
            (_, None, _) => self.of_item(&Json::Null),
        }
    }

    /// Numbers are equal by value, whatever their form.
    pub(super) fn of_item(&self, item: &Json) -> bool {
        let equal = |a: &Json, b: &Json| a == b || a.as_f64().is_some_and(|a| b.as_f64() == Some(a));
        match self {
            Condition::OneOf(pointer, values) => {
                pointer.get(item).is_some_and(|there| values.iter().any(|value| equal(value, there)))
            }
            Condition::Exists(pointer, wanted) => {
                pointer.get(item).is_some_and(|there| !there.is_null()) == *wanted
            }
            Condition::Text(_) => false,
        }
    }
}
