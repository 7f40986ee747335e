//! Lines of `known_hosts`, made by OpenSSH's own tools.

use russh::keys::PublicKey;

use crate::contract::Kind;
use crate::files::sftp::host_key::HostKeys;

const FIRST: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICi17mwd9ToX6jc7FNQdfr6VP/shzsQY+oKUnK+3oS8D";
const FIRST_PRINT: &str = "SHA256:wr87vhKJVNXXPHOX9RfnrejCgki3qP3n9X8pL84ICEo";
const SECOND: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAtcPqxyqzStd7NjchyzR40+H6nMjB8kTVDXCKij4SSu";
const SECOND_PRINT: &str = "SHA256:F+ml1UR4VhzukMjE0UBSccCCrx/mN+X/fxrpNfjOKnM";
const THIRD: &str = "ecdsa-sha2-nistp256 \
                     AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFCvkPgEvuTmsPMIJRx63GYX9n40rOyFW6enk5PnPy3yoBNTONDPnZTPM5hEVt/YIZjsZsQZoqO/ptItGinyEV0=";
/// By `ssh-keygen -H`: the first key for `files.example.com`, the second for its port 2222.
const HASHED: &str = "\
|1|1pzJWhuLvNFeF0NU+y3T1BkxLU0=|QmspFUzPErGYj8S5OmPcDpRUlSI= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICi17mwd9ToX6jc7FNQdfr6VP/shzsQY+oKUnK+3oS8D
|1|ylOltNJ9m1Ew6/+7feyHl8YgdyU=|bm11+4cssM+sAGm0tklDWre1n24= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAtcPqxyqzStd7NjchyzR40+H6nMjB8kTVDXCKij4SSu
";

fn key(line: &str) -> PublicKey {
    PublicKey::from_openssh(line).unwrap()
}

/// What the file says of a host that shows the first key: nothing, or who must act and why.
fn said(file: &str, host: &str, port: u16) -> Option<(Kind, String)> {
    let mut keys = HostKeys::new(host, port);
    keys.learn("known", file);
    keys.check(&key(FIRST))
        .err()
        .map(|refusal| (refusal.kind, format!("{} ({})", refusal.message, refusal.hint)))
}

fn is_believed(file: &str, host: &str, port: u16) -> bool {
    said(file, host, port).is_none()
}

#[test]
fn hosts_are_named_in_many_ways() {
    for (file, host, port) in [
        (format!("files.example.com {FIRST}"), "files.example.com", 22),
        (format!("Files.Example.com\t{FIRST} a comment"), "FILES.example.COM", 22),
        (format!("# a comment\n\n  other,files.example.com,10.0.0.1   {FIRST}\r\n"), "files.example.com", 22),
        (format!("[files.example.com]:22 {FIRST}"), "files.example.com", 22),
        (format!("[files.example.com]:2222 {FIRST}"), "files.example.com", 2222),
        (format!("[2001:db8::1]:2222 {FIRST}"), "2001:db8::1", 2222),
        (format!("2001:db8::1 {FIRST}"), "2001:db8::1", 22),
        (format!("*.example.com,!old.example.com {FIRST}"), "files.example.com", 22),
        (format!("file?.ex*le.com {FIRST}"), "files.example.com", 22),
        (format!("files.example.com {SECOND}\nfiles.example.com {FIRST}"), "files.example.com", 22),
        (HASHED.to_owned(), "files.example.com", 22),
    ] {
        assert!(is_believed(&file, host, port), "{file}: {:?}", said(&file, host, port));
    }
}

#[test]
fn a_host_that_no_line_names_is_unknown_and_the_error_has_its_line() {
    for (file, host, port) in [
        (String::new(), "files.example.com", 22),
        (format!("files.example.com {FIRST}"), "files.example.com", 2222),
        (format!("[files.example.com]:2222 {FIRST}"), "files.example.com", 22),
        (format!("files.example.com.evil {FIRST}"), "files.example.com", 22),
        (format!("*.example.com,!old.example.com {FIRST}"), "old.example.com", 22),
        (format!("#files.example.com {FIRST}"), "files.example.com", 22),
        (format!("@unheard-of files.example.com {FIRST}"), "files.example.com", 22),
        ("files.example.com ssh-ed25519 AAAA\nfiles.example.com".to_owned(), "files.example.com", 22),
        (HASHED.to_owned(), "other.example.com", 22),
    ] {
        let (kind, told) = said(&file, host, port).unwrap();
        assert_eq!(kind, Kind::Config, "{file}: {told}");
        for part in [FIRST_PRINT, &format!("`host_key: {FIRST}`"), "is not known", "nothing was sent"] {
            assert!(told.contains(part), "{file}: {told}");
        }
    }
    let (_, told) = said("", "files.example.com", 2222).unwrap();
    assert!(told.contains(&format!("the line `[files.example.com]:2222 {FIRST}`")), "{told}");
}

