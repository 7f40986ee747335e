//! The password file: `HOST:PORT:DATABASE:USER:PASSWORD` a line
//! (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who looks for a password.
pub(super) struct Login<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// The password of the first line that fits; `None` where there is no file, or no such line.
///
/// # Errors
/// A file that others can read is not used, as libpq does not use it.
pub(super) fn look_up(
    environment: &BTreeMap<String, String>,
    login: &Login<'_>,
) -> Result<Option<String>, String> {
    let named = environment.get("PGPASSFILE").map(PathBuf::from);
    let usual = || environment.get("HOME").map(|home| Path::new(home).join(".pgpass"));
    let Some(path) = named.or_else(usual) else { return Ok(None) };
    let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
    let Some(password) = text.lines().find_map(|line| password(line, login)) else { return Ok(None) };
    match is_private(&path) {
        true => Ok(Some(password)),
        false => Err(format!("the password file `{}` can be read by others", path.display())),
    }
}

#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_private(_: &Path) -> bool {
    true
}

fn password(line: &str, login: &Login<'_>) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = fields(line);
    let port = login.port.to_string();
    // A socket is called `localhost` there.
    let host = if login.host.starts_with('/') { "localhost" } else { login.host };
    for wanted in [host, &port, login.database, login.user] {
        let field = fields.next()?;
        if field != "*" && field != wanted {
            return None;
        }
    }
    fields.next().filter(|password| !password.is_empty())
}

/// Fields between colons; a backslash takes the character after it as it is.
fn fields(line: &str) -> impl Iterator<Item = String> {
    let mut letters = line.chars();
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let mut field = String::new();
        loop {
            match letters.next() {
                Some('\\') => field.extend(letters.next()),
                Some(':') => return Some(field),
                Some(letter) => field.push(letter),
                None => {
                    ended = true;
                    return Some(field);
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let login = Login { host: "db", port: 5432, database: "wh", user: "ann" };
        for (line, found) in [
            ("db:5432:wh:ann:secret", Some("secret")),
            ("*:*:*:ann:se\\:cr\\\\et", Some("se:cr\\et")),
            ("#db:5432:wh:ann:secret", None),
            ("db:5433:wh:ann:secret", None),
            ("db:5432:wh:bob:secret", None),
            ("db:5432:wh:ann:", None),
            ("db:5432", None),
        ] {
            assert_eq!(password(line, &login).as_deref(), found, "{line}");
        }
        let socket = Login { host: "/run/postgresql", ..login };
        assert_eq!(password("localhost:*:*:*:x", &socket).as_deref(), Some("x"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".pgpass");
        fs::write(&path, "*:*:*:ann:secret\n").unwrap();
        let home = BTreeMap::from([("HOME".to_owned(), folder.path().to_string_lossy().into_owned())]);
        let login = |user| Login { host: "db", port: 5432, database: "wh", user };
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(look_up(&home, &login("ann")).is_err());
        assert_eq!(look_up(&home, &login("bob")), Ok(None));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(look_up(&home, &login("ann")), Ok(Some("secret".to_owned())));
        assert_eq!(look_up(&BTreeMap::new(), &login("ann")), Ok(None));
    }
}
