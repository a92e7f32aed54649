//! The blocks of Inception: branches side by side, their channels one behind the other.

use burn::prelude::*;
use tl_kernels::{Conv2dConfig, Nonlinearity, average_pool, concatenate, max_pool};

use crate::unit::ConvNorm;

/// The epsilon of every norm.
const EPSILON: f64 = 1e-3;

/// `relu(norm(conv(x)))`
pub(super) fn unit(config: Conv2dConfig, device: &Device) -> ConvNorm {
    let mut unit = ConvNorm::new(config, device);
    unit.norm = unit.norm.with_epsilon(EPSILON);
    unit
}

/// What a branch begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pooling {
    None,
    /// Means of 3×3 pixels, the size stays.
    Average,
    /// The greatest of 3×3 pixels, the size is halved.
    Greatest,
}

/// A convolution by its name in torchvision: channels, height and width of the kernel, stride.
type Layer = (&'static str, usize, [usize; 2], usize);

/// A pooling or none, and convolutions one after the other; in some the last two stand side by side.
#[derive(Module, Debug)]
pub struct Branch {
    pub units: Vec<ConvNorm>,
    #[module(skip)]
    names: Vec<&'static str>,
    #[module(skip)]
    pooling: Pooling,
    #[module(skip)]
    forked: bool,
}

impl Branch {
    fn new(input: usize, layers: &[Layer], forked: bool, device: &Device) -> Self {
        let (mut width, last) = (input, layers.len().saturating_sub(1));
        let mut units = Vec::new();
        for (place, (_, output, kernel, stride)) in layers.iter().enumerate() {
            let config = match stride {
                1 => Conv2dConfig::same_size([width, *output], *kernel),
                stride => Conv2dConfig::new([width, *output], kernel[0]).stride(*stride),
            };
            units.push(unit(config, device));
            if !(forked && place + 1 == last) {
                width = *output;
            }
        }
        let names = layers.iter().map(|layer| layer.0).collect();
        Self { units, names, pooling: Pooling::None, forked }
    }

    fn behind(self, pooling: Pooling) -> Self {
        Self { pooling, ..self }
    }

    fn forward(&self, input: Tensor<4>) -> Vec<Tensor<4>> {
        let relu = Nonlinearity::Relu;
        let input = match self.pooling {
            Pooling::None => input,
            Pooling::Average => average_pool(input, 3, 1, 1),
            Pooling::Greatest => max_pool(input, 3, 2, 0),
        };
        let chain = |units: &[ConvNorm], input| {
            units.iter().fold(input, |map: Tensor<4>, unit| unit.forward(map, relu))
        };
        match self.units.as_slice() {
            [before @ .., first, second] if self.forked => {
                let map = chain(before, input);
                vec![first.forward(map.clone(), relu), second.forward(map, relu)]
            }
            units => vec![chain(units, input)],
        }
    }
}

/// Branches over the same map.
#[derive(Module, Debug)]
pub struct Mixed {
    pub branches: Vec<Branch>,
}

impl Mixed {
    /// torchvision's `InceptionA`, for maps of an eighth of the image.
    pub(super) fn a(input: usize, pooled: usize, device: &Device) -> Self {
        let (one, three, five) = ([1; 2], [3; 2], [5; 2]);
        Self::new(
            input,
            &[
                &[("branch1x1", 64, one, 1)],
                &[("branch5x5_1", 48, one, 1), ("branch5x5_2", 64, five, 1)],
                &[
                    ("branch3x3dbl_1", 64, one, 1),
                    ("branch3x3dbl_2", 96, three, 1),
                    ("branch3x3dbl_3", 96, three, 1),
                ],
            ],
            device,
        )
        .and(Self::pooled(input, pooled, device))
    }

    /// `InceptionB`, which halves the map.
    pub(super) fn b(input: usize, device: &Device) -> Self {
        let (one, three) = ([1; 2], [3; 2]);
        Self::new(
            input,
            &[
                &[("branch3x3", 384, three, 2)],
                &[
                    ("branch3x3dbl_1", 64, one, 1),
                    ("branch3x3dbl_2", 96, three, 1),
                    ("branch3x3dbl_3", 96, three, 2),
                ],
            ],
            device,
        )
        .and(Branch::new(input, &[], false, device).behind(Pooling::Greatest))
    }

    /// `InceptionC`, with `inner` channels between convolutions of rows and of columns.
    pub(super) fn c(input: usize, inner: usize, device: &Device) -> Self {
        let (one, row, column) = ([1; 2], [1, 7], [7, 1]);
        Self::new(
            input,
            &[
                &[("branch1x1", 192, one, 1)],
                &[
                    ("branch7x7_1", inner, one, 1),
                    ("branch7x7_2", inner, row, 1),
                    ("branch7x7_3", 192, column, 1),
                ],
                &[
                    ("branch7x7dbl_1", inner, one, 1),
                    ("branch7x7dbl_2", inner, column, 1),
                    ("branch7x7dbl_3", inner, row, 1),
                    ("branch7x7dbl_4", inner, column, 1),
                    ("branch7x7dbl_5", 192, row, 1),
                ],
            ],
            device,
        )
        .and(Self::pooled(input, 192, device))
    }

    /// `InceptionD`, which halves the map.
    pub(super) fn d(input: usize, device: &Device) -> Self {
        let (one, three) = ([1; 2], [3; 2]);
        Self::new(
            input,
            &[
                &[("branch3x3_1", 192, one, 1), ("branch3x3_2", 320, three, 2)],
                &[
                    ("branch7x7x3_1", 192, one, 1),
                    ("branch7x7x3_2", 192, [1, 7], 1),
                    ("branch7x7x3_3", 192, [7, 1], 1),
                    ("branch7x7x3_4", 192, three, 2),
                ],
            ],
            device,
        )
        .and(Branch::new(input, &[], false, device).behind(Pooling::Greatest))
    }

    /// `InceptionE`, in which rows and columns stand side by side.
    pub(super) fn e(input: usize, device: &Device) -> Self {
        let (one, row, column) = ([1; 2], [1, 3], [3, 1]);
        let forked = |layers: &[Layer]| Branch::new(input, layers, true, device);
        Self::new(input, &[&[("branch1x1", 320, one, 1)]], device)
            .and(forked(&[
                ("branch3x3_1", 384, one, 1),
                ("branch3x3_2a", 384, row, 1),
                ("branch3x3_2b", 384, column, 1),
            ]))
            .and(forked(&[
                ("branch3x3dbl_1", 448, one, 1),
                ("branch3x3dbl_2", 384, [3; 2], 1),
                ("branch3x3dbl_3a", 384, row, 1),
                ("branch3x3dbl_3b", 384, column, 1),
            ]))
            .and(Self::pooled(input, 192, device))
    }

    fn new(input: usize, branches: &[&[Layer]], device: &Device) -> Self {
        let branch = |layers: &&[Layer]| Branch::new(input, layers, false, device);
        Self { branches: branches.iter().map(branch).collect() }
    }

    fn and(mut self, branch: Branch) -> Self {
        self.branches.push(branch);
        self
    }

    fn pooled(input: usize, output: usize, device: &Device) -> Branch {
        let layers = [("branch_pool", output, [1; 2], 1)];
        Branch::new(input, &layers, false, device).behind(Pooling::Average)
    }

    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let maps = self.branches.iter().flat_map(|branch| branch.forward(input.clone()));
        concatenate(maps.collect())
    }

    /// torchvision's name of a convolution by its place.
    pub(super) fn name(&self, branch: usize, unit: usize) -> Option<&'static str> {
        self.branches.get(branch)?.names.get(unit).copied()
    }
}
