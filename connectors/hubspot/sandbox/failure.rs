//! Why one input of a batch was not done, and how the answer says so.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::batch::Input;
use super::properties::ObjectType;
use super::validate::{self, Invalid};
use super::{error, missing, with};
use crate::sandbox::vendor::Answer;

/// How bad inputs of a batch are told; declared as `errors`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Errors {
    /// Each by itself, where each has its own trace id.
    #[default]
    Rows,
    /// The batch is refused whole for the first, as where the vendor ignores trace ids.
    Whole,
    /// The batch is refused whole, without a word on which input or why.
    Vague,
}

impl Errors {
    pub(super) fn declared(setting: Option<&Json>) -> Result<Self, String> {
        match setting.map(Json::as_str) {
            None | Some(Some("rows")) => Ok(Errors::Rows),
            Some(Some("whole")) => Ok(Errors::Whole),
            Some(Some("vague")) => Ok(Errors::Vague),
            _ => Err("`errors` must be `rows`, `whole` or `vague`".to_owned()),
        }
    }
}

/// Why one input was not done.
pub(super) enum Failure {
    Invalid(Vec<Invalid>),
    /// Required properties that a new object lacks.
    Incomplete(Vec<String>),
    /// The id of the contact that has the e-mail.
    Exists(String),
    Missing,
}

impl Failure {
    fn words(&self, kind: &ObjectType) -> (StatusCode, &'static str, String) {
        match self {
            Failure::Invalid(invalid) => {
                (StatusCode::BAD_REQUEST, "VALIDATION_ERROR", validate::message(invalid))
            }
            Failure::Incomplete(_) => {
                let message =
                    format!("Error creating {}. Some required properties were not set.", kind.label);
                (StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
            }
            Failure::Exists(id) => {
                (StatusCode::CONFLICT, "CONFLICT", format!("Contact already exists. Existing ID: {id}"))
            }
            Failure::Missing => (StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", missing(kind)),
        }
    }

    fn context(&self) -> Map<String, Json> {
        match self {
            Failure::Incomplete(names) => Map::from_iter([("properties".to_owned(), json!(names))]),
            _ => Map::new(),
        }
    }

    /// The answer that refuses the whole batch.
    pub(super) fn refuse(&self, kind: &ObjectType) -> Answer {
        let (status, category, message) = self.words(kind);
        let answer = error(status, category, &message);
        match self.context() {
            context if context.is_empty() => answer,
            context => with(answer, "context", context.into()),
        }
    }

    /// The entry in `errors` of a batch that was done in part.
    pub(super) fn describe(&self, kind: &ObjectType, input: &Input) -> Json {
        let (_, category, message) = self.words(kind);
        let mut context = self.context();
        if matches!(self, Failure::Missing) {
            context.insert("ids".into(), json!([input.id]));
        }
        if let Some(trace) = &input.trace {
            context.insert("objectWriteTraceId".into(), json!([trace]));
        }
        json!({"status": "error", "category": category, "message": message, "context": context})
    }
}
