//! Compressed text files: several members, cut anywhere, or not what their name says.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(content).unwrap();
    packed.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 3).unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;
const PACKS: [(&str, Pack); 2] = [("gz", gzip), ("zst", zstd)];

#[test]
fn compressed_files_are_read_through_all_their_members() {
    for (ending, pack) in PACKS {
        for (name, first, second) in [
            ("a.csv", "\u{feff}id,x\n1,\n", "2,\"b\n\""),
            ("a.jsonl", "\u{feff}{\"id\":\"1\"}\n", "{\"id\":\"2\",\"x\":\"b\\n\"}"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let name = format!("{name}.{ending}");
            let content = [pack(first.as_bytes()), pack(second.as_bytes())].concat();
            std::fs::write(folder.path().join(&name), content).unwrap();
            let (_, kept) = extract(folder.path(), &name).unwrap();
            assert_eq!(kept.rows(), [["Text(\"1\")", "Null"], ["Text(\"2\")", "Text(\"b\\n\")"]], "{name}");
        }
    }
}

#[test]
fn a_compressed_file_cut_anywhere_is_refused() {
    for (ending, pack) in PACKS {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("a.csv.{ending}");
        let text: String = (0..300).map(|n| format!("{n},value {}\n", n * 7919 % 1000)).collect();
        let whole = pack(format!("id,x\n{text}").as_bytes());
        for length in (0..whole.len()).step_by(5) {
            std::fs::write(folder.path().join(&name), &whole[..length]).unwrap();
            let (code, message) = refusal(extract(folder.path(), &name).err().unwrap());
            assert_eq!(code, "FILE_DAMAGED", "{length}: {message}");
        }
        std::fs::write(folder.path().join(&name), "id,x\n1,2\n").unwrap();
        let (_, message) = refusal(shape(folder.path(), &name).unwrap_err());
        assert!(message.contains("cannot be decompressed"), "{message}");
        std::fs::write(folder.path().join(&name), pack(b"")).unwrap();
        assert!(shape(folder.path(), &name).unwrap_err().message.contains("is empty"));
    }
}
