mod answers;
mod config;
mod server;
mod values;

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::CONNECTOR;
use crate::contract::{ConnectorError, Query, ReadContext, Schema, Source};
use crate::registry::{Limits, Settings};

fn settings(values: Json, base_url: Option<&str>) -> Settings {
    Settings {
        connection: "wh".to_owned(),
        values: values.as_object().unwrap().clone(),
        base_url: base_url.map(str::to_owned),
        sandbox: false,
        limits: Limits::default(),
        environment: Default::default(),
    }
}

/// The usual settings, with these in place of some or beside them.
fn with(changes: Json) -> Json {
    let mut values = json!({"account": "org-acct", "user": "reader", "password": "secret"});
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Json::Null => values.as_object_mut().unwrap().remove(name),
            value => values.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    values
}

fn open(values: Json, base_url: Option<&str>) -> Result<Arc<dyn Source>, ConnectorError> {
    (CONNECTOR.source.unwrap())(&settings(values, base_url))
}

async fn shape(source: &dyn Source, sql: &str) -> Result<Arc<Schema>, ConnectorError> {
    source.shape(&Query::Sql(sql.to_owned())).await
}

fn context() -> ReadContext {
    ReadContext::fleeting("contacts")
}
