//! The networks by name.

use std::ops::Range;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::{Device, Tensor};
use tl_core::{
    Activation, Backbone, CausalCache, CoreError, ExpectedInput, FrozenPrefix, Pass, Past,
    PatchGrid, Stage, Tokens, VisibleTokens,
};
use tl_kernels::Conv2d;
use tl_models::{
    Architecture, ConvNeXt, ConvNeXtSize, DenseNet, EfficientNet, EfficientNetSize, Encoder,
    EncoderConfig, Evaluation, Family, Gpt2, Gpt2Config, InceptionV3, Initial, Lstm, LstmConfig,
    MobileNetV2, ResNet, ResNetDepth, SmallConv, SqueezeNet, SqueezeNetVersion, Vgg, VggDepth, Vit,
    VitConfig, VitSize,
};

use crate::Error;

/// The network that is part of the program.
pub const EMBEDDED_NETWORK: &str = "mobilenet_v2";

/// The causal network of texts.
pub(crate) const GPT2: &str = "gpt2";

/// The recurrent network of texts.
pub(crate) const LSTM: &str = "lstm";

type Build = fn(&Device) -> Network;

/// Every network: its name and how it is built.
const NETWORKS: &[(&str, Build)] = &[
    ("convnext_tiny", |device| convnext(ConvNeXtSize::Tiny, device)),
    ("convnext_small", |device| convnext(ConvNeXtSize::Small, device)),
    ("densenet121", |device| Network::DenseNet(DenseNet::new(device))),
    ("efficientnet_b0", |device| efficientnet(EfficientNetSize::B0, device)),
    ("efficientnet_b1", |device| efficientnet(EfficientNetSize::B1, device)),
    ("efficientnet_b2", |device| efficientnet(EfficientNetSize::B2, device)),
    ("efficientnet_b3", |device| efficientnet(EfficientNetSize::B3, device)),
    ("efficientnet_b4", |device| efficientnet(EfficientNetSize::B4, device)),
    ("inception_v3", |device| Network::InceptionV3(InceptionV3::new(device))),
    ("mobilenet_v2", |device| Network::MobileNetV2(MobileNetV2::new(device))),
    ("resnet10", |device| Network::ResNet(ResNet::new(ResNetDepth::D10, device))),
    ("resnet18", |device| Network::ResNet(ResNet::new(ResNetDepth::D18, device))),
    ("resnet34", |device| Network::ResNet(ResNet::new(ResNetDepth::D34, device))),
    ("resnet50", |device| Network::ResNet(ResNet::new(ResNetDepth::D50, device))),
    ("resnet101", |device| Network::ResNet(ResNet::new(ResNetDepth::D101, device))),
    ("resnet152", |device| Network::ResNet(ResNet::new(ResNetDepth::D152, device))),
    ("resnext50_32x4d", |device| Network::ResNet(ResNet::new(ResNetDepth::X50, device))),
    ("resnext101_32x8d", |device| Network::ResNet(ResNet::new(ResNetDepth::X101, device))),
    ("wide_resnet50_2", |device| Network::ResNet(ResNet::new(ResNetDepth::Wide50, device))),
    ("wide_resnet101_2", |device| Network::ResNet(ResNet::new(ResNetDepth::Wide101, device))),
    ("small_conv", |device| Network::SmallConv(SmallConv::new(device))),
    ("squeezenet1_0", |device| squeezenet(SqueezeNetVersion::V1_0, device)),
    ("squeezenet1_1", |device| squeezenet(SqueezeNetVersion::V1_1, device)),
    ("vgg11", |device| Network::Vgg(Vgg::new(VggDepth::D11, false, device))),
    ("vgg11_bn", |device| Network::Vgg(Vgg::new(VggDepth::D11, true, device))),
    ("vgg13", |device| Network::Vgg(Vgg::new(VggDepth::D13, false, device))),
    ("vgg13_bn", |device| Network::Vgg(Vgg::new(VggDepth::D13, true, device))),
    ("vgg16", |device| Network::Vgg(Vgg::new(VggDepth::D16, false, device))),
    ("vgg16_bn", |device| Network::Vgg(Vgg::new(VggDepth::D16, true, device))),
    ("vgg19", |device| Network::Vgg(Vgg::new(VggDepth::D19, false, device))),
    ("vgg19_bn", |device| Network::Vgg(Vgg::new(VggDepth::D19, true, device))),
    ("vit_tiny", |device| vit(VitSize::Tiny, device)),
    ("vit_small", |device| vit(VitSize::Small, device)),
    ("vit_base", |device| vit(VitSize::Base, device)),
    ("bert", |device| encoder(Family::Bert, device)),
    ("roberta", |device| encoder(Family::Roberta, device)),
    ("distilbert", |device| encoder(Family::DistilBert, device)),
    (GPT2, |device| Network::Gpt2(Gpt2::new(Gpt2Config::default(), device))),
    (LSTM, |device| Network::Lstm(Lstm::new(LstmConfig::default(), device))),
];

