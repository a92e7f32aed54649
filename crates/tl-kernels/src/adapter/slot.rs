//! The place of an adapter, and how one gets there.

use std::cell::RefCell;
use std::collections::HashMap;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param,
};
use burn::prelude::*;
use tl_core::parameters::ModulePath;

use super::Adapter;

/// What a slot belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    pub kind: SiteKind,
    /// Values or channels that go in; of a table its rows.
    pub input: usize,
    /// Values or channels that come out.
    pub output: usize,
    /// Height and width of a convolution's window, 1 elsewhere.
    pub kernel: [usize; 2],
    pub groups: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteKind {
    Linear,
    Convolution,
    /// The vectors of a text's pieces.
    Table,
    /// A layer whose weights are used by another: nothing can stand here.
    Closed,
}

impl Site {
    /// That of a linear layer.
    pub fn linear(input: usize, output: usize) -> Self {
        Self { kind: SiteKind::Linear, input, output, kernel: [1; 2], groups: 1 }
    }

    /// That of a table of `rows` vectors of `width` values.
    pub fn table(rows: usize, width: usize) -> Self {
        Self { kind: SiteKind::Table, ..Self::linear(rows, width) }
    }

    /// Values of a layer's weight that make one output.
    pub fn fan_in(&self) -> usize {
        self.input / self.groups.max(1) * self.kernel[0] * self.kernel[1]
    }
}

/// A place for an [`Adapter`], empty at first.
#[derive(Clone, Debug)]
pub struct Slot {
    site: Site,
    adapter: Option<Adapter>,
}

impl Slot {
    /// An empty one.
    pub fn new(site: Site) -> Self {
        Self { site, adapter: None }
    }

    /// A place where nothing can stand: the layer's weights are used by another.
    pub fn closed(mut self) -> Self {
        self.site.kind = SiteKind::Closed;
        self
    }

    /// Of a layer that now has `input` values or channels; nothing stands in it.
    pub(crate) fn set_input(&mut self, input: usize) {
        self.site.input = input;
        self.adapter = None;
    }

    /// What is in it.
    pub fn get(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    fn prompt(&self) -> Option<&Param<Tensor<2>>> {
        self.adapter.as_ref()?.prompt.as_ref()
    }

    /// How many vectors of a prompt stand in front of each text; 0 without one.
    pub fn prompt_length(&self) -> usize {
        self.prompt().map_or(0, |prompt| prompt.dims()[0])
    }

    /// The vectors of its prompt, if it has one, and `words` behind them: `[batch, pieces, width]` to
    /// `[batch, prompt + pieces, width]`.
    pub fn in_front_of(&self, words: Tensor<3>) -> Tensor<3> {
        let Some(prompt) = self.prompt() else { return words };
        let prompt = prompt.val().unsqueeze::<3>().repeat_dim(0, words.dims()[0]);
        Tensor::cat(vec![prompt, words], 1)
    }
}

/// Every slot of `module` by the path of its layer (`layers.0.query`), with what is in it.
pub fn sites<M: Module>(module: &M) -> Vec<(String, Site, Option<Adapter>)> {
    let _end = Walk::begin(HashMap::new());
    module.visit(&mut Walker);
    WALK.with_borrow_mut(|walk| walk.take().map(|walk| walk.found)).unwrap_or_default()
}

/// Puts adapters into slots by the path of their layer, or empties them with `None`; the other slots stay as they are.
/// Everything is to lie on the plain device.
pub fn replace<M: Module>(module: M, changes: HashMap<String, Option<Adapter>>) -> M {
    let _end = Walk::begin(changes);
    module.map(&mut Walker)
}

/// What a walk over a module's slots has in hand. A visitor hands out parameters and no modules, so that the slots
/// themselves look here while one is on its way, and its path tells them where they are.
#[derive(Default)]
struct Walk {
    path: ModulePath,
    changes: HashMap<String, Option<Adapter>>,
    found: Vec<(String, Site, Option<Adapter>)>,
}

thread_local! {
    static WALK: RefCell<Option<Walk>> = const { RefCell::new(None) };
}

/// Ends the walk, also by a panic.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        WALK.take();
    }
}

impl Walk {
    fn begin(changes: HashMap<String, Option<Adapter>>) -> End {
        WALK.set(Some(Self { changes, ..Self::default() }));
        End
    }

    /// The path of the layer whose slot is being visited.
    fn layer(&self) -> String {
        let path = self.path.joined();
        path.rsplit_once('.').map_or(String::new(), |(layer, _)| layer.to_string())
    }
}

struct Walker;

fn enter(name: &str) {
    WALK.with_borrow_mut(|walk| {
        if let Some(walk) = walk {
            walk.path.enter(name);
        }
    });
}

fn exit() {
    WALK.with_borrow_mut(|walk| {
        if let Some(walk) = walk {
            walk.path.exit();
        }
    });
}

impl ModuleVisitor for Walker {
    fn enter_module(&mut self, name: &str, _: &str) {
        enter(name);
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        exit();
    }
}

impl ModuleMapper for Walker {
    fn enter_module(&mut self, name: &str, _: &str) {
        enter(name);
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        exit();
    }
}

impl Module for Slot {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        WALK.with_borrow_mut(|walk| {
            if let Some(walk) = walk {
                let layer = walk.layer();
                walk.found.push((layer, self.site, self.adapter.clone()));
            }
        });
        self.adapter.visit(visitor);
    }

    fn map<M: ModuleMapper>(mut self, mapper: &mut M) -> Self {
        WALK.with_borrow_mut(|walk| {
            if let Some(walk) = walk
                && let Some(change) = walk.changes.remove(&walk.layer())
            {
                self.adapter = change;
            }
        });
        Self { adapter: Module::map(self.adapter, mapper), ..self }
    }

    fn to_device(self, device: &Device) -> Self {
        Self { adapter: self.adapter.to_device(device), ..self }
    }

    fn fork(self, device: &Device) -> Self {
        Self { adapter: self.adapter.fork(device), ..self }
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        self.adapter.collect_devices(devices)
    }

    fn materialize(self) -> Self {
        Self { adapter: self.adapter.materialize(), ..self }
    }

    fn valid(&self) -> Self {
        Self { adapter: self.adapter.valid(), ..*self }
    }

    fn train(self) -> Self {
        Self { adapter: Module::train(self.adapter), ..self }
    }
}

impl ModuleDisplayDefault for Slot {
    fn content(&self, content: Content) -> Option<Content> {
        let what = if self.adapter.is_some() { "adapter" } else { "none" };
        content.add_formatted(&what.to_string()).optional()
    }
}

impl ModuleDisplay for Slot {}
