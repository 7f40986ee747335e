//! Files on their way, and their names.

use std::io::Write;

use sha2::{Digest, Sha256};

use super::proxy::{Proxy, Way};
use super::*;

/// Bytes that repeat nowhere.
fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut content = Vec::with_capacity(len + 8);
    while content.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend(state.to_le_bytes());
    }
    content.truncate(len);
    content
}

fn is_same(sent: &[u8], file: &std::path::Path) -> bool {
    Sha256::digest(sent) == Sha256::digest(std::fs::read(file).unwrap())
}

/// A local file with these bytes.
fn local(content: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

#[test]
fn files_of_every_size_arrive_whole_and_over_older_ones() {
    for name in ["sftp", "sftp_plain"] {
        let Some(place) = Place::of(name) else { return };
        let runtime = runtime();
        let _guard = runtime.enter();
        let remote = place.remote();
        remote.make().unwrap();
        for len in [5_000_001, 32 * 1024, 32 * 1024 + 1, 1, 0] {
            let content = bytes(len);
            remote.upload(local(&content).path(), "a.csv").unwrap();
            assert!(is_same(&content, &place.at("a.csv")), "{name} {len}");
            assert_eq!(remote.len("a.csv").unwrap(), Some(len as u64));
        }
        assert_eq!(remote.len("b.csv").unwrap(), None);
    }
}

#[test]
fn an_upload_goes_on_where_a_broken_connection_left_it() {
    let Some(place) = Place::of("sftp") else { return };
    let content = bytes(12_000_000);
    let file = local(&content);
    // Greeting and login take some 1.5 kB; the last of these ends near the end of the file.
    let cuts = vec![700, 1_300, 200_000, 1_500_000, 50_000, 3_000_000, 2_500_000, 3_000_000, 1_900_000];
    for way in [Way::ToServer, Way::ToClient] {
        let runtime = runtime();
        let _guard = runtime.enter();
        let cuts = match way {
            Way::ToServer => cuts.clone(),
            // Answers are short: some 30 bytes to 32 kB that were sent, and each packet some 60.
            Way::ToClient => vec![500, 3_000, 6_000, 9_000, 7_000, 12_000],
        };
        let count = cuts.len();
        let proxy = Proxy::to(place.port(), way, cuts);
        let remote = place.by(proxy.port).remote();
        remote.upload(file.path(), "big.csv").unwrap();
        assert!(is_same(&content, &place.at("big.csv")));
        assert!(proxy.taken() > count / 2, "the connection was cut {} times", proxy.taken());
        std::fs::remove_file(place.at("big.csv")).unwrap();
    }
}

#[test]
fn a_connection_that_always_breaks_ends_with_an_error() {
    let Some(place) = Place::of("sftp") else { return };
    let runtime = runtime();
    let _guard = runtime.enter();
    for cut in [0, 100, 700] {
        let proxy = Proxy::to(place.port(), Way::ToServer, vec![cut; 100]);
        let remote = place.by(proxy.port).remote();
        let (code, message, _) = refusal(remote.upload(local(b"abc").path(), "a.csv"));
        assert_eq!(code, "FILE_STORE_UNREACHABLE", "{message}");
        assert_eq!(proxy.taken(), 6, "{message}");
    }
}

#[test]
fn what_is_there_from_elsewhere_is_not_gone_on_from() {
    let Some(place) = Place::of("sftp") else { return };
    let runtime = runtime();
    let _guard = runtime.enter();
    let content = bytes(300_000);
    std::fs::write(place.at("a.csv"), vec![b'x'; 200_000]).unwrap();
    std::fs::write(place.at("b.csv"), vec![b'x'; 400_000]).unwrap();
    // Before anything is acknowledged: the older file may be there still.
    let proxy = Proxy::to(place.port(), Way::ToServer, vec![4_500, 20_000]);
    let remote = place.by(proxy.port).remote();
    for name in ["a.csv", "b.csv"] {
        remote.upload(local(&content).path(), name).unwrap();
        assert!(is_same(&content, &place.at(name)), "{name}");
    }
}

#[test]
fn only_what_is_the_same_is_gone_on_from() {
    let Some(place) = Place::of("sftp") else { return };
    let runtime = runtime();
    let _guard = runtime.enter();
    let content = bytes(3_000_000);
    let file = local(&content);
    // Between two connections somebody adds to the file, or the server loses it, or a part of it and not its length. Whatever the process of the first connection still
    // writes does no harm then.
    for name in ["more", "gone", "empty"] {
        let path = place.at(name);
        let changed = path.clone();
        let proxy = Proxy::minded(place.port(), Way::ToServer, vec![2_000_000], move |number| match number {
            1 if name == "gone" => std::fs::remove_file(&changed).unwrap(),
            1 if name == "empty" => {
                let mut there = std::fs::OpenOptions::new().write(true).open(&changed).unwrap();
                there.write_all(&[0; 1_000]).unwrap();
            }
            1 => {
                let mut there = std::fs::OpenOptions::new().append(true).open(&changed).unwrap();
                there.write_all(&[b'x'; 100_000]).unwrap();
            }
            _ => {}
        });
        place.by(proxy.port).remote().upload(file.path(), name).unwrap();
        assert!(is_same(&content, &path), "{name}");
        assert!((2..=3).contains(&proxy.taken()), "{name}: {}", proxy.taken());
    }
}

#[test]
fn a_name_is_given_once_and_never_taken_from_another() {
    for name in ["sftp", "sftp_plain"] {
        let Some(place) = Place::of(name) else { return };
        let runtime = runtime();
        let _guard = runtime.enter();
        let remote = place.remote();
        std::fs::write(place.at(".a"), "new").unwrap();
        std::fs::write(place.at("taken"), "old").unwrap();
        std::os::unix::fs::symlink("nowhere", place.at("link")).unwrap();
        for taken in ["taken", "link"] {
            assert!(!remote.rename(".a", taken).unwrap(), "{taken}");
        }
        assert_eq!(std::fs::read(place.at("taken")).unwrap(), b"old");
        assert!(remote.rename(".a", "a").unwrap());
        assert!(!remote.rename(".a", "b").unwrap(), "it is not there");
        assert!(!place.at(".a").exists() && !place.at("b").exists());
        assert_eq!(remote.get("a").unwrap(), b"new");

        remote.replace("a", "taken").unwrap();
        assert_eq!(remote.get("taken").unwrap(), b"new");
        remote.replace("taken", "free").unwrap();
        assert_eq!(refusal(remote.replace("none", "free")).0, "FILE_MISSING");
        assert_eq!(remote.get("free").unwrap(), b"new");
    }
}

#[test]
fn a_lost_answer_to_a_rename_is_looked_up() {
    let Some(place) = Place::of("sftp") else { return };
    let runtime = runtime();
    let _guard = runtime.enter();
    let done = |cuts: Vec<usize>, is_new: bool| {
        std::fs::write(place.at(".a"), "new").unwrap();
        let proxy = Proxy::to(place.port(), Way::ToClient, cuts);
        let remote = place.by(proxy.port).remote();
        match is_new {
            true => assert!(remote.rename(".a", "a").unwrap()),
            false => remote.replace(".a", "a").unwrap(),
        }
        assert_eq!(std::fs::read(place.at("a")).unwrap(), b"new");
        assert!(!place.at(".a").exists());
        if is_new {
            std::fs::remove_file(place.at("a")).unwrap();
        }
        (proxy.passed(), proxy.taken())
    };
    for is_new in [true, false] {
        let (whole, _) = done(Vec::new(), is_new);
        // The last answer is cut off, or lost, or it and those before it.
        for missing in [10, 60, 120, 250] {
            let (_, taken) = done(vec![whole - missing], is_new);
            assert_eq!(taken, 2, "{missing}");
        }
    }
}

#[test]
fn folders_are_made_listed_and_cleared() {
    let Some(place) = Place::of("sftp") else { return };
    let runtime = runtime();
    let _guard = runtime.enter();
    let place = Place { rest: format!("{}/new/deep", place.rest), ..place };
    let remote = place.remote();
    assert_eq!(remote.list("").unwrap(), [""; 0]);
    remote.make().unwrap();
    remote.make().unwrap();
    remote.mkdir("2024/05").unwrap();
    for name in ["cus-2", "cus-1", "other", "2024/cus-3"] {
        remote.upload(local(name.as_bytes()).path(), name).unwrap();
    }
    assert_eq!(remote.list("cus").unwrap(), ["cus-1", "cus-2"]);
    assert_eq!(remote.list("").unwrap(), ["cus-1", "cus-2", "other"]);
    assert_eq!(remote.list("2024/c").unwrap(), ["2024/cus-3"]);
    assert_eq!(remote.list("2025/c").unwrap(), [""; 0]);
    assert_eq!(remote.get("2024/cus-3").unwrap(), b"2024/cus-3");
    assert_eq!(remote.get("none").unwrap(), b"");
    remote.remove("other").unwrap();
    remote.remove("other").unwrap();
    assert_eq!(remote.len("other").unwrap(), None);

    let (code, message, _) = refusal(remote.upload(local(b"x").path(), "2026/a"));
    assert!(code == "FILE_MISSING" && message.contains("/new/deep/2026/a`"), "{code} {message}");
    let (code, message, _) = refusal(remote.mkdir("cus-1"));
    assert!(code == "FILE_UNREADABLE" && message.contains("is no folder"), "{code} {message}");
    let missing = std::path::Path::new("/nowhere/file");
    let (code, message, _) = refusal(remote.upload(missing, "a"));
    assert!(code == "FILE_UNREADABLE" && message.contains("`/nowhere/file`"), "{code} {message}");
}

#[test]
fn a_folder_where_nothing_may_be_written_is_told() {
    let Some(place) = Place::of("sftp_read_only") else { return };
    let runtime = runtime();
    let _guard = runtime.enter();
    let remote = place.remote();
    remote.make().unwrap();
    std::fs::write(place.at("a"), "x").unwrap();
    assert_eq!(remote.get("a").unwrap(), b"x");
    let tried = [
        refusal(remote.upload(local(b"x").path(), "b")),
        refusal(remote.rename("a", "b")),
        refusal(remote.replace("a", "b")),
        refusal(remote.remove("a")),
        refusal(remote.mkdir("c")),
    ];
    for (code, message, hint) in tried {
        assert_eq!(code, "FILE_STORE_DENIED", "{message}");
        assert!(
            message.contains("`Permission denied`") && hint.contains("let the user"),
            "{message}: {hint}"
        );
    }
}

/// Several at once over one connection, as the parts of a batch may come.
#[test]
fn threads_share_a_connection() {
    let Some(place) = Place::of("sftp") else { return };
    let runtime = runtime();
    let proxy = Proxy::to(place.port(), Way::ToServer, vec![400_000]);
    let remote = place.by(proxy.port).remote();
    let content = bytes(700_000);
    let file = local(&content);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (runtime, remote, file) = (&runtime, &remote, &file);
            scope.spawn(move || {
                let _guard = runtime.enter();
                remote.upload(file.path(), &format!("{thread}.csv")).unwrap();
            });
        }
    });
    for thread in 0..4 {
        assert!(is_same(&content, &place.at(&format!("{thread}.csv"))));
    }
    assert_eq!(proxy.taken(), 2);
}
