//! The accidents of a run from a file to an SFTP server: every row arrives once, and nothing hidden is left behind.

use std::fs;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use tempfile::TempDir;

use super::buckets::{assert_whole, sync, write_project};
use crate::support::{Run, server};

/// Points that only a run to a server passes.
pub const POINTS: [&str; 5] = ["sftp.chunk", "sftp.staged", "sftp.named", "sftp.kept", "sftp.discarded"];

/// A key that no server has, and its fingerprint.
const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICi17mwd9ToX6jc7FNQdfr6VP/shzsQY+oKUnK+3oS8D";
const OTHER_PRINT: &str = "SHA256:wr87vhKJVNXXPHOX9RfnrejCgki3qP3n9X8pL84ICEo";

/// A project that copies a file to a folder of a server of `.ci/services/sftp`.
pub struct Project {
    folder: TempDir,
    /// The server's folder, which is one of this machine.
    place: TempDir,
    /// `sftp://USER@127.0.0.1`, and the port.
    login: String,
    port: u16,
    letters: usize,
}

impl Project {
    /// Rows have names of some more letters than so many. `None` where there is no server.
    pub fn new(letters: usize) -> Option<Self> {
        let (url, known) = (server("sftp")?, server("sftp_known_hosts")?);
        let (login, port, path) = parts(&url);
        let (folder, place) = (TempDir::new().unwrap(), TempDir::new_in(path).unwrap());
        let project = Project { folder, place, login, port, letters };
        project.connect(project.port, &format!("known_hosts: \"{known}\""));
        Some(project)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The server's folder.
    pub fn place(&self) -> &Path {
        self.place.path()
    }

    /// Names a port of this machine, and who is believed there.
    fn connect(&self, port: u16, belief: &str) {
        let (login, place) = (&self.login, self.place.path().display());
        let key = server("sftp_key").unwrap();
        let settings =
            format!("    url: \"{login}:{port}{place}\"\n    private_key_file: \"{key}\"\n    {belief}\n");
        write_project(self.path(), &settings, self.letters);
    }

    pub fn sync_by(&self, aside: &Path, plan: Option<&str>) -> Run {
        sync(self.path(), aside, plan)
    }

    fn sync(&self, plan: Option<&str>) -> Run {
        self.sync_by(self.path(), plan)
    }

    /// Names of all files.
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(self.place.path(), "", &mut names);
        names.sort();
        names
    }

    /// A clean run delivers what is missing, then a rerun writes nothing.
    #[track_caller]
    pub fn assert_made_good(&self, plan: &str) {
        let run = self.sync(None);
        assert_eq!(run.code, 0, "{plan}: {run:#?}");
        assert_whole(plan, &self.names(), |name| fs::read_to_string(self.place.path().join(name)).unwrap());
        let again = self.sync(None).ends(0).json();
        assert_eq!(again["syncs"][0]["requests"], 0, "{plan}: {again:#}");
    }
}

/// `sftp://USER@127.0.0.1`, the port, and the folder.
fn parts(url: &str) -> (String, u16, String) {
    let (address, path) = url.split_at(url.match_indices('/').nth(2).unwrap().0);
    let (login, port) = address.rsplit_once(':').unwrap();
    (login.to_owned(), port.parse().unwrap(), path.to_owned())
}

fn collect(folder: &Path, above: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{above}{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => collect(&entry.path(), &format!("{name}/"), names),
            false => names.push(name),
        }
    }
}

#[test]
fn a_run_to_a_server_that_ends_anywhere_is_made_good_by_the_next() {
    let Some(project) = Project::new(0) else { return };
    project.assert_made_good("no accident");
    for point in POINTS {
        let moments: &[usize] = match point {
            "sftp.discarded" => &[1],
            // The second is of what is kept for the manifest.
            "sftp.chunk" => &[1, 2, 5],
            // The last is the manifest itself.
            "sftp.kept" => &[1, 3, 6],
            _ => &[1, 3],
        };
        for n in moments {
            let project = Project::new(0).unwrap();
            let plan = format!("{point}:{n}");
            if point == "sftp.discarded" {
                project.sync(Some("sftp.staged:2")).ends(-1);
            }
            project.sync(Some(&plan)).ends(-1);
            project.assert_made_good(&plan);
        }
    }
}

#[test]
fn a_changed_host_key_is_told_with_both_and_nothing_is_sent() {
    let Some(project) = Project::new(0) else { return };
    let known = project.path().join("known_hosts");
    fs::write(&known, format!("[127.0.0.1]:{} {OTHER}\n", project.port)).unwrap();
    for belief in [format!("host_key: \"{OTHER_PRINT}\""), "known_hosts: known_hosts".to_owned()] {
        project.connect(project.port, &belief);
        let said = project.sync(None).ends(1).stdout;
        assert!(said.contains(OTHER_PRINT) && said.matches("SHA256:").count() >= 2, "{belief}: {said}");
        assert!(said.contains("ask the server's owner") && said.contains("nothing was sent"), "{said}");
        assert_eq!(project.names(), [""; 0], "{belief}");
    }
    let known = server("sftp_known_hosts").unwrap();
    project.connect(project.port, &format!("known_hosts: \"{known}\""));
    project.assert_made_good("the right key");
}

/// A port of this machine that passes connections on to another one, which can be changed.
struct Switch {
    port: u16,
    to: Arc<AtomicU16>,
}

impl Switch {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let switch =
            Switch { port: listener.local_addr().unwrap().port(), to: Arc::new(AtomicU16::new(port)) };
        let to = switch.to.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(("127.0.0.1", to.load(Ordering::SeqCst))).unwrap();
                let (back, forth) =
                    ((server.try_clone().unwrap(), client.try_clone().unwrap()), (client, server));
                for (mut from, mut into) in [back, forth] {
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut into); // until one of them ends
                        let _ = into.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        switch
    }
}

#[test]
fn a_folder_where_nothing_may_be_written_is_told_and_loses_nothing() {
    let Some(project) = Project::new(0) else { return };
    let read_only = parts(&server("sftp_read_only").unwrap()).1;
    let known = fs::read_to_string(server("sftp_known_hosts").unwrap()).unwrap();
    let (_, key) = known.lines().next().unwrap().split_once(' ').unwrap();
    // One server, whose rights are changed.
    let switch = Switch::to(read_only);
    project.connect(switch.port, &format!("host_key: \"{key}\""));
    let said = project.sync(None).ends(1).stdout;
    let folder = project.place.path().to_str().unwrap();
    for words in ["Permission denied", folder, "let the user read, write and rename in the folder of `url`"] {
        assert!(said.contains(words), "`{words}` is missing: {said}");
    }
    assert_eq!(project.names(), [""; 0]);
    switch.to.store(project.port, Ordering::SeqCst);
    project.assert_made_good("the right to write");
}
