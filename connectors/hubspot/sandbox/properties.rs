//! The objects of the emulated portal and their properties: HubSpot's default ones, and those the sandbox's
//! configuration declares.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::sandbox::{Objects, PropertySpec, PropertyType};

/// What a property's values must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Email,
    Number,
    Integer,
    Bool,
    Date,
    DateTime,
    Enumeration,
    Json,
}

#[derive(Debug, Clone)]
pub(super) struct Property {
    pub kind: Kind,
    pub options: Vec<String>,
    pub multiple: bool,
    pub unique: bool,
    pub read_only: bool,
    pub required: bool,
    /// Values that a rule of the account refuses, unseen in the catalogue.
    pub refuse: Vec<String>,
    defined_by_hubspot: bool,
}

/// One type of object.
#[derive(Debug, Clone)]
pub(super) struct ObjectType {
    /// The plural name, under which objects are kept and shown.
    pub name: String,
    /// As error messages write it.
    pub label: String,
    pub created_property: &'static str,
    pub modified_property: &'static str,
    /// What a read returns when it names no properties.
    pub default_properties: &'static [&'static str],
    pub properties: BTreeMap<String, Property>,
}

struct Standard {
    name: &'static str,
    singular: &'static str,
    type_id: &'static str,
    modified: &'static str,
    defaults: &'static [&'static str],
    /// Space-separated names by type.
    text: &'static str,
    number: &'static str,
    datetime: &'static str,
    bool: &'static str,
    /// Name, allowed values; a `*` before the name allows several at once.
    enumerations: &'static [(&'static str, &'static str)],
}

const LIFECYCLE: &str =
    "subscriber lead marketingqualifiedlead salesqualifiedlead opportunity customer evangelist other";

const STANDARD: [Standard; 5] = [
    Standard {
        name: "contacts",
        singular: "contact",
        type_id: "0-1",
        modified: "lastmodifieddate",
        defaults: &["email", "firstname", "lastname"],
        text: "firstname lastname phone mobilephone fax company website address city state zip country jobtitle \
               salutation industry annualrevenue date_of_birth gender degree school message twitterhandle work_email",
        number: "total_revenue",
        datetime: "closedate",
        bool: "hs_email_optout",
        enumerations: &[
            ("lifecyclestage", LIFECYCLE),
            (
                "hs_lead_status",
                "NEW OPEN IN_PROGRESS OPEN_DEAL UNQUALIFIED ATTEMPTED_TO_CONTACT CONNECTED BAD_TIMING",
            ),
            ("numemployees", "1-5 5-25 25-50 50-100 100-500 500-1000 1000+"),
            (
                "*hs_buying_role",
                "BLOCKER BUDGET_HOLDER CHAMPION DECISION_MAKER END_USER EXECUTIVE_SPONSOR INFLUENCER OTHER",
            ),
        ],
    },
    Standard {
        name: "companies",
        singular: "company",
        type_id: "0-2",
        modified: "hs_lastmodifieddate",
        defaults: &["domain", "name"],
        text: "name domain website phone address address2 city state zip country description about_us founded_year \
               timezone linkedin_company_page twitterhandle",
        number: "numberofemployees annualrevenue facebookfans total_money_raised",
        datetime: "closedate",
        bool: "is_public",
        enumerations: &[
            ("lifecyclestage", LIFECYCLE),
            ("type", "PROSPECT PARTNER RESELLER VENDOR OTHER"),
            (
                "industry",
                "ACCOUNTING AIRLINES_AVIATION APPAREL_FASHION AUTOMOTIVE BANKING BIOTECHNOLOGY BROADCAST_MEDIA \
                 BUILDING_MATERIALS CHEMICALS COMPUTER_HARDWARE COMPUTER_NETWORKING COMPUTER_SOFTWARE CONSTRUCTION \
                 CONSUMER_ELECTRONICS CONSUMER_GOODS CONSUMER_SERVICES DESIGN EDUCATION_MANAGEMENT E_LEARNING \
                 ENTERTAINMENT FINANCIAL_SERVICES FOOD_BEVERAGES FURNITURE GOVERNMENT_ADMINISTRATION \
                 HEALTH_WELLNESS_AND_FITNESS HIGHER_EDUCATION HOSPITAL_HEALTH_CARE HOSPITALITY HUMAN_RESOURCES \
                 INDUSTRIAL_AUTOMATION INFORMATION_TECHNOLOGY_AND_SERVICES INSURANCE INTERNET LAW_PRACTICE \
                 LEISURE_TRAVEL_TOURISM LOGISTICS_AND_SUPPLY_CHAIN MACHINERY MANAGEMENT_CONSULTING \
                 MARKETING_AND_ADVERTISING MEDIA_PRODUCTION MUSIC NON_PROFIT_ORGANIZATION_MANAGEMENT OIL_ENERGY \
                 PHARMACEUTICALS PUBLISHING REAL_ESTATE RESEARCH RESTAURANTS RETAIL SEMICONDUCTORS SPORTS \
                 STAFFING_AND_RECRUITING TELECOMMUNICATIONS TRANSPORTATION_TRUCKING_RAILROAD UTILITIES WHOLESALE",
            ),
        ],
    },
    Standard {
        name: "deals",
        singular: "deal",
        type_id: "0-3",
        modified: "hs_lastmodifieddate",
        defaults: &["amount", "closedate", "dealname", "dealstage", "pipeline"],
        text: "dealname description hs_next_step closed_lost_reason closed_won_reason",
        number: "amount hs_forecast_probability",
        datetime: "closedate",
        bool: "",
        enumerations: &[
            (
                "dealstage",
                "appointmentscheduled qualifiedtobuy presentationscheduled decisionmakerboughtin contractsent \
                 closedwon closedlost",
            ),
            ("pipeline", "default"),
            ("dealtype", "newbusiness existingbusiness"),
            ("hs_priority", "low medium high"),
        ],
    },
    Standard {
        name: "tickets",
        singular: "ticket",
        type_id: "0-5",
        modified: "hs_lastmodifieddate",
        defaults: &["content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category", "subject"],
        text: "subject content",
        number: "",
        datetime: "",
        bool: "",
        enumerations: &[
            ("hs_pipeline", "0"),
            ("hs_pipeline_stage", "1 2 3 4"),
            ("hs_ticket_priority", "LOW MEDIUM HIGH URGENT"),
            ("*hs_ticket_category", "PRODUCT_ISSUE BILLING_ISSUE FEATURE_REQUEST GENERAL_INQUIRY"),
            ("source_type", "CHAT EMAIL FORM PHONE"),
        ],
    },
    Standard {
        name: "products",
        singular: "product",
        type_id: "0-7",
        modified: "hs_lastmodifieddate",
        defaults: &["description", "name", "price"],
        text: "name description hs_sku hs_url",
        number: "price hs_cost_of_goods_sold",
        datetime: "",
        bool: "",
        enumerations: &[("hs_product_type", "inventory non_inventory service")],
    },
];

