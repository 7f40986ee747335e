//! What holds of every store: the same rows, one version of each object, and no row of what is not there.

use object_store::memory::InMemory;

use super::*;

const URL: &str = "s3://bucket/lake";

fn over(inner: &Arc<InMemory>) -> FilesSource {
    of(Store::over(URL, inner.clone()))
}

#[test]
fn a_store_gives_the_rows_of_a_folder() {
    let folder = lake();
    let inner = Arc::new(InMemory::new());
    block_on(async {
        upload(folder.path(), &*inner, "lake").await;
        gives_the_same(folder.path(), &over(&inner)).await;
        let whole = of(Store::over("s3://bucket", inner.clone()));
        let (found, _) = rows_of(&whole, "lake/customers/2.parquet").await.unwrap();
        assert_eq!(found.announced, Some(10));
    });
}

#[test]
fn what_is_not_there_is_refused_with_its_address() {
    let inner = Arc::new(InMemory::new());
    block_on(async {
        for (key, text) in [
            ("lake/a.xlsx", "x"),
            ("lake/empty.csv", ""),
            ("lake/a*b.csv", "id\n1\n"),
            ("lake/acb.csv", "no"),
        ] {
            inner.put(&Key::parse(key).unwrap(), text.into()).await.unwrap();
        }
        for (pattern, code, words) in [
            ("none.parquet", "FILE_MISSING", "`s3://bucket/lake/none.parquet` does not exist"),
            ("*.parquet", "FILE_MISSING", "no file matches `*.parquet` in `s3://bucket/lake`"),
            ("nowhere/**/*.csv", "FILE_MISSING", "no file matches"),
            ("../a.csv", "FILE_MISSING", "leaves the folder"),
            ("a.xlsx", "FILE_FORMAT", "`s3://bucket/lake/a.xlsx` has an ending"),
            ("empty.csv", "FILE_DAMAGED", "`s3://bucket/lake/empty.csv` is empty"),
        ] {
            let error = over(&inner).shape(&Query::Files(files(pattern))).await.unwrap_err();
            let (found, message) = refusal(error);
            assert!(found == code && message.contains(words), "{pattern}: {found} {message}");
        }
        let (_, kept) = rows_of(&over(&inner), "a*b.csv").await.unwrap();
        assert_eq!(
            kept.rows(),
            [["Text(\"1\")"]],
            "a name that is the pattern letter by letter is the only match"
        );
    });
}

/// Replaces an object, or removes it, when the first batch comes.
struct Swap {
    inner: Arc<InMemory>,
    key: Key,
    by: Option<Vec<u8>>,
}

#[async_trait]
impl RowSink for Swap {
    async fn accept(&mut self, _: RowBatch) -> Result<(), ConnectorError> {
        match &self.by {
            Some(content) => drop(self.inner.put(&self.key, content.clone().into()).await.unwrap()),
            None => self.inner.delete(&self.key).await.unwrap(),
        }
        Ok(())
    }
}

#[test]
fn an_object_that_changes_meanwhile_is_told() {
    let folder = lake();
    for name in ["customers/1.parquet", "orders/new/a.csv.gz"] {
        // The same bytes again are another version, too.
        for by in [Some(std::fs::read(folder.path().join(name)).unwrap()), None] {
            let inner = Arc::new(InMemory::new());
            let error = block_on(async {
                upload(folder.path(), &*inner, "lake").await;
                let key = Key::parse(format!("lake/{name}")).unwrap();
                let mut sink = Swap { inner: inner.clone(), key, by: by.clone() };
                let query = Query::Files(files(name));
                over(&inner).extract(&query, &ReadContext::fleeting("t"), &mut sink).await.unwrap_err()
            });
            assert_eq!(
                (error.kind, error.code.as_deref()),
                (Kind::Unavailable, Some("FILE_CHANGED")),
                "{name}: {error}"
            );
        }
    }
}

#[test]
fn a_sink_that_wants_no_more_ends_the_reading() {
    let folder = lake();
    let inner = Arc::new(InMemory::new());
    block_on(async {
        upload(folder.path(), &*inner, "lake").await;
        let mut kept = Keep { batches: Vec::new(), most: 1 };
        let query = Query::Files(files("customers/*.parquet"));
        let result = over(&inner).extract(&query, &ReadContext::fleeting("t"), &mut kept).await;
        assert_eq!(result.unwrap_err().message, "enough");
    });
}
