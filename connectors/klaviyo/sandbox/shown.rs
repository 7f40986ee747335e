//! Resources as answers show them.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::profiles::{ATTRIBUTES, OWN};
use crate::sandbox::Object;
use crate::sandbox::vendor::{Answer, Request};

const BASE: &str = "https://a.klaviyo.com/api";

pub(super) fn account() -> Answer {
    let attributes = json!({
        "test_account": true, "timezone": "UTC", "locale": "en-US", "industry": null,
        "preferred_currency": "USD", "public_api_key": "SANDBX",
        "contact_information": {
            "default_sender_name": "Sandbox", "default_sender_email": "owner@sandbox.example",
            "organization_name": "Sandbox", "website_url": null,
            "street_address": {
                "address1": null, "address2": null, "city": null, "region": null, "country": null, "zip": null,
            },
        },
    });
    let links = json!({"self": format!("{BASE}/accounts/SANDBX")});
    let account = json!({"type": "account", "id": "SANDBX", "attributes": attributes, "links": links});
    let links = json!({"self": format!("{BASE}/accounts")});
    Answer::new(StatusCode::OK, json!({"data": [account], "links": links}))
}

/// A profile; what is kept flat is nested again.
pub(super) fn profile(object: &Object) -> Json {
    let mut attributes = Map::new();
    for name in ATTRIBUTES {
        attributes.insert(name.to_owned(), object.properties.get(name).cloned().unwrap_or_default());
    }
    let (mut location, mut properties) = (Map::new(), Map::new());
    for (name, value) in &object.properties {
        if let Some(part) = name.strip_prefix("location.") {
            location.insert(part.to_owned(), value.clone());
        } else if !ATTRIBUTES.contains(&name.as_str()) && !OWN.contains(&name.as_str()) {
            properties.insert(name.clone(), value.clone());
        }
    }
    attributes.insert("location".to_owned(), location.into());
    attributes.insert("properties".to_owned(), properties.into());
    attributes.insert("created".to_owned(), object.created_at.clone().into());
    attributes.insert("updated".to_owned(), object.updated_at.clone().into());
    let links = json!({"self": format!("{BASE}/profiles/{}", object.id)});
    json!({"type": "profile", "id": object.id, "attributes": attributes, "links": links})
}

/// What a profile has agreed to, where a question asks for it.
pub(super) fn subscriptions(object: &Object) -> Json {
    let has = |channel: &str| {
        let words = object.properties.get("subscribed").and_then(Json::as_array);
        words.is_some_and(|words| words.iter().any(|word| word == channel))
    };
    let consent = |channel: &str| if has(channel) { "SUBSCRIBED" } else { "NEVER_SUBSCRIBED" };
    let receives = !object.properties.contains_key("suppressed");
    let suppression = match receives {
        true => json!([]),
        false => json!([{"reason": "USER_SUPPRESSED", "timestamp": object.updated_at}]),
    };
    json!({
        "email": {"marketing": {
            "can_receive_email_marketing": receives, "consent": consent("email"), "suppression": suppression,
            "list_suppressions": [],
        }},
        "sms": {"marketing": {"can_receive_sms_marketing": has("sms"), "consent": consent("sms")}},
    })
}

pub(super) fn suppression(object: &Object) -> Json {
    let mut attributes = object.properties.clone();
    attributes.insert("created_at".to_owned(), object.created_at.clone().into());
    let links = json!({"self": format!("{BASE}/profile-suppression-bulk-create-jobs/{}", object.id)});
    json!({"type": "profile-suppression-bulk-create-job", "id": object.id, "attributes": attributes, "links": links})
}

pub(super) fn job(object: &Object) -> Json {
    let mut attributes = object.properties.clone();
    attributes.retain(|name, _| !matches!(name.as_str(), "asked" | "profiles" | "list" | "errors"));
    attributes.insert("created_at".to_owned(), object.created_at.clone().into());
    let links = json!({"self": format!("{BASE}/profile-bulk-import-jobs/{}", object.id)});
    json!({"type": "profile-bulk-import-job", "id": object.id, "attributes": attributes, "links": links})
}

/// A page of these, as `page[size]` and `page[cursor]` ask for it.
pub(super) fn page(request: &Request, all: Vec<Json>) -> Answer {
    let size = request.query("page[size]").map_or(Some(20), |size| size.parse::<usize>().ok());
    let Some(size @ 1..=100) = size else {
        return super::invalid("page[size] must be 1 to 100", "/");
    };
    let from =
        request.query("page[cursor]").map_or(Some(0), |cursor| cursor.strip_prefix("at")?.parse().ok());
    let Some(from) = from else { return super::invalid("page[cursor] is not known", "/") };
    let count = all.len();
    let data: Vec<Json> = all.into_iter().skip(from).take(size).collect();
    let address = format!("{BASE}{}", request.path.trim_start_matches("/api"));
    let mut links = json!({"self": address});
    if from + size < count {
        links["next"] = format!("{address}?page%5Bcursor%5D=at{}&page%5Bsize%5D={size}", from + size).into();
    }
    Answer::new(StatusCode::OK, json!({"data": data, "links": links}))
}