fn convnext(size: ConvNeXtSize, device: &Device) -> Network {
    Network::ConvNeXt(ConvNeXt::new(size, device))
}

fn efficientnet(size: EfficientNetSize, device: &Device) -> Network {
    Network::EfficientNet(EfficientNet::new(size, device))
}

fn squeezenet(version: SqueezeNetVersion, device: &Device) -> Network {
    Network::SqueezeNet(SqueezeNet::new(version, device))
}

/// Of base size; `config.json` beside a weights file says another one.
fn encoder(family: Family, device: &Device) -> Network {
    Network::Encoder(Encoder::new(EncoderConfig::base(family), device))
}

/// The family of the text encoder called `name`; nothing for networks of images.
pub fn text_family(name: &str) -> Option<Family> {
    Family::ALL.into_iter().find(|family| family.name() == name)
}

/// Whether the network called `name` works on texts.
pub fn works_on_texts(name: &str) -> bool {
    [GPT2, LSTM].contains(&name) || text_family(name).is_some()
}

/// Patches of 16 pixels in images of 224, as most published weights have them.
fn vit(size: VitSize, device: &Device) -> Network {
    Network::Vit(Vit::new(VitConfig::new(size, 16, 224), device))
}

/// The names of all networks.
pub fn networks() -> Vec<&'static str> {
    NETWORKS.iter().map(|(name, _)| *name).collect()
}

/// A network that was chosen by name at run time.
// One value of it lives at a time, and its fields are handles to tensors: a box would save nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Network {
    ConvNeXt(ConvNeXt),
    DenseNet(DenseNet),
    EfficientNet(EfficientNet),
    Encoder(Encoder),
    Gpt2(Gpt2),
    InceptionV3(InceptionV3),
    Lstm(Lstm),
    MobileNetV2(MobileNetV2),
    ResNet(ResNet),
    SmallConv(SmallConv),
    SqueezeNet(SqueezeNet),
    Vgg(Vgg),
    Vit(Vit),
}

impl Network {
    /// The network called `name`, all convolutions 0, on `device`.
    ///
    /// # Errors
    /// A name that no network has.
    pub fn by_name(name: &str, device: &Device) -> Result<Self, Error> {
        let found = NETWORKS.iter().find(|(known, _)| *known == name);
        found.map(|(_, build)| build(device)).ok_or_else(|| unknown(name))
    }

    /// Succeeds where a network is called `name`.
    ///
    /// # Errors
    /// As [`Network::by_name`].
    pub fn check_name(name: &str) -> Result<(), Error> {
        let known = NETWORKS.iter().any(|(known, _)| *known == name);
        if known { Ok(()) } else { Err(unknown(name)) }
    }
}

fn unknown(name: &str) -> Error {
    Error::UnknownNetwork { name: name.to_string(), known: networks() }
}

/// Does the same with whichever network it is. A module by derive would put the variant's name into
/// every parameter's path.
macro_rules! with_network {
    ($network:expr, $inner:ident => $body:expr) => {
        match $network {
            Network::ConvNeXt($inner) => $body,
            Network::DenseNet($inner) => $body,
            Network::EfficientNet($inner) => $body,
            Network::Encoder($inner) => $body,
            Network::Gpt2($inner) => $body,
            Network::InceptionV3($inner) => $body,
            Network::Lstm($inner) => $body,
            Network::MobileNetV2($inner) => $body,
            Network::ResNet($inner) => $body,
            Network::SmallConv($inner) => $body,
            Network::SqueezeNet($inner) => $body,
            Network::Vgg($inner) => $body,
            Network::Vit($inner) => $body,
        }
    };
}

/// The same, back in its variant.
macro_rules! map_network {
    ($network:expr, $inner:ident => $body:expr) => {
        match $network {
            Network::ConvNeXt($inner) => Network::ConvNeXt($body),
            Network::DenseNet($inner) => Network::DenseNet($body),
            Network::EfficientNet($inner) => Network::EfficientNet($body),
            Network::Encoder($inner) => Network::Encoder($body),
            Network::Gpt2($inner) => Network::Gpt2($body),
            Network::InceptionV3($inner) => Network::InceptionV3($body),
            Network::Lstm($inner) => Network::Lstm($body),
            Network::MobileNetV2($inner) => Network::MobileNetV2($body),
            Network::ResNet($inner) => Network::ResNet($body),
            Network::SmallConv($inner) => Network::SmallConv($body),
            Network::SqueezeNet($inner) => Network::SqueezeNet($body),
            Network::Vgg($inner) => Network::Vgg($body),
            Network::Vit($inner) => Network::Vit($body),
        }
    };
}

impl Module for Network {
    fn collect_devices(&self, devices: Devices) -> Devices {
        with_network!(self, inner => inner.collect_devices(devices))
    }

