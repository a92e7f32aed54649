//! The list of architectures, for tests that hold for each.

/// Writes one test for each architecture, which calls `$check` with its backbone on the plain device: for those whose
/// outputs are recorded, `larger:` for other sizes of the same ones, `all:` for every network of images whose size is given by
/// its name. `most:` leaves out six of the eight VGGs, for checks that take seconds and gigabytes on hidden layers of 120 million
/// weights, which are the same in each.
#[macro_export]
macro_rules! for_every_architecture {
    (all: $check:path) => {
        $crate::for_every_architecture!(most: $check);
        $crate::for_every_architecture!(vggs: $check);
    };
    (most: $check:path) => {
        $crate::for_every_architecture!(kinds: $check);
        $crate::for_every_architecture!(larger: $check);
        $crate::for_every_architecture! { $check, small_conv = SmallConv::new(&Device::flex()), }
    };
    (larger: $check:path) => {
        $crate::for_every_architecture! { $check,
            convnext_small = ConvNeXt::new(ConvNeXtSize::Small, &Device::flex()),
            efficientnet_b1 = EfficientNet::new(EfficientNetSize::B1, &Device::flex()),
            efficientnet_b2 = EfficientNet::new(EfficientNetSize::B2, &Device::flex()),
            efficientnet_b3 = EfficientNet::new(EfficientNetSize::B3, &Device::flex()),
            efficientnet_b4 = EfficientNet::new(EfficientNetSize::B4, &Device::flex()),
            resnext101_32x8d = ResNet::new(ResNetDepth::X101, &Device::flex()),
            wide_resnet50_2 = ResNet::new(ResNetDepth::Wide50, &Device::flex()),
            wide_resnet101_2 = ResNet::new(ResNetDepth::Wide101, &Device::flex()),
        }
    };
    ($check:path) => {
        $crate::for_every_architecture!(kinds: $check);
        $crate::for_every_architecture!(vggs: $check);
    };
    (vggs: $check:path) => {
        $crate::for_every_architecture! { $check,
            vgg11 = Vgg::new(VggDepth::D11, false, &Device::flex()),
            vgg13 = Vgg::new(VggDepth::D13, false, &Device::flex()),
            vgg13_bn = Vgg::new(VggDepth::D13, true, &Device::flex()),
            vgg16_bn = Vgg::new(VggDepth::D16, true, &Device::flex()),
            vgg19 = Vgg::new(VggDepth::D19, false, &Device::flex()),
            vgg19_bn = Vgg::new(VggDepth::D19, true, &Device::flex()),
        }
    };
    (kinds: $check:path) => {
        $crate::for_every_architecture! { $check,
            convnext_tiny = ConvNeXt::new(ConvNeXtSize::Tiny, &Device::flex()),
            densenet121 = DenseNet::new(&Device::flex()),
            efficientnet_b0 = EfficientNet::new(EfficientNetSize::B0, &Device::flex()),
            inception_v3 = InceptionV3::new(&Device::flex()),
            mobilenet_v2 = MobileNetV2::new(&Device::flex()),
            resnet10 = ResNet::new(ResNetDepth::D10, &Device::flex()),
            resnet18 = ResNet::new(ResNetDepth::D18, &Device::flex()),
            resnet34 = ResNet::new(ResNetDepth::D34, &Device::flex()),
            resnet50 = ResNet::new(ResNetDepth::D50, &Device::flex()),
            resnet101 = ResNet::new(ResNetDepth::D101, &Device::flex()),
            resnet152 = ResNet::new(ResNetDepth::D152, &Device::flex()),
            resnext50_32x4d = ResNet::new(ResNetDepth::X50, &Device::flex()),
            squeezenet1_0 = SqueezeNet::new(SqueezeNetVersion::V1_0, &Device::flex()),
            squeezenet1_1 = SqueezeNet::new(SqueezeNetVersion::V1_1, &Device::flex()),
            vgg11_bn = Vgg::new(VggDepth::D11, true, &Device::flex()),
            vgg16 = Vgg::new(VggDepth::D16, false, &Device::flex()),
        }
    };
    ($check:path, $($name:ident = $backbone:expr,)*) => {
        $(
            #[test]
            fn $name() {
                use burn::prelude::Device;
                #[allow(unused_imports)]
                use tl_models::{
                    ConvNeXt, ConvNeXtSize, DenseNet, EfficientNet, EfficientNetSize, InceptionV3,
                    MobileNetV2, ResNet, ResNetDepth, SmallConv, SqueezeNet, SqueezeNetVersion,
                    Vgg, VggDepth,
                };
                let backbone = $backbone;
                assert_eq!(tl_models::Architecture::name(&backbone), stringify!($name));
                $check(backbone);
            }
        )*
    };
}
