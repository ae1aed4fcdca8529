//! The local evaluation client: flags and cohorts of one client, as JavaScript reads and writes them.

use std::sync::Arc;

use bytes::Bytes;
use napi::Result;
use napi_derive::napi;

use super::text::JsText;
use super::view::View;
use crate::ecma::Text;
use crate::error::Coded;
use crate::snapshot::{RawFlags, Update, World};

/// One client's flags and cohorts.
#[napi]
pub struct LocalClient {
    world: Arc<World>,
}

impl LocalClient {
    pub(super) fn world(&self) -> &World {
        &self.world
    }
}

#[napi]
impl LocalClient {
    #[napi(constructor)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { world: Arc::new(World::new()) }
    }

    /// A view of the current flags for evaluation.
    #[napi]
    pub fn view(&self) -> View {
        View::new(Arc::clone(&self.world))
    }

    /// Changes whenever the flags do.
    #[napi(getter)]
    pub fn flags_version(&self) -> f64 {
        self.world.load().flags_epoch as f64
    }

    /// The current flags as they came: the server's list, or a map.
    #[napi(ts_return_type = "string")]
    pub fn flags(&self) -> JsText {
        let (RawFlags::Array(json) | RawFlags::Map(json)) = &self.world.load().raw;
        JsText(Text::from_wtf8(&**json))
    }

    /// Replaces the flags by a map of flags (JSON text), keeping the cohorts.
    /// Returns one sentence for every flag that is left out or broken in part.
    ///
    /// # Errors
    /// If the text is not a JSON object.
    #[napi]
    pub fn set_flags(&self, #[napi(ts_arg_type = "string")] flags: JsText) -> Result<Vec<String>> {
        let update = Update::from_map(Bytes::copy_from_slice(flags.0.as_bytes()))
            .map_err(|error| napi::Error::from_reason(format!("{}: {error}", error.code())))?;
        let problems =
            update.problems.iter().map(|problem| format!("{}: {}", problem.flag, problem.message)).collect();
        self.world.replace_flags(update);
        Ok(problems)
    }
}
