//! Object stores: one in memory, one that breaks, and emulators of the real ones.

mod answers;
mod cut;
mod memory;
mod servers;
mod settings;
pub(in crate::files) mod written;

use std::io::Write;
use std::path::PathBuf;

use arrow_array::{Int64Array, StringArray};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};

use super::*;
use crate::files::config::Root;
use crate::files::source::FilesSource;
use crate::files::store::Store;

/// Patterns that each name some of the files of [`lake`].
const PATTERNS: [&str; 4] =
    ["customers/*.parquet", "**/*.csv.gz", "events/2024/?.jsonl", "customers/1.parquet"];

/// A folder with files of each format; the first is larger than what is read at once of any file.
fn lake() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["customers", "orders/new", "events/2024"] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    let text = |n: i64| format!("{:x}", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for (name, rows) in [("1", 0..150_000), ("2", 150_000..150_010)] {
        let texts: Vec<String> = rows.clone().map(text).collect();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(Int64Array::from_iter_values(rows.clone()))),
            ("first", Arc::new(StringArray::from(texts.clone()))),
            ("second", Arc::new(StringArray::from_iter_values(texts.iter().rev()))),
        ];
        write_parquet(&folder.path().join(format!("customers/{name}.parquet")), columns, 40_000);
    }
    let csv: String = (0..40_000).map(|n| format!("{n},\"{}\"\n", text(n))).collect();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(format!("id,text\n{csv}").as_bytes()).unwrap();
    std::fs::write(folder.path().join("orders/new/a.csv.gz"), packed.finish().unwrap()).unwrap();
    let lines: String = (0..3_000).map(|n| format!("{{\"id\":{n},\"text\":\"{}\"}}\n", text(n))).collect();
    std::fs::write(folder.path().join("events/2024/a.jsonl"), lines).unwrap();
    std::fs::write(folder.path().join("events/2024/.b.jsonl"), "half written").unwrap();
    std::fs::write(folder.path().join("events/2024/readme.txt"), "not data").unwrap();
    folder
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.path().is_dir() {
            true => files_below(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
}

/// Puts every file of a folder below a prefix.
async fn upload(folder: &Path, store: &dyn ObjectStore, prefix: &str) {
    let mut files = Vec::new();
    files_below(folder, &mut files);
    for file in files {
        let name = file.strip_prefix(folder).unwrap().to_str().unwrap();
        let key = Key::parse(format!("{prefix}/{name}")).unwrap();
        store.put(&key, std::fs::read(&file).unwrap().into()).await.unwrap();
    }
}

fn of(store: Store) -> FilesSource {
    FilesSource::new(Root::Store(Arc::new(store)))
}

async fn rows_of(source: &dyn Source, pattern: &str) -> Result<(Extract, Keep), ConnectorError> {
    let mut kept = Keep::all();
    let query = Query::Files(files(pattern));
    let extract = source.extract(&query, &ReadContext::fleeting("t"), &mut kept).await?;
    Ok((extract, kept))
}

/// A store gives what the folder gives, row for row.
async fn gives_the_same(folder: &Path, remote: &dyn Source) {
    let local = source(folder);
    for pattern in PATTERNS {
        let query = Query::Files(files(pattern));
        assert_eq!(local.shape(&query).await.unwrap(), remote.shape(&query).await.unwrap(), "{pattern}");
        let (expected, rows) = rows_of(&*local, pattern).await.unwrap();
        let (found, same) = rows_of(remote, pattern).await.unwrap();
        assert_eq!((expected.rows, expected.announced), (found.rows, found.announced), "{pattern}");
        assert!(expected.rows > 0 && rows.rows() == same.rows(), "{pattern}: the rows differ");
    }
}
