//! Mailchimp's calls.

use std::future::Future;

use reqwest::Method;
use serde_json::{Value as Json, json};

use super::errors::{self, VENDOR};
use super::fields::{self, Interest};
use crate::contract::{ConnectorError, Kind};
use crate::http::json::{list, text};
use crate::http::{Answer, HttpClient, Request, escaped};

/// Most elements of a page.
pub(super) const PAGE: usize = 1000;

/// Pages of batches that are looked at; beyond these others keep the account busy.
const BATCH_PAGES: usize = 20;

#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: HttpClient,
}

/// One list, and how it is written to.
#[derive(Debug, Clone)]
pub(super) struct List {
    pub(super) id: String,
    pub(super) skip_merge_validation: bool,
}

/// A page of members.
pub(super) struct Page {
    /// Their ids, and whether they are archived.
    pub(super) members: Vec<(String, bool)>,
    /// Members on all pages.
    pub(super) total: usize,
}

impl List {
    fn path(&self, rest: &str) -> String {
        format!("/lists/{}{rest}", self.id)
    }

    /// The path of a member by the hash of its address, below which `rest` stands.
    pub(super) fn member(&self, hash: &str, rest: &str) -> String {
        self.path(&format!("/members/{}{rest}", escaped(hash)))
    }

    fn query(&self) -> &'static str {
        if self.skip_merge_validation { "?skip_merge_validation=true" } else { "" }
    }
}

impl Client {
    /// The account's id.
    pub(super) async fn account(&self) -> Result<String, ConnectorError> {
        let body = self.get("/?fields=account_id".to_owned()).await?;
        text(&body, "account_id").ok_or_else(|| VENDOR.not_understood("the account has no `account_id`"))
    }

    /// Checks that a list is there.
    ///
    /// # Errors
    /// [`Kind::Config`] where it is not.
    pub(super) async fn list(&self, list: &List) -> Result<(), ConnectorError> {
        match self.get(list.path("?fields=id,name")).await {
            Ok(_) => Ok(()),
            Err(error) if errors::is_absent(&error) => Err(no_list(&list.id, error)),
            Err(error) => Err(error),
        }
    }

    /// The ids and names of the account's lists.
    pub(super) async fn lists(&self) -> Result<Vec<(String, String)>, ConnectorError> {
        let body = self.get(format!("/lists?count={PAGE}&fields=lists.id,lists.name")).await?;
        let named = |found: &Json| Some((text(found, "id")?, text(found, "name").unwrap_or_default()));
        Ok(list(&body, "lists").filter_map(named).collect())
    }

    /// The list's merge fields, as Mailchimp describes them.
    pub(super) async fn merge_fields(&self, list: &List) -> Result<Vec<Json>, ConnectorError> {
        let body = match self.get(list.path(&format!("/merge-fields?count={PAGE}"))).await {
            Err(error) if errors::is_absent(&error) => return Err(no_list(&list.id, error)),
            body => body?,
        };
        match body.get("merge_fields") {
            Some(Json::Array(found)) => Ok(found.clone()),
            _ => Err(VENDOR.not_understood("the list of merge fields has no `merge_fields`")),
        }
    }

    /// Creates a merge field; not repeated after a lost answer.
    pub(super) async fn create_merge_field(
        &self,
        to: &List,
        tag: &str,
        kind: &str,
    ) -> Result<Answer, ConnectorError> {
        let body = json!({"tag": tag, "name": tag, "type": kind, "required": false});
        self.http.send(&Request::write(to.path("/merge-fields"), body.to_string().into_bytes(), false)).await
    }

    /// The interests of all groups of a list.
    pub(super) async fn interests(&self, of: &List) -> Result<Vec<Interest>, ConnectorError> {
        let body = self.get(of.path(&format!("/interest-categories?count={PAGE}"))).await?;
        let mut found = Vec::new();
        for category in list(&body, "categories") {
            let Some(id) = text(category, "id") else { continue };
            let title = text(category, "title").unwrap_or_default();
            let path = of.path(&format!("/interest-categories/{}/interests?count={PAGE}", escaped(&id)));
            found.extend(fields::interests(&self.get(path).await?, &title));
        }
        Ok(found)
    }

    /// A page of the archived members, those changed first before the others.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] for an answer that does not say how many there are.
    pub(super) async fn archived(&self, of: &List, offset: usize) -> Result<Page, ConnectorError> {
        let fields = "members.id,members.status,total_items";
        let path = of.path(&format!(
            "/members?status=archived&sort_field=last_changed&sort_dir=ASC&fields={fields}&count={PAGE}&offset={offset}"
        ));
        let body = self.get(path).await?;
        let Some(Json::Array(members)) = body.get("members") else {
            return Err(VENDOR.not_understood("the list of members has no `members`"));
        };
        let total = body.get("total_items").and_then(Json::as_u64);
        let total = total
            .and_then(|total| usize::try_from(total).ok())
            .ok_or_else(|| VENDOR.not_understood("the list of members has no `total_items`"))?;
        let shown = |member: &Json| {
            let is_archived = text(member, "status").as_deref() == Some("archived");
            (text(member, "id").unwrap_or_default(), is_archived)
        };
        Ok(Page { members: members.iter().map(shown).collect(), total })
    }

