//! The client's stored cohorts, as JavaScript reads and writes them.

use std::sync::Arc;

use napi::{Env, Result};
use napi_derive::napi;

use super::contain::contained;
use super::local::LocalClient;
use super::text::JsText;
use crate::cohort::{Cohort, Members};
use crate::ecma::Text;

/// A cohort without its members.
#[napi(object)]
pub struct CohortDescription {
    #[napi(ts_type = "string")]
    pub cohort_id: JsText,
    #[napi(ts_type = "string")]
    pub group_type: JsText,
    pub group_type_id: Option<f64>,
    pub last_computed: Option<f64>,
    pub last_modified: Option<f64>,
    pub size: Option<f64>,
}

#[napi]
impl LocalClient {
    /// Ids of all stored cohorts.
    #[napi(ts_return_type = "string[]")]
    pub fn cohort_ids(&self, env: &Env) -> Result<Vec<JsText>> {
        contained(env, "LocalClient.cohort_ids", || {
            self.world().cohort_ids().into_iter().map(JsText).collect()
        })
    }

    #[napi]
    pub fn cohort(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "string")] id: JsText,
    ) -> Result<Option<CohortDescription>> {
        contained(env, "LocalClient.cohort", || {
            self.world().cohort(id.0.as_bytes()).map(|cohort| CohortDescription {
                cohort_id: JsText(cohort.id.clone()),
                group_type: JsText(cohort.group_type.clone()),
                group_type_id: cohort.group_type_id,
                last_computed: cohort.last_computed,
                last_modified: cohort.last_modified,
                size: cohort.size,
            })
        })
    }

    /// All members of a cohort; none of one that is not stored.
    #[napi(ts_return_type = "string[]")]
    pub fn cohort_members(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "string")] id: JsText,
    ) -> Result<Vec<JsText>> {
        contained(env, "LocalClient.cohort_members", || {
            let Some(cohort) = self.world().cohort(id.0.as_bytes()) else { return Vec::new() };
            cohort.members().map(|member| JsText(Text::from_wtf8(member.as_ref()))).collect()
        })
    }

    /// Stores a cohort that the application supplies.
    #[napi]
    pub fn put_cohort(
        &self,
        env: &Env,
        description: CohortDescription,
        #[napi(ts_arg_type = "string[]")] members: Vec<JsText>,
    ) -> Result<()> {
        contained(env, "LocalClient.put_cohort", || {
            let members: Members = members.iter().map(|member| member.0.as_bytes()).collect();
            let mut cohort = Cohort::new(description.cohort_id.0, description.group_type.0, members);
            cohort.group_type_id = description.group_type_id;
            cohort.last_computed = description.last_computed;
            cohort.last_modified = description.last_modified;
            cohort.size = description.size;
            self.world().put_cohort(Arc::new(cohort));
        })
    }

    #[napi]
    pub fn delete_cohort(&self, env: &Env, #[napi(ts_arg_type = "string")] id: JsText) -> Result<()> {
        contained(env, "LocalClient.delete_cohort", || {
            self.world().remove_cohort(id.0.as_bytes());
        })
    }

    /// Which of these cohorts are of the group type and hold the member, in their order.
    #[napi(ts_return_type = "string[]")]
    pub fn cohorts_with(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "string")] group_type: JsText,
        #[napi(ts_arg_type = "string")] member: JsText,
        #[napi(ts_arg_type = "string[]")] ids: Vec<JsText>,
    ) -> Result<Vec<JsText>> {
        contained(env, "LocalClient.cohorts_with", || {
            let snapshot = self.world().load();
            let holds = |id: &JsText| {
                snapshot.store.get(id.0.as_bytes()).is_some_and(|cohort| {
                    cohort.group_type == group_type.0 && cohort.contains(member.0.as_bytes())
                })
            };
            ids.into_iter().filter(holds).collect()
        })
    }
}
