//! Members of a static list: leads are found by their match key, put on the list and taken off by their ids, 300 in a call
//! (`list-membership.md`). Neither makes a lead or changes one.

use super::session::LeadSession;
use crate::contract::{BatchSource, ConnectorError, Kind, Outcomes, Submitted, Verb};

impl LeadSession {
    /// Puts the batch's leads on the list or takes them off.
    pub(super) async fn members(
        &self,
        verb: Verb,
        batch: &dyn BatchSource,
    ) -> Result<Submitted, ConnectorError> {
        let Some(list) = self.options.list else {
            return Err(ConnectorError::new(Kind::Internal, "a target without a list has no members"));
        };
        if let Err(message) = &self.members_only {
            let hint =
                "deliver the fields of the leads by a sync of their own, and take them out of this one";
            return Err(ConnectorError::new(Kind::Config, message.clone()).hint(hint));
        }
        let mut outcomes = Outcomes::new(batch.len());
        let (places, ids) = self.found(batch, &mut outcomes).await?;
        let told = self.by_ids(verb, Some(list), &ids).await?;
        places.into_iter().zip(told).for_each(|(place, told)| outcomes.set(place, told));
        Ok(Submitted::Done(outcomes.receipt()))
    }
}