#[test]
fn a_changed_key_is_told_with_both() {
    let hashed = said(HASHED, "files.example.com", 2222).unwrap();
    let plain = said(&format!("x {FIRST}\nfiles.example.com {SECOND}"), "files.example.com", 22).unwrap();
    // Another kind of key than is known is no key that is known.
    let other = said(&format!("files.example.com {THIRD}"), "files.example.com", 22).unwrap();
    assert!(plain.1.contains("`known`, line 2"), "{}", plain.1);
    for ((kind, told), known) in
        [(hashed, SECOND_PRINT), (plain, SECOND_PRINT), (other, "ecdsa-sha2-nistp256 SHA256:")]
    {
        assert_eq!(kind, Kind::Auth, "{told}");
        assert!(
            told.contains(FIRST_PRINT) && told.contains(known) && told.contains("nothing was sent"),
            "{told}"
        );
    }
}

#[test]
fn a_revoked_key_is_refused_whatever_else_is_said() {
    for file in [
        format!("files.example.com {FIRST}\n@revoked files.example.com {FIRST}"),
        format!("@revoked * {FIRST}\nfiles.example.com {FIRST}"),
    ] {
        let (kind, told) = said(&file, "files.example.com", 22).unwrap();
        assert!(kind == Kind::Auth && told.contains("revokes") && told.contains(FIRST_PRINT), "{told}");
    }
    assert!(is_believed(&format!("@revoked * {SECOND}\nfiles.example.com {FIRST}"), "files.example.com", 22));
    let mut keys = HostKeys::new("files.example.com", 22);
    keys.learn("known", &format!("@revoked * {FIRST}"));
    keys.pin(FIRST).unwrap();
    assert!(keys.check(&key(FIRST)).unwrap_err().message.contains("revokes"));
}

#[test]
fn an_authority_is_said_not_to_be_supported() {
    let (kind, told) =
        said(&format!("@cert-authority *.example.com {FIRST}"), "files.example.com", 22).unwrap();
    assert!(kind == Kind::Config && told.contains("certificate authority, which is not supported"), "{told}");
}

#[test]
fn a_pinned_key_counts_alone() {
    for pin in [FIRST, &format!("{FIRST} root@files"), &format!("[files]:2222 {FIRST}"), FIRST_PRINT] {
        let mut keys = HostKeys::new("files.example.com", 22);
        keys.pin(pin).unwrap();
        keys.learn("known", &format!("files.example.com {SECOND}"));
        assert!(keys.check(&key(FIRST)).is_ok(), "{pin}");
        let refusal = keys.check(&key(SECOND)).unwrap_err();
        assert!(
            refusal.kind == Kind::Auth
                && refusal.message.contains(FIRST_PRINT)
                && refusal.message.contains(SECOND_PRINT),
            "{}",
            refusal.message
        );
    }
    for wrong in
        ["", "SHA256:abc", "MD5:00:11", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa AAAAC3NzaC1lZDI1NTE5"]
    {
        let told = HostKeys::new("files.example.com", 22).pin(wrong).unwrap_err();
        assert!(told.starts_with("`host_key` is"), "{wrong}: {told}");
    }
}

#[test]
fn the_server_is_asked_for_a_key_that_is_known_and_never_for_sha_1() {
    let first = |line: &str| {
        let mut keys = HostKeys::new("files.example.com", 22);
        keys.learn("known", &format!("files.example.com {line}"));
        let kinds: Vec<String> = keys.kinds().iter().map(|kind| kind.as_str().to_owned()).collect();
        assert!(kinds.len() == 6 && kinds.iter().all(|kind| kind != "ssh-rsa"), "{kinds:?}");
        kinds[0].clone()
    };
    assert_eq!(first(FIRST), "ssh-ed25519");
    assert_eq!(first(THIRD), "ecdsa-sha2-nistp256");
}
