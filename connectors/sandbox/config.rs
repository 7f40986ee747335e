//! What the emulated accounts hold, allow and break: the `sandbox:` block of a connection.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::faults::FaultSpec;
use super::keys::{known_keys, list, object};
use super::{limits, vendor};
use crate::contract::RateLimit;
use crate::nearest::did_you_mean;

#[cfg(test)]
mod tests;

/// The type a property is declared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyType {
    /// Any text.
    String,
    /// A decimal number.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A day.
    Date,
    /// An instant.
    DateTime,
    /// One of the declared options, or several.
    Enum,
    /// Any JSON value.
    Json,
}

/// The words of a `type`, in the order shown to the user.
const TYPES: [(&str, PropertyType); 9] = [
    ("string", PropertyType::String),
    ("number", PropertyType::Number),
    ("integer", PropertyType::Integer),
    ("boolean", PropertyType::Boolean),
    ("bool", PropertyType::Boolean),
    ("date", PropertyType::Date),
    ("datetime", PropertyType::DateTime),
    ("enum", PropertyType::Enum),
    ("json", PropertyType::Json),
];

/// One declared property: `number`, `{enum: [A, B]}` or `{type: string, unique: true}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertySpec {
    /// What its values must be.
    pub kind: PropertyType,
    /// The allowed values of an enumeration.
    pub options: Vec<String>,
    /// Several values of the enumeration can be chosen.
    pub multiple: bool,
    /// No two objects may have the same value; it can be matched on.
    pub unique: bool,
    /// Values are refused.
    pub read_only: bool,
    /// An object cannot be created without it.
    pub required: bool,
    /// Values refused by a rule of the account that its catalogue does not show, as an administrator's validation rule
    /// would: this is how to try a row that only the destination can refuse.
    pub refuse: Vec<String>,
}

impl PropertySpec {
    /// One of this type that takes every value of it.
    pub fn new(kind: PropertyType) -> Self {
        PropertySpec {
            kind,
            options: Vec::new(),
            multiple: false,
            unique: false,
            read_only: false,
            required: false,
            refuse: Vec::new(),
        }
    }
}

/// Properties by name, of objects by name.
pub type Objects = BTreeMap<String, BTreeMap<String, PropertySpec>>;

/// The limits of one emulated account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitsSpec {
    /// The exact rolling window; unset means the vendor's usual one.
    pub requests: Option<RateLimit>,
    /// Requests in a day (UTC); unset means the vendor's usual number.
    pub daily_calls: Option<u64>,
}

/// One vendor's emulated account.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VendorConfig {
    /// Its properties, beside those that the vendor's objects have anyway.
    pub objects: Objects,
    /// What it allows.
    pub limits: LimitsSpec,
    /// What goes wrong on purpose.
    pub faults: Vec<FaultSpec>,
    /// The vendor's own keys, judged by its emulator.
    pub own: Map<String, Json>,
}

impl VendorConfig {
    /// The number of one of the vendor's own keys, where it is declared.
    ///
    /// # Errors
    /// For anything else than a whole number that is not negative.
    pub fn number(&self, key: &str) -> Result<Option<u64>, String> {
        let wrong = || format!("`{key}` must be a whole number, not negative");
        self.own.get(key).map(|number| number.as_u64().ok_or_else(wrong)).transpose()
    }
}

/// What all emulated accounts declare, by vendor.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SandboxConfig {
    vendors: BTreeMap<String, VendorConfig>,
}

impl SandboxConfig {
    /// The file of `outflow sandbox serve --config`: one block per vendor (`hubspot: {objects: ...}`), or one block
    /// (`objects: ...`) for all of them, in which a key that only some vendors have is theirs alone. A vendor that cannot hold
    /// what such a block declares has nothing of it, unless a key of the block is that vendor's alone.
    ///
    /// # Errors
    /// A sentence that names the place in the file.
    pub fn from_json(file: &Json) -> Result<Self, String> {
        let entries = object(file, "the file")?;
        let mut config = Self::default();
        if entries.keys().any(|key| BLOCK_KEYS.contains(&key.as_str())) {
            config.add_to_all(entries)?;
            return Ok(config);
        }
        for (vendor, block) in entries {
            config.add(vendor, block).map_err(|error| format!("`{vendor}`: {error}"))?;
        }
        Ok(config)
    }

