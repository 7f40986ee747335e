//! Who is archived on a list. Archived members come back by whatever makes new ones (as recorded), and what they were
//! before is not told: one may have left the list. So an upsert looks before it writes, once in a session.
//!
//! Facts: `GET /lists/{id}/members` with `status`, `sort_field`, `count` and `offset`, and `total_items` in its answer;
//! that `status` can be `archived` stands in the vendor's pages alone, and whatever is shown with another status is
//! passed over.

use std::collections::HashSet;
use std::future::Future;

use tokio::sync::OnceCell;

use super::client::{Client, List, PAGE, Page};
use super::errors::VENDOR;
use crate::contract::{ConnectorError, Kind};

/// Looks at a list that changes meanwhile.
const LOOKS: usize = 5;

/// The ids of a list's archived members, 16 bytes each.
#[derive(Debug, Default)]
pub(super) struct Archived(OnceCell<HashSet<u128>>);

impl Archived {
    /// Whether the member with this hash is archived.
    ///
    /// # Errors
    /// Those of the first look.
    pub(super) async fn has(&self, client: &Client, list: &List, hash: &str) -> Result<bool, ConnectorError> {
        let all = self.0.get_or_try_init(|| look(move |offset| client.archived(list, offset))).await?;
        Ok(number(hash).is_some_and(|id| all.contains(&id)))
    }
}

fn number(hash: &str) -> Option<u128> {
    u128::from_str_radix(hash, 16).ok()
}

/// Goes through all pages until they fit together.
///
/// # Errors
/// [`Kind::Unavailable`] where they never do, or do not go on.
async fn look<F, R>(page: F) -> Result<HashSet<u128>, ConnectorError>
where
    F: Fn(usize) -> R,
    R: Future<Output = Result<Page, ConnectorError>>,
{
    for _ in 0..LOOKS {
        if let Some(all) = through(&page).await? {
            tracing::debug!(archived = all.len(), "archived members looked at");
            return Ok(all);
        }
    }
    let message = format!("Mailchimp's list of archived members changed {LOOKS} times while it was read");
    Err(ConnectorError::new(Kind::Unavailable, message).hint(
        "run again when the list is at rest, or set `restore_archived: true` if all of them shall come back",
    ))
}

/// Once through all pages; `None` where the list changed meanwhile. Each page begins with the last member of the one
/// before, so that nobody is missed who moves up past its end; and all members are as many as each page says.
async fn through<F, R>(page: &F) -> Result<Option<HashSet<u128>>, ConnectorError>
where
    F: Fn(usize) -> R,
    R: Future<Output = Result<Page, ConnectorError>>,
{
    let (mut seen, mut archived) = (HashSet::new(), HashSet::new());
    let (mut offset, mut first_total) = (0, None);
    loop {
        let Page { members, total } = page(offset).await?;
        if *first_total.get_or_insert(total) != total {
            return Ok(None);
        }
        if members.len() < PAGE.min(total.saturating_sub(offset)) {
            return Err(VENDOR.not_understood("a page of members ends before the list does"));
        }
        let before = seen.len();
        for (position, (id, is_archived)) in members.iter().enumerate() {
            let Some(id) = number(id) else {
                return Err(VENDOR.not_understood("a member has no id"));
            };
            if seen.insert(id) && position == 0 && offset > 0 {
                return Ok(None);
            }
            if *is_archived {
                archived.insert(id);
            }
        }
        if offset + PAGE >= total {
            return Ok((seen.len() == total).then_some(archived));
        }
        if seen.len() == before {
            return Err(VENDOR.not_understood("a page of members shows those of the page before"));
        }
        offset += PAGE - 1;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use super::*;

    /// The members with these numbers, from a place on.
    fn shown(all: &[u128], offset: usize) -> Page {
        let members = all.iter().skip(offset).take(PAGE).map(|id| (format!("{id:032x}"), true)).collect();
        Page { members, total: all.len() }
    }

    fn members(count: usize) -> Vec<u128> {
        (0..count as u128).collect()
    }

    #[tokio::test]
    async fn all_pages_are_read_and_no_more() {
        for (count, pages) in [(0, 1), (1, 1), (PAGE, 1), (PAGE + 1, 2), (2 * PAGE - 1, 2), (2 * PAGE, 3)] {
            let (all, asked) = (members(count), Cell::new(0));
            let found = look(|offset| {
                asked.set(asked.get() + 1);
                ready(Ok(shown(&all, offset)))
            });
            assert_eq!(found.await.unwrap(), all.iter().copied().collect::<HashSet<_>>(), "{count}");
            assert_eq!(asked.get(), pages, "{count}");
        }
    }

    #[tokio::test]
    async fn who_has_another_status_is_passed_over() {
        let found = look(|_| {
            let members = vec![(format!("{:032x}", 7), true), (format!("{:032x}", 8), false)];
            ready(Ok(Page { members, total: 2 }))
        });
        assert_eq!(found.await.unwrap(), HashSet::from([7]));
    }

    #[tokio::test]
    async fn nobody_is_missed_who_moves_between_two_pages() {
        let before = members(2 * PAGE);
        // One of the first page goes: all others move up, across the end of that page. In the second case another is
        // archived at the same time, so that there are as many as before.
        for more in [None, Some(999_999)] {
            let after: Vec<u128> = before[1..].iter().copied().chain(more).collect();
            let asked = Cell::new(0);
            let found = look(|offset| {
                asked.set(asked.get() + 1);
                ready(Ok(shown(if asked.get() == 1 { &before } else { &after }, offset)))
            });
            let found = found.await.unwrap();
            assert!(after.iter().all(|id| found.contains(id)), "{more:?}: {} of them", found.len());
        }
    }

    #[tokio::test]
    async fn a_list_that_never_rests_and_one_without_pages_are_errors() {
        let asked = Cell::new(0);
        let restless = look(|offset| {
            asked.set(asked.get() + 1);
            ready(Ok(shown(&members(PAGE + asked.get()), offset)))
        });
        let error = restless.await.unwrap_err();
        assert_eq!((error.kind, asked.get()), (Kind::Unavailable, 2 * LOOKS), "{error:?}");

        // The place is not heeded, and a page is cut off.
        let (all, asked) = (members(3 * PAGE), Cell::new(0));
        let stuck = look(|_| {
            asked.set(asked.get() + 1);
            ready(Ok(shown(&all, 0)))
        });
        let error = stuck.await.unwrap_err();
        assert_eq!((error.kind, asked.get()), (Kind::Unavailable, 2), "{error:?}");
        let cut = look(|offset| {
            let Page { mut members, total } = shown(&all, offset);
            members.pop();
            ready(Ok(Page { members, total }))
        });
        assert_eq!(cut.await.unwrap_err().kind, Kind::Unavailable);
    }
}
