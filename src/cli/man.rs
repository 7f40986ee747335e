use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;
use serde_json::{Map, Value as Json};

use super::{Cli, Given, help};
use crate::error::{Error, ErrorKind};
use crate::report::{Answer, Failure};

/// Prints the man page, or writes one page per command into a folder
#[derive(Debug, Args)]
#[command(after_help = help::after(&[
    ("outflow man | man -l -", "read it"),
    ("outflow man --out ~/.local/share/man/man1", "install all pages"),
]))]
pub struct Man {
    /// Write outflow.1 and one page per command here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    pub fn run(&self, _given: &Given) -> Result<Answer, Failure> {
        let command = Cli::command();
        match &self.out {
            None => {
                let page = page(command).map_err(|e| cannot_write(Path::new("stdout"), &e))?;
                Ok(Answer::new(page.clone(), Map::from_iter([("page".to_owned(), page.into())])))
            }
            Some(folder) => Ok(pages(command, folder)?),
        }
    }
}

fn pages(command: Command, folder: &Path) -> Result<Answer, Error> {
    std::fs::create_dir_all(folder).map_err(|e| cannot_write(folder, &e))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut written = Vec::new();
    write(&command, folder, &mut written).map_err(|e| cannot_write(folder, &e))?;
    let text = written.iter().map(|path| format!("{path}\n")).collect::<String>();
    let files = written.into_iter().map(Json::from).collect();
    Ok(Answer::new(text, Map::from_iter([("files".to_owned(), Json::Array(files))])))
}

fn write(command: &Command, folder: &Path, written: &mut Vec<String>) -> std::io::Result<()> {
    written.push(Page::new(command.clone()).generate_to(folder)?.display().to_string());
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).try_for_each(|sub| write(sub, folder, written))
}

fn page(command: Command) -> std::io::Result<String> {
    let mut page = Vec::new();
    Page::new(command).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn cannot_write(path: &Path, cause: &std::io::Error) -> Error {
    Error::new("OF-CLI-004", ErrorKind::State, format!("`{}` cannot be written", path.display()))
        .because(cause)
}
