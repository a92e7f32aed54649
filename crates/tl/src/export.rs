//! A run's network in a file of another library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use tl_core::{Head, TokenPooling};
use tl_kernels::BlockActivation;
use tl_models::{Architecture, Classifier, ExportError, Library, VitConfig, export};

use crate::choice::said;
use crate::{Error, Network, Run, works_on_texts};

/// How the names of files begin that are written without a name.
const EXPORTED: &str = "export-";

/// What was written, and how it is opened there.
#[derive(Clone, Debug)]
pub struct Exported {
    pub file: PathBuf,
    /// A line of the library's language.
    pub open: String,
}

/// Writes the network of the run in `folder`, head and statistics included, under the names that `library` has for it; without
/// `out` as `export-LIBRARY` in the run's folder. The file is read again and is equal bit for bit.
///
/// # Errors
/// No finished run of images there; a network that the library does not have; a file that cannot be written, or that is one of the
/// run's own.
pub fn export_run(
    folder: &Path,
    library: Library,
    out: Option<&Path>,
    device: &Device,
) -> Result<Exported, Error> {
    let run = Run::open(folder, device)?;
    let name = format!("{EXPORTED}{}.{}", library.name(), library.extension());
    let file = out.map_or_else(|| folder.join(name), Path::to_path_buf);
    let extension = file.extension().unwrap_or_default();
    if extension != library.extension() {
        return Err(Error::options(
            format!("{} is written for {}", file.display(), library.name()),
            format!("give --out a name that ends in .{}", library.extension()),
        ));
    }
    run.export_to(library, &file)
}

impl Run {
    /// The same for an open run.
    ///
    /// # Errors
    /// As [`export_run`], and adapters that cannot become part of the weights.
    pub fn export_to(&self, library: Library, file: &Path) -> Result<Exported, Error> {
        if self.holds(file) {
            return Err(Error::options(
                format!("{} is there already, in the run's own folder", file.display()),
                "give --out a name that is free there, or one elsewhere",
            ));
        }
        tl_peft::check_mergeable(&self.model)?;
        let model = tl_peft::detach(self.model.clone());
        let network = &model.backbone;
        if works_on_texts(network.name()) {
            return Err(Error::options(
                format!("{} works on texts, and networks of images are exported", network.name()),
                "write it under the names of transformers with `tl merge`",
            ));
        }
        if let (Network::Vit(vit), Library::Torchvision) = (network, library) {
            of_torchvision(vit.config())?;
        }
        let labels = serde_json::to_string(&self.record.labels).unwrap_or_default();
        let mut metadata: BTreeMap<String, String> = said(network).into_iter().collect();
        metadata.insert("labels".to_string(), labels);
        export(file, &model, library, &metadata).map_err(|error| match error {
            ExportError::Save(inner) => Error::Save(inner),
            other => Error::Export(other),
        })?;
        Ok(Exported { file: file.to_path_buf(), open: opening(&model, library, file) })
    }

    /// Whether `file` is in the run's folder already, where only exports without a name of their own are written anew.
    fn holds(&self, file: &Path) -> bool {
        let (Ok(whole), Ok(folder)) = (file.canonicalize(), self.folder.canonicalize()) else {
            return false;
        };
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        whole.starts_with(folder) && !name.starts_with(EXPORTED)
    }
}

/// Succeeds where torchvision has the transformer; what its tensors show besides is refused when they are named.
fn of_torchvision(config: &VitConfig) -> Result<(), Error> {
    let plain = config.pooling == TokenPooling::Class && config.activation == BlockActivation::Gelu;
    let same_epsilon = (config.epsilon - 1e-6).abs() < 1e-12;
    match plain && same_epsilon {
        true => Ok(()),
        false => Err(Error::options(
            "torchvision's vision transformer answers from the class token, with the exact GELU and epsilon 1e-6, and this one does not",
            "write it with --to timm",
        )),
    }
}