    /// A member as Mailchimp shows it; `None` where there is none.
    pub(super) async fn member(&self, of: &List, hash: &str) -> Result<Option<Json>, ConnectorError> {
        match self.get(of.member(hash, "?fields=id,email_address,status")).await {
            Ok(member) => Ok(Some(member)),
            Err(error) if errors::is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of a member's tags.
    pub(super) async fn tags(&self, of: &List, hash: &str) -> Result<Vec<String>, ConnectorError> {
        let body = self.get(of.member(hash, &format!("/tags?count={PAGE}"))).await?;
        match body.get("tags") {
            Some(Json::Array(tags)) => Ok(tags.iter().filter_map(|tag| text(tag, "name")).collect()),
            _ => Err(VENDOR.not_understood("the list of tags has no `tags`")),
        }
    }

    /// Makes up to 500 members, or also changes them where the body asks for that; the answer names each.
    pub(super) async fn many(
        &self,
        to: &List,
        body: Vec<u8>,
        repeatable: bool,
    ) -> Result<Answer, ConnectorError> {
        self.http.send(&Request::write(to.path(to.query()), body, repeatable)).await
    }

    /// Makes or changes one member.
    pub(super) async fn put(&self, to: &List, hash: &str, body: Vec<u8>) -> Result<Answer, ConnectorError> {
        self.http.send(&Request::write(to.member(hash, to.query()), body, true).by(Method::PUT)).await
    }

    /// Changes one member; [`errors::is_absent`] where there is none.
    pub(super) async fn patch(&self, to: &List, hash: &str, body: Vec<u8>) -> Result<Answer, ConnectorError> {
        self.http.send(&Request::write(to.member(hash, to.query()), body, true).by(Method::PATCH)).await
    }

    /// Makes a member, or brings back one that is archived; any other that is there is refused.
    pub(super) async fn post(&self, to: &List, body: Vec<u8>) -> Result<Answer, ConnectorError> {
        self.http.send(&Request::write(to.path(&format!("/members{}", to.query())), body, true)).await
    }

    /// Puts tags on a member and takes them off.
    pub(super) async fn tag(&self, to: &List, hash: &str, body: Vec<u8>) -> Result<Answer, ConnectorError> {
        self.http.send(&Request::write(to.member(hash, "/tags"), body, true)).await
    }

    /// Archives a member.
    pub(super) async fn archive(&self, of: &List, hash: &str) -> Result<Answer, ConnectorError> {
        let request = Request::write(of.member(hash, ""), Vec::new(), true).by(Method::DELETE);
        self.http.send(&Request { body: None, ..request }).await
    }

    /// Removes a member for good.
    pub(super) async fn delete(&self, of: &List, hash: &str) -> Result<Answer, ConnectorError> {
        let request = Request::write(of.member(hash, "/actions/delete-permanent"), Vec::new(), true);
        self.http.send(&Request { body: None, ..request }).await
    }

    /// Starts a batch of operations and gives its id. It is not repeated after a lost answer: two at once could end in
    /// either order.
    pub(super) async fn start(&self, body: Vec<u8>) -> Result<String, ConnectorError> {
        let answer = self.http.send(&Request::write("/batches", body, false)).await?;
        answer.text("id").filter(|id| !id.is_empty()).map(str::to_owned).ok_or_else(|| {
            ConnectorError::new(Kind::Ambiguous, "Mailchimp took a batch, but its answer does not name it")
        })
    }

    /// A batch as Mailchimp shows it.
    pub(super) async fn batch(&self, id: &str) -> Result<Json, ConnectorError> {
        self.get(format!("/batches/{}", escaped(id))).await
    }

    /// The account's batches, as many as [`BATCH_PAGES`] have.
    pub(super) async fn batches(&self) -> Result<Vec<Json>, ConnectorError> {
        pages(|offset| async move {
            let fields = "batches.id,batches.status,batches.submitted_at";
            let body = self.get(format!("/batches?count={PAGE}&offset={offset}&fields={fields}")).await?;
            Ok::<Vec<Json>, ConnectorError>(list(&body, "batches").cloned().collect())
        })
        .await
    }

    async fn get(&self, path: String) -> Result<Json, ConnectorError> {
        self.http.send(&Request::get(path)).await?.json.ok_or_else(|| VENDOR.not_understood("it has no body"))
    }
}

/// All elements, page after page; none of a page beyond [`BATCH_PAGES`].
async fn pages<F, R>(ask: F) -> Result<Vec<Json>, ConnectorError>
where
    F: Fn(usize) -> R,
    R: Future<Output = Result<Vec<Json>, ConnectorError>>,
{
    let mut all = Vec::new();
    for page in 0..BATCH_PAGES {
        let found = ask(page * PAGE).await?;
        let is_last = found.len() < PAGE;
        all.extend(found);
        if is_last {
            break;
        }
    }
    Ok(all)
}

fn no_list(id: &str, error: ConnectorError) -> ConnectorError {
    let message = format!("Mailchimp has no list `{id}`: {}", error.message);
    ConnectorError { kind: Kind::Config, message, ..error }.hint(
        "check `destination.list`: Mailchimp shows a list's id in the audience's settings as \"Audience ID\"",
    )
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use super::*;

    #[tokio::test]
    async fn batches_are_read_beyond_the_first_page_and_not_for_ever() {
        for (count, asked, found) in [
            (0, 1, 0),
            (PAGE - 1, 1, PAGE - 1),
            (PAGE, 2, PAGE),
            (2 * PAGE + 500, 3, 2 * PAGE + 500),
            ((BATCH_PAGES + 5) * PAGE, BATCH_PAGES, BATCH_PAGES * PAGE),
        ] {
            let times = Cell::new(0);
            let all = pages(|offset| {
                times.set(times.get() + 1);
                ready(Ok((offset..count.min(offset + PAGE)).map(Json::from).collect::<Vec<Json>>()))
            });
            let all = all.await.unwrap();
            assert_eq!((times.get(), all.len()), (asked, found), "{count}");
            assert!(all.iter().enumerate().all(|(at, one)| *one == at), "{count}");
        }
    }
}
