use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf, absolute};

use clap::Args;
use serde_json::{Map, Value as Json};

use super::{BAD_USAGE, Given, help};
use crate::error::{Error, ErrorKind, Result};
use crate::project;
use crate::report::{Answer, Failure};

/// The one file that a folder may have already; it is left as it is.
const GITIGNORE: &str = ".gitignore";

/// Makes a new project that runs at once, against an emulator inside outflow
///
/// Files that exist are never overwritten: if one is in the way, nothing is written at all.
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow init acme && cd acme && outflow sync", "a project, and its first run"),
    ("outflow init", "in this folder"),
]))]
pub struct Init {
    /// Folder of the project; made if it is missing [default: --project-dir, or this folder]
    dir: Option<PathBuf>,
}

impl Init {
    pub fn run(&self, given: &Given) -> Result<Answer, Failure> {
        let dir = self.folder(given)?;
        let mut files = project::init::files()?;
        if exists(&dir.join(GITIGNORE)) {
            files.retain(|(path, _)| *path != GITIGNORE);
            given
                .screen
                .advice("`.gitignore` is left as it is; it should have the lines `.outflow/` and `.env`");
        }
        let paths = files.iter().map(|(path, _)| dir.join(path));
        let taken: Vec<String> =
            paths.filter(|path| exists(path)).map(|path| format!("`{}`", path.display())).collect();
        if !taken.is_empty() {
            let verb = if taken.len() == 1 { "exists" } else { "exist" };
            let message = format!("{} {verb} already; nothing was written", taken.join(", "));
            let error = Error::new("OF-CLI-006", ErrorKind::Config, message);
            return Err(error.hint("name a new folder: `outflow init DIR`").into());
        }
        let written = files.iter().map(|(path, content)| write(&dir.join(path), content));
        let written = written.collect::<Result<Vec<String>>>()?;
        Ok(answer(dir, written))
    }

    /// The argument and `--project-dir` say the same; two that differ are one too many.
    fn folder<'a>(&'a self, given: &'a Given) -> Result<&'a Path> {
        match (&self.dir, &given.global.project_dir) {
            (Some(dir), Some(other)) if absolute(dir).ok() != absolute(other).ok() => {
                let (dir, other) = (dir.display(), other.display());
                let message =
                    format!("the project cannot go to `{dir}` and, as `--project-dir` says, to `{other}`");
                Err(Error::new(BAD_USAGE, ErrorKind::Usage, message).hint("name one of them"))
            }
            (Some(dir), _) | (None, Some(dir)) => Ok(dir),
            (None, None) => Ok(Path::new(".")),
        }
    }
}

fn answer(dir: &Path, written: Vec<String>) -> Answer {
    let mut text: String = written.iter().map(|path| format!("wrote {path}\n")).collect();
    text.push_str("\nNext:\n");
    if dir != Path::new(".") {
        text.push_str(&format!("  cd {}\n", dir.display()));
    }
    text.push_str("  outflow diff            what would be sent\n");
    text.push_str("  outflow sync            send it, to the sandbox inside outflow\n");
    text.push_str("  outflow sandbox show    what arrived there\n");
    let files = written.into_iter().map(Json::from).collect();
    Answer::new(text, Map::from_iter([("files".to_owned(), Json::Array(files))]))
}

/// A link that leads nowhere is in the way, too.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn write(path: &Path, content: &[u8]) -> Result<String> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    // `create_new` refuses a file that came into being meanwhile.
    let written = folder.and_then(|()| File::create_new(path)).and_then(|mut file| file.write_all(content));
    written.map_err(|cause| {
        let message = format!("`{}` cannot be written", path.display());
        Error::new("OF-CLI-004", ErrorKind::State, message).because(&cause)
    })?;
    let shown = path.strip_prefix(".").unwrap_or(path);
    Ok(shown.display().to_string())
}
