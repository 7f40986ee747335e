//! What of a dbt project outflow uses, in dbt's own words (<https://docs.getdbt.com/docs/build/exposures>): so that dbt's
//! documentation and `dbt build --select +exposure:NAME` know of it.

use crate::project::{Project, Sync};

/// An exposures file of those of the syncs at these positions that read from dbt; `None` where none does.
pub fn exposures(project: &Project, selected: &[usize]) -> Option<String> {
    let syncs = selected.iter().filter_map(|index| project.syncs.get(*index));
    let entries: Vec<String> = syncs.filter_map(|sync| entry(project, sync)).collect();
    if entries.is_empty() {
        return None;
    }
    let head =
        "# Written by `outflow dbt exposures`; another call writes it anew.\nversion: 2\n\nexposures:\n";
    Some(head.to_owned() + &entries.join("\n"))
}

fn entry(project: &Project, sync: &Sync) -> Option<String> {
    let dbt = sync.source.dbt.as_ref()?;
    let reference = match &dbt.source {
        Some(source) => format!("source({}, {})", single(source), single(&dbt.name)),
        None => {
            let version = dbt.version.as_ref().map_or_else(String::new, |version| format!(", v={version}"));
            format!("ref({}, {}{version})", single(&dbt.package), single(&dbt.name))
        }
    };
    let destination = &sync.destination;
    let title = project.connections.get(&destination.connection).map_or("", |c| c.connector.title);
    let description = format!(
        "Brought to {title} ({}) as `{}`, {}, by the sync `{}` of outflow.",
        destination.connection,
        destination.object,
        serde_json::to_value(sync.mode).ok()?.as_str()?,
        sync.name
    );
    let owner = sync.owner.clone().unwrap_or_else(|| project.name.clone());
    let key = if owner.contains('@') && !owner.starts_with('@') { "email" } else { "name" };
    Some(format!(
        "  - name: {}\n    label: {}\n    type: application\n    description: {}\n    depends_on:\n      - {reference}\n    owner:\n      {key}: {}\n",
        exposure_name(project, &sync.name),
        quoted(&format!("outflow: {}", sync.name)),
        quoted(&description),
        quoted(&owner),
    ))
}

/// Letters, digits and underscores alone; two syncs that would share a name are told apart.
fn exposure_name(project: &Project, sync: &str) -> String {
    let name = plain_name(sync);
    let earlier = project.syncs.iter().take_while(|other| other.name != sync);
    let same = earlier.filter(|other| other.source.dbt.is_some() && plain_name(&other.name) == name).count();
    if same == 0 { name } else { format!("{name}_{}", same + 1) }
}

fn plain_name(sync: &str) -> String {
    let plain = sync.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_");
    format!("outflow_{plain}")
}

/// A JSON string is one of YAML as well.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', ""))
}
