//! The pages of a row group, read and unpacked once, and looked at by several readers, each of which takes its own rows of
//! them. A page is in memory until the last reader is past it.

use std::collections::VecDeque;
use std::iter;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use parquet::arrow::arrow_reader::RowGroups;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::SerializedPageReader;

use super::chunks::Chunks;

/// One row group, shared by its readers.
pub(super) struct Pages {
    file: Arc<Chunks>,
    metadata: Arc<ParquetMetaData>,
    group: usize,
    /// Leaves that are read, by their place in the schema.
    leaves: Vec<usize>,
    /// One for each leaf of the schema.
    columns: Vec<Mutex<Column>>,
    /// How many read it.
    readers: usize,
    /// Leaves whose first pages somebody is at.
    begun: AtomicUsize,
}

/// Pages of one column chunk that not all readers have had.
#[derive(Default)]
struct Column {
    source: Option<SerializedPageReader<Chunks>>,
    /// Number of the first of them.
    first: usize,
    /// With how many readers have had each.
    pages: VecDeque<(Page, usize)>,
    /// Values that the pages to come may have; none where a row may have any number of them.
    left: Option<usize>,
    /// Said to every reader: what follows cannot be read.
    failure: Option<String>,
}

impl Pages {
    pub(super) fn of(
        (file, metadata): (&Arc<Chunks>, &Arc<ParquetMetaData>),
        group: usize,
        (leaves, readers): (&[usize], usize),
    ) -> Self {
        let columns = metadata.row_group(group).columns().iter().map(|_| Mutex::default()).collect();
        Pages {
            file: file.clone(),
            metadata: metadata.clone(),
            group,
            leaves: leaves.to_vec(),
            columns,
            readers,
            begun: AtomicUsize::new(0),
        }
    }

    /// Unpacks the first pages of columns that no other reader is at; with all readers about it at once, none waits long for
    /// another.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub(super) fn begin(&self) -> Result<()> {
        while let Some(leaf) = self.leaves.get(self.begun.fetch_add(1, Ordering::Relaxed)) {
            self.column(*leaf, |column| match column.page(0)? {
                Some(Page::DictionaryPage { .. }) => column.page(1).map(|_| ()),
                _ => Ok(()),
            })?;
        }
        Ok(())
    }

    fn column<T>(&self, leaf: usize, work: impl FnOnce(&mut Column) -> Result<T>) -> Result<T> {
        let column = self.columns.get(leaf).ok_or_else(|| damaged("has no such column"))?;
        // The decoder panicked, and was caught, amid this chunk.
        let mut column =
            column.lock().map_err(|_| damaged("is damaged in a way that the decoder does not survive"))?;
        if column.source.is_none() {
            let group = self.metadata.row_group(self.group);
            let (chunk, rows) = (group.column(leaf), usize::try_from(group.num_rows()).unwrap_or(0));
            column.source = Some(SerializedPageReader::new(self.file.clone(), chunk, rows, None)?);
            column.left = (chunk.column_descr().max_rep_level() == 0).then_some(rows);
        }
        work(&mut column)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.file.leave(self.group);
    }
}

fn damaged(what: &str) -> ParquetError {
    ParquetError::General(format!("a column {what}"))
}

impl Column {
    /// The page of this number, while somebody wants it; none behind the last.
    fn page(&mut self, number: usize) -> Result<Option<&Page>> {
        Ok(self.load(number)?.then(|| &self.pages[number - self.first].0))
    }

    /// Whether there is such a page.
    fn load(&mut self, number: usize) -> Result<bool> {
        while self.first + self.pages.len() <= number {
            if let Some(failure) = &self.failure {
                return Err(ParquetError::General(failure.clone()));
            }
            let Some(source) = &mut self.source else { return Ok(false) };
            match source.get_next_page() {
                Ok(Some(page)) if self.fits(&page) => self.pages.push_back((page, 0)),
                Ok(Some(_)) => self.failure = Some("a column has more values than rows".to_owned()),
                Ok(None) => return Ok(false),
                Err(error) => self.failure = Some(error.to_string()),
            }
        }
        Ok(true)
    }

    /// Whether there are rows for its values. Who passes over a page goes by the number that it gives: one too large would
    /// shift all values behind it.
    fn fits(&mut self, page: &Page) -> bool {
        let Some(left) = self.left.as_mut().filter(|_| page.is_data_page()) else { return true };
        let rest = left.checked_sub(page.num_values() as usize);
        *left = rest.unwrap_or(0);
        rest.is_some()
    }

    /// Gives the page to one of so many readers, and lets go of those that all have had.
    fn take(&mut self, number: usize, readers: usize) -> Result<Option<Page>> {
        if !self.load(number)? {
            return Ok(None);
        }
        let (page, had) = &mut self.pages[number - self.first];
        *had += 1;
        let page = page.clone();
        while self.pages.front().is_some_and(|(_, had)| *had == readers) {
            self.pages.pop_front();
            self.first += 1;
        }
        Ok(Some(page))
    }
}

/// One reader's way through a row group.
pub(super) struct View(pub Arc<Pages>);

impl RowGroups for View {
    fn num_rows(&self) -> usize {
        usize::try_from(self.0.metadata.row_group(self.0.group).num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        let pages = ColumnPages { pages: self.0.clone(), leaf, next: 0 };
        Ok(Box::new(Once(iter::once(Ok(Box::new(pages))))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(iter::once(self.0.metadata.row_group(self.0.group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.0.metadata
    }
}

/// The one chunk that a column has in a row group.
struct Once(iter::Once<Result<Box<dyn PageReader>>>);

impl Iterator for Once {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl PageIterator for Once {}

/// One reader's way through a column chunk.
struct ColumnPages {
    pages: Arc<Pages>,
    leaf: usize,
    /// Number of the page that comes next.
    next: usize,
}

impl PageReader for ColumnPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.column(self.leaf, |column| column.take(self.next, self.pages.readers))?;
        self.next += usize::from(page.is_some());
        Ok(page)
    }

    /// Reads it: another reader will want it, if this one does not. How many rows a page says it has is not passed on: who
    /// reads it counts them, so who passes over it shall, too.
    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.column(self.leaf, |column| {
            Ok(column.page(self.next)?.map(|page| PageMetadata {
                num_rows: None,
                num_levels: page.is_data_page().then_some(page.num_values() as usize),
                is_dict: page.is_dictionary_page(),
            }))
        })
    }

    /// Pages of version 1 may begin amid a row.
    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.column(self.leaf, |column| {
            Ok(matches!(column.page(self.next)?, None | Some(Page::DataPageV2 { .. })))
        })
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.get_next_page().map(|_| ())
    }
}

impl Iterator for ColumnPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
