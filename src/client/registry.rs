//! Cores by name. In: a name for everything that two clients must have in common to share. Out: a client of the core
//! of that name. A core is not kept here: it goes with its last client.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Audience, Client, Core, Listener, Parts};

#[derive(Default)]
pub struct Registry {
    cores: Mutex<BTreeMap<String, Weak<Core>>>,
}

impl Registry {
    pub const fn new() -> Self {
        Self { cores: Mutex::new(BTreeMap::new()) }
    }

    /// A client of the core of this name, which is made if there is none.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn join<E>(
        &self,
        name: &str,
        listener: Arc<dyn Listener>,
        make: impl FnOnce(&Arc<Audience>) -> Result<Parts, E>,
    ) -> Result<Client, E> {
        // Held while a core is made: of two clients that come at once one makes it.
        let mut cores = self.cores.lock().unwrap_or_else(PoisonError::into_inner);
        let core = cores.get(name).and_then(Weak::upgrade);
        if let Some(client) = core.and_then(|core| Client::join(core, Arc::clone(&listener))) {
            return Ok(client);
        }
        cores.retain(|_, core| core.strong_count() > 0);
        let client = Client::new(listener, make)?;
        cores.insert(name.to_owned(), Arc::downgrade(&client.core));
        Ok(client)
    }

    /// How many cores there are.
    pub fn count(&self) -> usize {
        let cores = self.cores.lock().unwrap_or_else(PoisonError::into_inner);
        cores.values().filter(|core| core.strong_count() > 0).count()
    }
}