    /// What is declared for all vendors is no part of an account that cannot hold it; its limits and faults are.
    fn add_to_all(&mut self, block: &Map<String, Json>) -> Result<(), String> {
        for vendor in vendor::names() {
            self.add(vendor, &vendor::part(vendor, block))?;
            let Err(why) = vendor::make(vendor, &self.vendor(vendor)) else { continue };
            if vendor::is_meant(vendor, block) {
                return Err(format!("`{vendor}`: {why}"));
            }
            tracing::info!("the emulated {vendor} has none of the objects that are declared for all: {why}");
            if let Some(account) = self.vendors.get_mut(vendor) {
                (account.objects, account.own) = Default::default();
            }
        }
        Ok(())
    }

    /// Adds a connection's `sandbox:` block to the vendor's account; several connections may declare one account as
    /// long as they do not contradict each other. A `null` block declares nothing.
    ///
    /// # Errors
    /// A sentence that names the key at fault.
    pub fn add(&mut self, vendor: &str, block: &Json) -> Result<(), String> {
        let Some(emulator) = vendor::get(vendor) else {
            let known: Vec<_> = vendor::names().collect();
            let hint = did_you_mean(vendor, known.iter().copied());
            let hint = hint.unwrap_or_else(|| format!("it emulates {}", list(&known)));
            return Err(format!("the sandbox has no `{vendor}`; {hint}"));
        };
        if block.is_null() {
            return Ok(());
        }
        let added = parse_block(block, emulator.keys)?;
        let config = self.vendors.entry(vendor.to_owned()).or_default();
        for (object, properties) in added.objects {
            let known = config.objects.entry(object.clone()).or_default();
            for (name, spec) in properties {
                if known.get(&name).is_some_and(|earlier| *earlier != spec) {
                    return Err(format!("`objects.{object}.{name}` is declared twice, and differently"));
                }
                known.insert(name, spec);
            }
        }
        agree(&mut config.limits.requests, added.limits.requests, "limits.requests")?;
        agree(&mut config.limits.daily_calls, added.limits.daily_calls, "limits.daily_calls")?;
        config.faults.extend(added.faults);
        for (key, value) in added.own {
            if config.own.get(&key).is_some_and(|earlier| *earlier != value) {
                return Err(format!("`{key}` is set twice, and differently"));
            }
            config.own.insert(key, value);
        }
        Ok(())
    }

    pub(crate) fn vendor(&self, name: &str) -> VendorConfig {
        self.vendors.get(name).cloned().unwrap_or_default()
    }
}

fn agree<T: PartialEq>(known: &mut Option<T>, added: Option<T>, key: &str) -> Result<(), String> {
    match (&known, &added) {
        (Some(a), Some(b)) if a != b => Err(format!("`{key}` is set twice, and differently")),
        (_, Some(_)) => {
            *known = added;
            Ok(())
        }
        _ => Ok(()),
    }
}

const BLOCK_KEYS: [&str; 3] = ["objects", "limits", "faults"];

fn parse_block(block: &Json, own: &[&str]) -> Result<VendorConfig, String> {
    let entries = object(block, "the `sandbox` block")?;
    known_keys(entries, &[&BLOCK_KEYS, own].concat(), "")?;
    let is_own = |(key, _): &(&String, &Json)| own.contains(&key.as_str());
    let own = entries.iter().filter(is_own).map(|(key, value)| (key.clone(), value.clone())).collect();
    let mut config = VendorConfig { own, ..VendorConfig::default() };
    if let Some(objects) = entries.get("objects") {
        for (name, properties) in object(objects, "`objects`")? {
            let place = format!("objects.{name}");
            let declared = config.objects.entry(name.clone()).or_default();
            for (property, spec) in object(properties, &format!("`{place}`"))? {
                declared.insert(property.clone(), parse_property(spec, &format!("{place}.{property}"))?);
            }
        }
    }
    if let Some(limits) = entries.get("limits") {
        config.limits = parse_limits(limits)?;
    }
    if let Some(faults) = entries.get("faults") {
        let Json::Array(faults) = faults else { return Err("`faults` must be a list".into()) };
        for (at, fault) in faults.iter().enumerate() {
            config.faults.push(FaultSpec::parse(fault, &format!("faults[{at}]"))?);
        }
    }
    Ok(config)
}

