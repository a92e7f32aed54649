//! Several adapters on one base, of which one at a time is in its place.

use std::collections::{BTreeMap, HashMap};

use burn::module::Module;
use tl_core::parameters::{is_adapter, map_values, values, visit_parameters};
use tl_kernels::adapter::{Adapter, replace, sites};

use crate::{PeftError, detach};

/// The state of a network that an adapter brings with it: what stands in slots, and the values beside, such as a head's.
#[derive(Clone, Debug, Default)]
struct State {
    adapters: HashMap<String, Option<Adapter>>,
    beside: HashMap<String, Vec<f32>>,
}

/// Adapters by name on one base. Switching copies handles and the values beside the adapters, and leaves the base as it
/// is, so that outputs after switching back are the same bits.
#[derive(Clone, Debug, Default)]
pub struct Switch {
    states: BTreeMap<String, State>,
}

impl Switch {
    /// Keeps the adapters that `module` holds now as `name`, with the values of the parameters that `beside` chooses by
    /// path.
    ///
    /// # Errors
    /// A device that cannot be read.
    pub fn keep<M: Module>(
        &mut self,
        name: &str,
        module: &M,
        beside: impl Fn(&str) -> bool,
    ) -> Result<(), PeftError> {
        let mut state = State::default();
        let all = sites(module).into_iter();
        state.adapters = all.filter_map(|(path, _, it)| it.map(|it| (path, Some(it)))).collect();
        let mut failure = None;
        visit_parameters(module, |info, tensor| {
            if beside(&info.path) && !is_adapter(&info.path) {
                match values(tensor) {
                    Ok(found) => drop(state.beside.insert(info.path.clone(), found)),
                    Err(reason) => failure = Some(reason),
                }
            }
        });
        match failure {
            Some(reason) => Err(PeftError::Device(reason)),
            None => {
                self.states.insert(name.to_string(), state);
                Ok(())
            }
        }
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.states.keys().map(String::as_str)
    }

    /// `module` with the adapters called `name` in place of those that it has.
    ///
    /// # Errors
    /// A name under which nothing was kept.
    pub fn to<M: Module>(&self, name: &str, module: M) -> Result<M, PeftError> {
        let Some(state) = self.states.get(name) else {
            let known = self.names().map(str::to_string).collect();
            return Err(PeftError::Unknown { name: name.to_string(), known });
        };
        let module = replace(detach(module), state.adapters.clone());
        Ok(map_values(module, |info| state.beside.get(&info.path).cloned()))
    }
}
