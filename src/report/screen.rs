//! Where results and messages leave the process: stdout for the result, stderr for the rest.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Map, Value as Json};

use super::error::{Finding, render};
use super::exit::Exit;
use super::json;
use crate::error::{Error, ErrorKind};

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub struct Answer {
    pub exit: Exit,
    /// For stdout in text format; may be styled.
    pub text: String,
    /// Added to the envelope in JSON format.
    pub json: Map<String, Json>,
    /// For stderr in text format; JSON bodies carry their own.
    pub findings: Vec<Finding>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Text, or an object with version, command and exit code.
    Usual,
    /// The JSON object alone, in either format.
    Document,
    /// It was shown already.
    Printed,
}

impl Answer {
    pub fn new(text: impl Into<String>, json: Map<String, Json>) -> Self {
        Answer { exit: Exit::Done, text: text.into(), json, findings: Vec::new(), form: Form::Usual }
    }

    /// An object that is itself the result, in either format.
    pub fn document(object: Map<String, Json>) -> Self {
        Answer { form: Form::Document, ..Self::new("", object) }
    }

    /// Nothing more is to be printed.
    pub fn printed() -> Self {
        Answer { form: Form::Printed, ..Self::new("", Map::new()) }
    }

    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    pub fn findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }
}

/// Why a command has no answer. The first finding that is no warning decides the exit code.
#[derive(Debug, Clone)]
pub struct Failure {
    pub findings: Vec<Finding>,
    /// Keys that the command's answer would have had, empty.
    pub json: Map<String, Json>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { findings: vec![error.into()], json: Map::new() }
    }
}

/// Prints in the format that was asked for.
#[derive(Debug, Clone, Default)]
pub struct Screen {
    pub format: Format,
    /// Only errors and results.
    pub quiet: bool,
    /// Where relative files of locations are found.
    pub root: Option<PathBuf>,
}

impl Screen {
    /// Prints the answer; the exit code is another only if stdout could not be written.
    pub fn answer(&self, command: &str, answer: &Answer) -> Exit {
        match (answer.form, self.format) {
            (Form::Printed, _) => answer.exit,
            (Form::Document, _) => {
                settle(out(&format!("{:#}\n", Json::Object(answer.json.clone()))), answer.exit)
            }
            (Form::Usual, Format::Json) => self.object(command, answer.exit, &answer.json),
            (Form::Usual, Format::Text) => {
                let written = out(&answer.text);
                self.findings(&answer.findings);
                settle(written, answer.exit)
            }
        }
    }

    /// Prints why there is no answer.
    pub fn failure(&self, command: &str, failure: &Failure) -> Exit {
        let error = failure.findings.iter().find(|f| !f.warning).map(|f| &f.error);
        let exit = error.map_or(Exit::Failed, Exit::of_error);
        if self.format == Format::Text {
            self.findings(&failure.findings);
            return exit;
        }
        let mut body = failure.json.clone();
        body.insert("error".into(), error.map_or(Json::Null, json::error));
        self.object(command, exit, &body)
    }

    /// Messages on stderr.
    pub fn findings(&self, findings: &[Finding]) {
        for finding in findings.iter().filter(|finding| !(self.quiet && finding.warning)) {
            message(&render(finding, self.root.as_deref()));
        }
    }

    /// As [`Self::findings`], but in JSON format nothing is said.
    pub fn warn(&self, findings: &[Finding]) {
        if self.format == Format::Text {
            self.findings(findings);
        }
    }

    /// Says where a server listens, as soon as it does.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn serving(&self, command: &str, url: &str) -> Result<(), Error> {
        let text = match self.format {
            Format::Text => format!("{url}\n"),
            Format::Json => {
                let body = Map::from_iter([("url".to_owned(), Json::from(url))]);
                format!("{}\n", json::envelope(command, 0, &body))
            }
        };
        out(&text).map_err(|cause| {
            Error::new("OF-CLI-004", ErrorKind::State, "stdout cannot be written").because(&cause)
        })
    }

    /// A line of advice on stderr, for people only.
    pub fn advice(&self, text: &str) {
        if self.format == Format::Text && !self.quiet {
            message(&format!("{text}\n"));
        }
    }

    fn object(&self, command: &str, exit: Exit, body: &Map<String, Json>) -> Exit {
        let object = json::envelope(command, exit.code(), body);
        settle(out(&format!("{object:#}\n")), exit)
    }
}

/// Writes a result as it is, once it is known, and at once.
///
/// # Errors
/// Where stdout can't be written; a reader that went away (`outflow runs | head`) is none.
#[allow(clippy::disallowed_methods)]
pub fn out(text: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a part of a result as it is, which has no style.
///
/// # Errors
/// Where stdout can't be written, also because its reader went away.
#[allow(clippy::disallowed_methods)]
pub fn bytes(part: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(part).and_then(|()| stdout.flush())
}

/// Writes to stderr; there is nobody to tell if that fails.
#[allow(clippy::disallowed_methods)]
pub fn message(text: &str) {
    let mut stderr = anstream::stderr();
    _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// A result that didn't arrive is a failure, whatever it said.
fn settle(written: io::Result<()>, exit: Exit) -> Exit {
    match written {
        Ok(()) => exit,
        Err(error) => {
            message(&format!("error[OF-CLI-004]: stdout cannot be written: {error}\n"));
            Exit::Failed
        }
    }
}

/// No colours on either stream.
pub fn no_color() {
    anstream::ColorChoice::Never.write_global();
}