fn parse_property(spec: &Json, place: &str) -> Result<PropertySpec, String> {
    let entries = match spec {
        Json::String(word) => return Ok(PropertySpec::new(parse_type(word, place)?)),
        Json::Object(entries) => entries,
        _ => return Err(format!("`{place}` must be a type (`number`) or a block (`{{type: number}}`)")),
    };
    known_keys(
        entries,
        &["type", "enum", "multiple", "unique", "read_only", "required", "refuse"],
        &format!("{place}."),
    )?;
    let options = match entries.get("enum") {
        Some(values) => texts(values, &format!("{place}.enum"))?,
        None => Vec::new(),
    };
    let kind = match entries.get("type") {
        Some(Json::String(word)) => parse_type(word, place)?,
        Some(_) => return Err(format!("`{place}.type` must be text")),
        None if options.is_empty() => PropertyType::String,
        None => PropertyType::Enum,
    };
    if (kind == PropertyType::Enum) == options.is_empty() {
        return Err(format!(
            "`{place}` needs both or neither of the type `enum` and a list of values under `enum`"
        ));
    }
    let flag = |name: &str| match entries.get(name) {
        None => Ok(false),
        Some(Json::Bool(set)) => Ok(*set),
        Some(_) => Err(format!("`{place}.{name}` must be `true` or `false`")),
    };
    let refuse = match entries.get("refuse") {
        None => Vec::new(),
        Some(one @ Json::String(_)) => texts(&Json::Array(vec![one.clone()]), place)?,
        Some(values) => texts(values, &format!("{place}.refuse"))?,
    };
    Ok(PropertySpec {
        kind,
        options,
        multiple: flag("multiple")?,
        unique: flag("unique")?,
        read_only: flag("read_only")?,
        required: flag("required")?,
        refuse,
    })
}

fn parse_type(word: &str, place: &str) -> Result<PropertyType, String> {
    if word == "enum" {
        // A bare word cannot list the values; the block form reports what is missing.
        return Ok(PropertyType::Enum);
    }
    TYPES.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind).ok_or_else(|| {
        let known: Vec<_> = TYPES.iter().map(|(name, _)| *name).collect();
        format!("`{place}` has the unknown type `{word}`; known are {}", list(&known))
    })
}

fn texts(values: &Json, place: &str) -> Result<Vec<String>, String> {
    let Json::Array(values) = values else { return Err(format!("`{place}` must be a list")) };
    values
        .iter()
        .map(|value| match value {
            Json::String(text) => Ok(text.clone()),
            Json::Number(_) | Json::Bool(_) => Ok(value.to_string()),
            _ => Err(format!("`{place}` must be a list of texts")),
        })
        .collect()
}

fn parse_limits(limits: &Json) -> Result<LimitsSpec, String> {
    let entries = object(limits, "`limits`")?;
    known_keys(entries, &["requests", "daily_calls"], "limits.")?;
    let requests = match entries.get("requests") {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(limits::parse_rate(text)?),
        Some(_) => return Err(limits::rate_message("")),
    };
    let daily_calls = match entries.get("daily_calls") {
        None | Some(Json::Null) => None,
        Some(number) => {
            Some(number.as_u64().ok_or("`limits.daily_calls` must be a whole number, not negative")?)
        }
    };
    Ok(LimitsSpec { requests, daily_calls })
}
