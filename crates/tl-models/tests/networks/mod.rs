//! The list of architectures, for tests that hold for each.

/// Writes one test for each architecture, which calls `$check` with its backbone on the plain device.
#[macro_export]
macro_rules! for_every_architecture {
    ($check:path) => {
        $crate::for_every_architecture! { $check,
            mobilenet_v2 = MobileNetV2::new(&Device::flex()),
            resnet10 = ResNet::new(ResNetDepth::D10, &Device::flex()),
            resnet18 = ResNet::new(ResNetDepth::D18, &Device::flex()),
            resnet34 = ResNet::new(ResNetDepth::D34, &Device::flex()),
            resnet50 = ResNet::new(ResNetDepth::D50, &Device::flex()),
            resnet101 = ResNet::new(ResNetDepth::D101, &Device::flex()),
            resnet152 = ResNet::new(ResNetDepth::D152, &Device::flex()),
            vgg11 = Vgg::new(VggDepth::D11, false, &Device::flex()),
            vgg11_bn = Vgg::new(VggDepth::D11, true, &Device::flex()),
            vgg13 = Vgg::new(VggDepth::D13, false, &Device::flex()),
            vgg13_bn = Vgg::new(VggDepth::D13, true, &Device::flex()),
            vgg16 = Vgg::new(VggDepth::D16, false, &Device::flex()),
            vgg16_bn = Vgg::new(VggDepth::D16, true, &Device::flex()),
            vgg19 = Vgg::new(VggDepth::D19, false, &Device::flex()),
            vgg19_bn = Vgg::new(VggDepth::D19, true, &Device::flex()),
        }
    };
    ($check:path, $($name:ident = $backbone:expr,)*) => {
        $(
            #[test]
            fn $name() {
                use burn::prelude::Device;
                #[allow(unused_imports)]
                use tl_models::{MobileNetV2, ResNet, ResNetDepth, Vgg, VggDepth};
                let backbone = $backbone;
                assert_eq!(tl_models::Architecture::name(&backbone), stringify!($name));
                $check(backbone);
            }
        )*
    };
}
