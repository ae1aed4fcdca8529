//! Questions about flags that JavaScript holds, asked without a client.

use bytes::Bytes;
use napi::{Env, Result};
use napi_derive::napi;

use super::contain::contained;
use super::text::JsText;
use crate::ecma::Text;
use crate::plan::Plan;
use crate::snapshot::Update;

/// The cohorts that flags ask for.
#[napi(object, object_from_js = false)]
pub struct CohortIds {
    pub groups: Vec<NamedIds>,
    pub flags: Vec<NamedIds>,
}

/// Cohort ids under a group type or a flag key.
#[napi(object, object_from_js = false)]
pub struct NamedIds {
    #[napi(ts_type = "string")]
    pub name: JsText,
    #[napi(ts_type = "string[]")]
    pub ids: Vec<JsText>,
}

/// The cohorts that a map of flags (JSON text) asks for: by group type (those that some
/// flag names cohorts of), and by flag. None for what is not a map.
#[napi]
pub fn cohort_ids(env: &Env, #[napi(ts_arg_type = "string")] flags: JsText) -> Result<CohortIds> {
    contained(env, "cohort_ids", || match Update::from_map(Bytes::copy_from_slice(flags.0.as_bytes())) {
        Ok(update) => of_plan(&update.plan),
        Err(_) => CohortIds { groups: Vec::new(), flags: Vec::new() },
    })
}

fn of_plan(plan: &Plan) -> CohortIds {
    let named = |name: &Text, cohorts: &[u32]| NamedIds {
        name: JsText(name.clone()),
        ids: cohorts.iter().map(|&id| JsText(plan.cohort_ids()[id as usize].clone())).collect(),
    };
    let groups = plan.cohort_groups().iter().filter(|group| !group.cohorts.is_empty());
    CohortIds {
        groups: groups.map(|group| named(&group.group_type, &group.cohorts)).collect(),
        flags: plan.cohorts_of_flags().iter().map(|flag| named(&flag.map_key, &flag.cohorts)).collect(),
    }
}
