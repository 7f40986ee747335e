//! What a connection may say.

use super::*;
use crate::files::sftp::config::Target;

/// By `ssh-keygen -N hunter2`.
const ENCRYPTED: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABC6LCfs1L
jqdgkm7daSU08oAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAID25yEewSzmwYtjk
hor49l+ilZANEhaqLtNdZ6ZuXVWrAAAAkHAQyS4ZY7u92RPPpuPbHxlSSfbnhi2+qSNbcA
mVLlywZMY7g87e5hBoOqQwajtD6gOjnmnkLY35hp5yR4iqDd5MVhNkbACwo7B6rZ2i8Kk0
eOtj9sxJf8+kLYig60cHu5XWr3/x3NqLo6WkLxXv2VcQeiKgL1PGxhrmXTBAz0NhKL3xAS
lnyn4bC4p7sYAaUw==
-----END OPENSSH PRIVATE KEY-----
";
const HOST_KEY: &str = "SHA256:wr87vhKJVNXXPHOX9RfnrejCgki3qP3n9X8pL84ICEo";

#[test]
fn an_address_names_user_host_port_and_folder() {
    for (rest, account, file) in [
        ("u@h", "sftp://u@h:22/~", "a/b.csv"),
        ("u@h/", "sftp://u@h:22/", "/a/b.csv"),
        ("u@h/in/", "sftp://u@h:22/in", "/in/a/b.csv"),
        ("u@H.Example:2222/in/new", "sftp://u@h.example:2222/in/new", "/in/new/a/b.csv"),
        ("u@h/~", "sftp://u@h:22/~", "a/b.csv"),
        ("u@h/~/in", "sftp://u@h:22/~/in", "in/a/b.csv"),
        ("u@h/~in", "sftp://u@h:22/~in", "/~in/a/b.csv"),
        ("a.b%40acme@h/my%20files", "sftp://a.b@acme@h:22/my files", "/my files/a/b.csv"),
        ("u@[2001:db8::1]:2222/in", "sftp://u@[2001:db8::1]:2222/in", "/in/a/b.csv"),
    ] {
        let target = Target::parse(rest).unwrap();
        assert_eq!((&*target.account(), &*target.at("a/b.csv")), (account, file), "{rest}");
    }
    for (rest, words) in [
        ("h/in", "names no user"),
        ("@h/in", "names no user"),
        ("u@/in", "names no host"),
        ("u@a b/in", "names no host"),
        ("u@h:0/in", "the port `0`"),
        ("u@h:x/in", "the port `x`"),
        ("u@[::1/in", "without `]`"),
        ("u:hunter2@h/in", "has a password in it"),
        ("u@h/in/../etc", "an empty part"),
        ("u@h/in//new", "an empty part"),
        ("u@h/100%", "hexadecimal"),
        ("u@h/%+1", "hexadecimal"),
        ("u@h/%ff", "is no text"),
        ("u@h/%00", "is no text"),
    ] {
        let told = Target::parse(rest).unwrap_err();
        assert!(
            told.contains(words) && told.starts_with("`url`") && !told.contains("hunter2"),
            "{rest}: {told}"
        );
    }
}

#[test]
fn what_is_missing_or_contradicts_itself_is_told_before_anybody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (key, public) = (file("key", ENCRYPTED), file("key.pub", "ssh-ed25519 AAAA x"));
    let flat = ENCRYPTED.replace('\n', "\\n");
    let opened = |values: Json| Remote::open(&settings(values), "u@h/in");
    for values in [
        json!({"password": "hunter2"}),
        json!({"private_key_file": key, "passphrase": "hunter2", "host_key": HOST_KEY}),
        json!({"private_key": ENCRYPTED, "passphrase": "hunter2"}),
        json!({"private_key": flat, "passphrase": "hunter2", "password": "hunter3"}),
    ] {
        let remote = opened(values.clone()).unwrap();
        assert_eq!(format!("{remote:?}"), "Remote(\"sftp://u@h:22/in\")", "{values}");
    }
    for (values, words) in [
        (json!({}), "`private_key_file` is missing, and so are"),
        (json!({"password": ""}), "`password` is empty"),
        (json!({"password": 1}), "`password` must be a text"),
        (json!({"private_key": "a", "private_key_file": "b"}), "are both set"),
        (json!({"private_key_file": "/nowhere/key"}), "`/nowhere/key` cannot be read"),
        (json!({"private_key_file": public}), "is a public key"),
        (json!({"private_key": "very-secret"}), "is no private key that is understood"),
        (json!({"private_key_file": key}), "`passphrase` is missing"),
        (
            json!({"private_key_file": key, "passphrase": "very-secret"}),
            "cannot be opened with this `passphrase`",
        ),
        (json!({"password": "a", "passphrase": "b"}), "`passphrase` opens a private key"),
        (json!({"password": "a", "known_hosts": "/nowhere/hosts"}), "`/nowhere/hosts` cannot be read"),
        (json!({"password": "a", "host_key": "very"}), "`host_key` is neither"),
    ] {
        let error = opened(values.clone()).unwrap_err();
        let told = format!("{error} ({})", error.hint.clone().unwrap_or_default());
        assert!(told.contains(words) && told.contains("connection `partner` (files)"), "{values}: {told}");
        assert!(!told.contains("very-secret"), "{values}: {told}");
    }
    let mut with_address = settings(json!({"password": "a"}));
    with_address.base_url = Some("http://127.0.0.1:1".to_owned());
    assert!(Remote::open(&with_address, "u@h/in").unwrap_err().message.contains("`base_url`"));
}

#[test]
fn the_hosts_of_the_user_are_known_unless_a_file_is_named() {
    let home = tempfile::tempdir().unwrap();
    let hosts = home.path().join(".ssh/known_hosts");
    let mut settings = settings(json!({"password": "a"}));
    settings.environment.insert("HOME".to_owned(), home.path().to_str().unwrap().to_owned());
    assert!(Remote::open(&settings, "u@h/in").is_ok());
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    std::fs::write(
        &hosts,
        "h ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICi17mwd9ToX6jc7FNQdfr6VP/shzsQY+oKUnK+3oS8D\n",
    )
    .unwrap();
    let target = Target::parse("u@h/in").unwrap();
    for named in [None, Some("~/.ssh/known_hosts")] {
        if let Some(named) = named {
            settings.values.insert("known_hosts".to_owned(), named.into());
        }
        let keys = crate::files::sftp::config::host_keys(&settings, &target).unwrap();
        let shown = russh::keys::PublicKey::from_openssh(
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAtcPqxyqzStd7NjchyzR40+H6nMjB8kTVDXCKij4SSu",
        );
        let told = keys.check(&shown.unwrap()).unwrap_err().message;
        assert!(told.contains(HOST_KEY) && told.contains(hosts.to_str().unwrap()), "{told}");
    }
}
