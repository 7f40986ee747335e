//! Versions of HubSpot's API of objects.

use super::client::ObjectType;

/// The dated ones.
const DATED: [&str; 3] = ["2025-09", "2026-03", "2026-09"];

/// The version whose calls on objects are used. Properties, associations, lists and the account are always read as `v3`
/// and `v4`: their dated forms are in no document that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ApiVersion {
    #[default]
    V3,
    Dated(&'static str),
}

impl ApiVersion {
    /// All there are, for a message.
    pub(super) const ALL: &str = "`v3`, `2025-09`, `2026-03` or `2026-09`";

    /// `None` for one that is not known.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "v3" => Some(ApiVersion::V3),
            dated => DATED.iter().find(|known| **known == dated).map(|known| ApiVersion::Dated(known)),
        }
    }

    /// The path of a batch call on objects.
    pub(super) fn batch(self, object: &ObjectType, call: &str) -> String {
        let object = object.as_str();
        match self {
            ApiVersion::V3 => format!("/crm/v3/objects/{object}/batch/{call}"),
            ApiVersion::Dated(date) => format!("/crm/objects/{date}/{object}/batch/{call}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_paths_and_its_name_in_messages() {
        let object = ObjectType::parse("2-1234567").unwrap();
        let path = |version: &str| ApiVersion::parse(version).map(|version| version.batch(&object, "upsert"));
        assert_eq!(path("v3").unwrap(), "/crm/v3/objects/2-1234567/batch/upsert");
        assert_eq!(path("2026-09").unwrap(), "/crm/objects/2026-09/2-1234567/batch/upsert");
        assert_eq!(ApiVersion::default(), ApiVersion::V3);
        assert!(DATED.iter().all(|date| path(date).is_some() && ApiVersion::ALL.contains(date)));
        for unknown in ["", "V3", "v4", "2026-10", "latest"] {
            assert_eq!(path(unknown), None, "{unknown}");
        }
    }
}
