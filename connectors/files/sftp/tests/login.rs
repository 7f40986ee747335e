//! Who is believed, and who is let in.

use std::net::TcpListener;

use super::proxy::{Proxy, Way};
use super::*;

#[test]
fn a_server_that_is_not_known_gets_nothing() {
    let Some(place) = Place::of("sftp") else { return };
    let runtime = runtime();
    let _guard = runtime.enter();
    let empty = tempfile::NamedTempFile::new().unwrap();
    let place = place.with("known_hosts", empty.path().to_str().unwrap());
    let remote = place.remote();
    let (code, message, hint) = refusal(remote.make());
    assert_eq!(code, "FILE_SFTP_HOST_UNKNOWN", "{message}");
    assert!(message.contains("`ssh-ed25519 SHA256:"), "{message}");
    // What the hint says is enough.
    let line = hint.split("`host_key: ").nth(1).unwrap().split('`').next().unwrap().to_owned();
    place.with("host_key", line).remote().make().unwrap();
}

#[test]
fn a_changed_key_is_refused_once_and_by_all_that_follows() {
    let Some(place) = Place::of("sftp") else { return };
    let runtime = runtime();
    let _guard = runtime.enter();
    let proxy = Proxy::to(place.port(), Way::ToServer, Vec::new());
    let other = "SHA256:wr87vhKJVNXXPHOX9RfnrejCgki3qP3n9X8pL84ICEo";
    let remote = place.by(proxy.port).with("host_key", other).remote();
    for _ in 0..3 {
        let (code, message, hint) = refusal(remote.len("a"));
        assert_eq!(code, "FILE_SFTP_HOST_CHANGED", "{message}");
        assert!(message.contains(other) && message.matches("SHA256:").count() == 2, "{message}");
        assert!(hint.contains("nothing was sent"), "{hint}");
    }
    assert_eq!(proxy.taken(), 1, "a refused server is not asked again");
}

#[test]
fn a_user_who_is_refused_costs_one_attempt_and_no_secret() {
    let Some(place) = Place::of("sftp") else { return };
    let runtime = runtime();
    let _guard = runtime.enter();
    let folder = tempfile::tempdir().unwrap();
    let stranger = folder.path().join("stranger");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&stranger)
        .status();
    assert!(made.unwrap().success());
    let proxy = Proxy::to(place.port(), Way::ToServer, Vec::new());
    let by_proxy = || place.by(proxy.port);
    for (count, (place, words)) in [
        (by_proxy().with("private_key_file", stranger.to_str().unwrap()), "accept the key `SHA256:"),
        (
            by_proxy().without("private_key_file").with("password", "hunter2"),
            "accept the password; it takes `publickey`",
        ),
        // The password is another right: a refused key does not give it away.
        (
            by_proxy().with("private_key_file", stranger.to_str().unwrap()).with("password", "hunter2"),
            "accept the key `SHA256:",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let remote = place.remote();
        for _ in 0..2 {
            let (code, message, hint) = refusal(remote.get("a"));
            assert_eq!(code, "FILE_STORE_LOGIN", "{message}");
            assert!(message.contains(words) && message.contains(&remote.account()), "{message}");
            assert!(!message.contains("hunter2") && !hint.contains("hunter2"), "{message}");
        }
        assert_eq!(proxy.taken(), count + 1);
    }
}

#[test]
fn a_key_of_rsa_lets_the_user_in_too() {
    let Some(place) = Place::of("sftp") else { return };
    let runtime = runtime();
    let _guard = runtime.enter();
    let key = place.values["private_key_file"].as_str().unwrap().replace("ed25519", "rsa");
    let text = std::fs::read_to_string(&key).unwrap();
    place.with("private_key", text).without("private_key_file").remote().make().unwrap();
}

#[test]
fn the_kind_of_key_that_is_known_is_asked_for() {
    let Some(place) = Place::of("sftp") else { return };
    let runtime = runtime();
    let _guard = runtime.enter();
    let known = std::fs::read_to_string(place.values["known_hosts"].as_str().unwrap()).unwrap();
    let rsa: Vec<&str> = known.lines().filter(|line| line.contains(" ssh-rsa ")).collect();
    let file = place.at("only-rsa");
    std::fs::write(&file, rsa.join("\n")).unwrap();
    let remote = place.with("known_hosts", file.to_str().unwrap()).remote();
    assert_eq!(remote.get("none").unwrap(), b"");
}

#[test]
fn a_server_that_is_not_there_is_told_with_its_address() {
    let Some(place) = Place::of("sftp") else { return };
    let runtime = runtime();
    let _guard = runtime.enter();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let remote = place.by(nobody).remote();
    let (code, message, hint) = refusal(remote.list("a"));
    assert_eq!(code, "FILE_STORE_UNREACHABLE");
    assert!(message.contains(&format!(":{nobody}")) && message.contains("refused"), "{message}");
    assert!(hint.contains("host and port"), "{hint}");
}

#[test]
fn nothing_is_asked_outside_of_a_runtime() {
    let Some(place) = Place::of("sftp") else { return };
    assert!(place.remote().make().unwrap_err().message.contains("the run ended"));
}