/// The line that opens the file there.
fn opening(model: &Classifier<Network>, library: Library, file: &Path) -> String {
    let (network, classes) = (&model.backbone, model.head.classes());
    let name = network.name();
    let file = file.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    let build = match library {
        Library::Burn => return format!("let network = network.load_file(\"{file}\");"),
        Library::Torchvision => of_torch(network, classes),
        Library::Timm => of_timm(network, classes),
    };
    let mut line =
        format!("m = {build}; m.load_state_dict(safetensors.torch.load_file(\"{file}\"))");
    if name.starts_with("squeezenet") {
        // The head is linear here.
        line += "; m.classifier[2] = torch.nn.Identity()";
    }
    line += "; m.eval()";
    let mut modules = vec!["safetensors.torch", "torch", library.name()];
    if line.contains("functools.partial(") {
        modules.push("functools");
    }
    format!("import {}; {line}", modules.join(", "))
}

fn of_torch(network: &Network, classes: usize) -> String {
    let name = network.name();
    if let Network::Vit(vit) = network {
        let VitConfig { width, heads, depth, patch, image, .. } = vit.config();
        let hidden = 4 * width;
        return format!(
            "torchvision.models.VisionTransformer(image_size={image}, patch_size={patch}, num_layers={depth}, num_heads={heads}, \
             hidden_dim={width}, mlp_dim={hidden}, num_classes={classes})"
        );
    }
    let more = match name {
        "inception_v3" => ", init_weights=False",
        _ => "",
    };
    format!("torchvision.models.get_model(\"{name}\", num_classes={classes}{more})")
}

fn of_timm(network: &Network, classes: usize) -> String {
    let name = network.name();
    let Network::Vit(vit) = network else {
        let name = if name == "mobilenet_v2" { "mobilenetv2_100" } else { name };
        return format!("timm.create_model(\"{name}\", num_classes={classes})");
    };
    let VitConfig { depth, patch, image, .. } = vit.config();
    let config = vit.config();
    let mut more = String::new();
    if config.pooling == TokenPooling::Mean {
        more += ", global_pool=\"avg\", fc_norm=False";
    }
    if config.registers > 0 {
        more += &format!(", reg_tokens={}, no_embed_class=True", config.registers);
    }
    if let Some(scale) = config.layer_scale {
        more += &format!(", init_values={scale}");
    }
    if config.pre_norm {
        more += ", pre_norm=True";
    }
    if (config.epsilon - 1e-6).abs() > 1e-12 {
        more += &format!(
            ", norm_layer=functools.partial(torch.nn.LayerNorm, eps={:e})",
            config.epsilon
        );
    }
    if config.activation == BlockActivation::QuickGelu {
        more += ", act_layer=\"quick_gelu\"";
    }
    format!(
        "timm.create_model(\"{name}_patch16_224\", img_size={image}, patch_size={patch}, depth={depth}, num_classes={classes}{more})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_opens_a_file_builds_the_same_network() {
        let device = crate::device("flex").unwrap();
        let build = |name: &str| Network::by_name(name, &device).unwrap().with_head(5, 0, &device);
        let line = |name: &str, library| opening(&build(name), library, Path::new("a \"b\".bin"));
        assert_eq!(
            line("resnet10", Library::Burn),
            "let network = network.load_file(\"a \\\"b\\\".bin\");"
        );
        let found = line("resnet18", Library::Torchvision);
        let begin = "import safetensors.torch, torch, torchvision; \
                     m = torchvision.models.get_model(\"resnet18\", num_classes=5); ";
        assert!(found.starts_with(begin), "{found}");
        let found = line("mobilenet_v2", Library::Timm);
        let begin = "import safetensors.torch, torch, timm; \
                     m = timm.create_model(\"mobilenetv2_100\", num_classes=5); ";
        assert!(found.starts_with(begin), "{found}");
        let found = line("vit_tiny", Library::Torchvision);
        assert!(
            found.contains("num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768"),
            "{found}"
        );
    }
}
