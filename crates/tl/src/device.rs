//! The one place where the name of a backend is read.

use burn::tensor::Device;

use crate::Error;

/// The backends that this build holds, in the order in which `--help` lists them.
pub fn built_in() -> Vec<&'static str> {
    let mut names = Vec::new();
    if cfg!(feature = "flex") {
        names.push("flex");
    }
    if cfg!(feature = "ndarray") {
        names.push("ndarray");
    }
    if cfg!(feature = "wgpu") {
        names.push("wgpu");
    }
    if cfg!(feature = "cuda") {
        names.push("cuda");
    }
    names
}

/// A device by name: `flex`, `ndarray`, `wgpu`, `cuda`, or one of several as in `cuda:1`.
///
/// # Errors
/// A name that is no backend, a backend that this build does not hold, a device that does not answer.
pub fn device(name: &str) -> Result<Device, Error> {
    let (backend, index) = match name.split_once(':') {
        Some((backend, index)) => {
            let index = index.parse::<usize>().map_err(|_| Error::Device {
                name: name.to_string(),
                problem: format!("\"{index}\" is no number of a device"),
                mend: "write it as in cuda:1".into(),
            })?;
            (backend, Some(index))
        }
        None => (name, None),
    };
    if !["flex", "ndarray", "wgpu", "cuda"].contains(&backend) {
        return Err(Error::Device {
            name: name.to_string(),
            problem: "is no backend".into(),
            mend: format!("choose one of {}", built_in().join(", ")),
        });
    }
    if !built_in().contains(&backend) {
        return Err(Error::Device {
            name: name.to_string(),
            problem: "is not part of this build".into(),
            mend: format!(
                "build with --features {backend}, or choose one of {}",
                built_in().join(", ")
            ),
        });
    }
    if index.is_some() && matches!(backend, "flex" | "ndarray") {
        return Err(Error::Device {
            name: name.to_string(),
            problem: "there is one such device alone".into(),
            mend: format!("write {backend}"),
        });
    }
    open(backend, index).ok_or_else(|| Error::Device {
        name: name.to_string(),
        problem: "does not answer".into(),
        mend: "check the driver and the number, or choose --device flex".into(),
    })
}

/// The device, once it has computed something. A missing driver shows itself as a panic of the backend.
fn open(backend: &str, index: Option<usize>) -> Option<Device> {
    let backend = backend.to_string();
    let attempt = std::panic::catch_unwind(move || {
        let device = construct(&backend, index)?;
        let answer = burn::tensor::Tensor::<1>::ones([2], &device).into_data();
        (answer.num_elements() == 2).then_some(device)
    });
    attempt.ok().flatten()
}

fn construct(backend: &str, index: Option<usize>) -> Option<Device> {
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    let _ = index;
    match backend {
        #[cfg(feature = "flex")]
        "flex" => Some(Device::flex()),
        #[cfg(feature = "ndarray")]
        // Burn has deprecated it; it is kept for those who ask for it.
        #[allow(deprecated)]
        "ndarray" => Some(Device::ndarray()),
        #[cfg(feature = "wgpu")]
        "wgpu" => {
            use burn::tensor::DeviceKind;
            let kind = index.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu);
            Some(Device::wgpu(kind))
        }
        #[cfg(feature = "cuda")]
        "cuda" => Some(Device::cuda(index.unwrap_or(0))),
        _ => None,
    }
}