impl Property {
    fn standard(kind: Kind) -> Self {
        Property {
            kind,
            options: Vec::new(),
            multiple: false,
            unique: false,
            read_only: false,
            required: false,
            refuse: Vec::new(),
            defined_by_hubspot: true,
        }
    }

    fn declared(spec: &PropertySpec) -> Self {
        let kind = match spec.kind {
            PropertyType::String => Kind::Text,
            PropertyType::Number => Kind::Number,
            PropertyType::Integer => Kind::Integer,
            PropertyType::Boolean => Kind::Bool,
            PropertyType::Date => Kind::Date,
            PropertyType::DateTime => Kind::DateTime,
            PropertyType::Enum => Kind::Enumeration,
            PropertyType::Json => Kind::Json,
        };
        Property {
            kind,
            options: spec.options.clone(),
            multiple: spec.multiple,
            unique: spec.unique,
            read_only: spec.read_only,
            required: spec.required,
            refuse: spec.refuse.clone(),
            defined_by_hubspot: false,
        }
    }

    /// One that the account made itself.
    pub(super) fn made(kind: Kind, unique: bool) -> Self {
        Property { unique, defined_by_hubspot: false, ..Self::standard(kind) }
    }

    fn read_only(self) -> Self {
        Property { read_only: true, ..self }
    }

    /// As `GET /crm/v3/properties/{objectType}` lists it.
    pub(super) fn describe(&self, name: &str) -> Json {
        let (kind, field_type) = match self.kind {
            Kind::Text | Kind::Email => ("string", "text"),
            Kind::Number | Kind::Integer => ("number", "number"),
            Kind::Bool => ("bool", "booleancheckbox"),
            Kind::Date => ("date", "date"),
            Kind::DateTime => ("datetime", "date"),
            Kind::Enumeration if self.multiple => ("enumeration", "checkbox"),
            Kind::Enumeration => ("enumeration", "select"),
            Kind::Json => ("json", "text"),
        };
        let values: &[String] = match self.kind {
            Kind::Bool => &["true".to_owned(), "false".to_owned()],
            _ => &self.options,
        };
        let option = |(at, value): (usize, &String)| json!({"label": value, "value": value, "displayOrder": at, "hidden": false});
        json!({
            "name": name, "label": name, "type": kind, "fieldType": field_type, "description": "",
            "groupName": "information", "displayOrder": -1, "hidden": false, "formField": !self.read_only,
            "options": values.iter().enumerate().map(option).collect::<Vec<_>>(),
            "calculated": false, "externalOptions": false, "hasUniqueValue": self.has_unique_value(),
            "hubspotDefined": self.defined_by_hubspot, "dataSensitivity": "non_sensitive",
            "modificationMetadata": {
                "archivable": !self.defined_by_hubspot,
                "readOnlyDefinition": self.defined_by_hubspot,
                "readOnlyValue": self.read_only,
            },
        })
    }