    fn fork(self, device: &Device) -> Self {
        map_network!(self, inner => inner.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        map_network!(self, inner => inner.to_device(device))
    }

    fn train(self) -> Self {
        map_network!(self, inner => inner.train())
    }

    fn valid(&self) -> Self {
        map_network!(self, inner => inner.valid())
    }

    fn materialize(self) -> Self {
        map_network!(self, inner => inner.materialize())
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        with_network!(self, inner => inner.visit(visitor));
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        map_network!(self, inner => inner.map(mapper))
    }
}

impl ModuleDisplayDefault for Network {
    fn content(&self, content: Content) -> Option<Content> {
        with_network!(self, inner => inner.content(content))
    }
}

impl ModuleDisplay for Network {}

impl Backbone for Network {
    fn stages(&self) -> Vec<Stage> {
        with_network!(self, inner => inner.stages())
    }

    fn forward_stages(
        &self,
        input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<Activation, CoreError> {
        with_network!(self, inner => inner.forward_stages(input, range, pass))
    }

    fn forward_training(
        &self,
        input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<(Activation, Option<Tensor<2>>), CoreError> {
        with_network!(self, inner => inner.forward_training(input, range, pass))
    }

    fn embedding_width(&self) -> usize {
        with_network!(self, inner => inner.embedding_width())
    }

    fn head_input_width(&self) -> usize {
        with_network!(self, inner => inner.head_input_width())
    }

    fn compile(&self, range: Range<usize>) -> FrozenPrefix {
        with_network!(self, inner => inner.compile(range))
    }

    fn expected_input(&self) -> ExpectedInput {
        with_network!(self, inner => inner.expected_input())
    }

    fn embedding_stages(&self) -> usize {
        with_network!(self, inner => inner.embedding_stages())
    }
}

impl Architecture for Network {
    fn name(&self) -> &'static str {
        with_network!(self, inner => inner.name())
    }

    fn origin_name(&self, path: &str) -> String {
        with_network!(self, inner => inner.origin_name(path))
    }

    fn present_name(&self, name: &str) -> String {
        with_network!(self, inner => inner.present_name(name))
    }

    fn may_lack(&self, path: &str) -> bool {
        with_network!(self, inner => inner.may_lack(path))
    }

    fn passes_over(&self, name: &str) -> bool {
        with_network!(self, inner => inner.passes_over(name))
    }

    fn head_name(&self) -> &'static str {
        with_network!(self, inner => inner.head_name())
    }

    fn head_dropout(&self) -> f64 {
        with_network!(self, inner => inner.head_dropout())
    }

    fn head_has_bias(&self) -> bool {
        with_network!(self, inner => inner.head_has_bias())
    }

    fn head_is_convolution(&self) -> bool {
        with_network!(self, inner => inner.head_is_convolution())
    }

    fn head_note(&self) -> Option<&'static str> {
        with_network!(self, inner => inner.head_note())
    }

    fn evaluation(&self) -> Evaluation {
        with_network!(self, inner => inner.evaluation())
    }

    fn is_transposed(&self, path: &str) -> bool {
        with_network!(self, inner => inner.is_transposed(path))
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        with_network!(self, inner => inner.initial(path, shape))
    }

    fn answers(&self, path: &str) -> bool {
        with_network!(self, inner => inner.answers(path))
    }

    fn for_classes(self, classes: usize, device: &Device) -> Self {
        map_network!(self, inner => inner.for_classes(classes, device))
    }

    fn first_convolution(&mut self) -> Option<&mut Conv2d> {
        with_network!(self, inner => inner.first_convolution())
    }

    fn refit(&self, path: &str, found: &[usize], values: &[f32]) -> Option<Vec<f32>> {
        with_network!(self, inner => inner.refit(path, found, values))
    }
}

impl VisibleTokens for Network {
    fn patch_grid(&self, height: usize, width: usize) -> Result<PatchGrid, CoreError> {
        self.of_patches()?.patch_grid(height, width)
    }

    fn encode_visible(
        &self,
        images: Tensor<4>,
        visible: &[Vec<usize>],
        pass: Pass,
    ) -> Result<Tokens, CoreError> {
        self.of_patches()?.encode_visible(images, visible, pass)
    }
}

impl CausalCache for Network {
    fn next_logits(&self, pieces: &[u32], past: &mut Past) -> Result<Tensor<2>, CoreError> {
        self.causal()?.next_logits(pieces, past)
    }
}

impl Network {
    /// The network that tells which piece comes next, if it is one.
    pub(crate) fn causal(&self) -> Result<&Gpt2, CoreError> {
        match self {
            Network::Gpt2(network) => Ok(network),
            other => Err(CoreError::Unable {
                network: other.name().to_string(),
                what: "go on with a text",
                instead: GPT2,
            }),
        }
    }

    fn of_patches(&self) -> Result<&Vit, CoreError> {
        match self {
            Network::Vit(vit) => Ok(vit),
            other => Err(CoreError::Unable {
                network: other.name().to_string(),
                what: "see some patches of an image alone",
                instead: "vit_tiny, vit_small or vit_base",
            }),
        }
    }
}
