//! Links from an object to others.

use super::{ChangeRef, ValueRef};

/// A link from each object of a target to objects of another type. A change carries it as a field of its own, whose
/// value names the other objects: one key, a list of keys, or null for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    /// The name of that field.
    pub field: String,
    /// The other objects' type: `companies`, a type id.
    pub to: String,
    /// The other objects' property whose values the keys are; `None` where they are record ids.
    pub match_on: Option<String>,
    /// Which of the links between the two types it is.
    pub kind: AssociationKind,
    /// What a change names is all that there shall be: other links of this kind are taken away from its object.
    pub exclusive: bool,
}

/// Which of the links that two types of objects can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssociationKind {
    /// The destination's ordinary one.
    Default,
    /// By the number that the destination gives it.
    Type(u32),
    /// By the name that the account gives it.
    Label(String),
}

impl Association {
    /// The keys that a change names; `None` where the change says nothing of this link.
    pub fn keys(&self, change: &ChangeRef<'_>) -> Option<Vec<String>> {
        let field = change.fields.iter().find(|field| field.name == self.field)?;
        Some(match &field.value {
            ValueRef::Null => Vec::new(),
            ValueRef::List(items) => {
                let keys = items.iter().filter(|item| !matches!(item, ValueRef::Null));
                keys.map(ToString::to_string).filter(|key| !key.is_empty()).collect()
            }
            one => Some(one.to_string()).filter(|key| !key.is_empty()).into_iter().collect(),
        })
    }
}