    /// HubSpot keeps this flag for unique properties an account makes itself. A contact's `email` is unique although
    /// it does not carry the flag (as seen in real portals; the documentation is silent), so clients must know it.
    fn has_unique_value(&self) -> bool {
        self.unique && self.kind != Kind::Email
    }
}

impl ObjectType {
    fn standard(standard: &Standard) -> Self {
        let mut properties = BTreeMap::new();
        let lists = [
            (standard.text, Kind::Text),
            (standard.number, Kind::Number),
            (standard.datetime, Kind::DateTime),
            (standard.bool, Kind::Bool),
        ];
        for (names, kind) in lists {
            properties
                .extend(names.split_whitespace().map(|name| (name.to_owned(), Property::standard(kind))));
        }
        for (name, options) in standard.enumerations {
            let options = options.split_whitespace().map(str::to_owned).collect();
            let multiple = name.starts_with('*');
            let property = Property { options, multiple, ..Property::standard(Kind::Enumeration) };
            properties.insert(name.trim_start_matches('*').to_owned(), property);
        }
        if standard.name == "contacts" {
            let email = Property { unique: true, ..Property::standard(Kind::Email) };
            properties.insert("email".into(), email);
            properties.insert("hs_email_domain".into(), Property::standard(Kind::Text).read_only());
        }
        Self::with_system_properties(ObjectType {
            name: standard.name.into(),
            label: standard.singular.to_uppercase(),
            created_property: "createdate",
            modified_property: standard.modified,
            default_properties: standard.defaults,
            properties,
        })
    }

    fn custom(name: &str) -> Self {
        Self::with_system_properties(ObjectType {
            name: name.into(),
            label: name.into(),
            created_property: "hs_createdate",
            modified_property: "hs_lastmodifieddate",
            default_properties: &[],
            properties: BTreeMap::new(),
        })
    }

    fn with_system_properties(mut self) -> Self {
        for name in [self.created_property, self.modified_property] {
            self.properties.insert(name.into(), Property::standard(Kind::DateTime).read_only());
        }
        self.properties.insert("hs_object_id".into(), Property::standard(Kind::Number).read_only());
        self
    }

    /// Adds a declared property, or what a declaration says of a default one.
    fn declare(&mut self, name: &str, spec: &PropertySpec) -> Result<(), String> {
        let place = format!("`objects.{}.{name}`", self.name);
        if !is_name(name) {
            return Err(format!(
                "{place}: HubSpot's property names have lower-case letters, digits and `_` only"
            ));
        }
        let declared = Property::declared(spec);
        let property = match self.properties.get(name) {
            None => declared,
            Some(default) if default.read_only => {
                return Err(format!("{place} is a property that HubSpot itself sets; it cannot be declared"));
            }
            Some(default) => {
                let kind = match (default.kind, declared.kind) {
                    (Kind::Email, Kind::Text) => Kind::Email,
                    (own, declared) if own == declared => own,
                    _ => {
                        let another = "is one of HubSpot's own properties and has another type there";
                        return Err(format!("{place} {another}"));
                    }
                };
                if spec.unique && !default.unique {
                    return Err(format!(
                        "{place} is one of HubSpot's own properties, whose values are not unique"
                    ));
                }
                Property { kind, unique: default.unique, defined_by_hubspot: true, ..declared }
            }
        };
        self.properties.insert(name.to_owned(), property);
        Ok(())
    }

    /// HubSpot's id of the type; a custom object's name is taken for it.
    pub(super) fn type_id(&self) -> &str {
        STANDARD.iter().find(|standard| standard.name == self.name).map_or(&self.name, |found| found.type_id)
    }

    /// Names of the properties whose values are unique.
    pub(super) fn unique(&self) -> impl Iterator<Item = (&String, &Property)> {
        self.properties.iter().filter(|(_, property)| property.unique)
    }
}

/// Whether a property can have this name.
pub(super) fn is_name(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !name.is_empty() && name.chars().all(valid)
}

/// The default name of a type that a request or declaration names as `contact`, `CONTACT`, `contacts` or `0-1`.
fn standard_name(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let found = STANDARD.iter().find(|s| s.name == lower || s.singular == lower || s.type_id == lower);
    found.map(|standard| standard.name)
}

/// The types of one portal.
pub(super) struct Catalogue(BTreeMap<String, ObjectType>);

impl Catalogue {
    pub(super) fn new(declared: &Objects) -> Result<Self, String> {
        let mut types: BTreeMap<_, _> =
            STANDARD.iter().map(|s| (s.name.to_owned(), ObjectType::standard(s))).collect();
        for (object, properties) in declared {
            let name = standard_name(object).unwrap_or(object);
            let kind = types.entry(name.to_owned()).or_insert_with(|| ObjectType::custom(name));
            for (property, spec) in properties {
                kind.declare(property, spec)?;
            }
        }
        Ok(Catalogue(types))
    }

    pub(super) fn get(&self, name: &str) -> Option<&ObjectType> {
        self.0.get(standard_name(name).unwrap_or(name))
    }
}
