//! How much memory the program holds.

/// Bytes of memory that the program holds now, its own code included; nothing where the system has no
/// `/proc/self/status` to read it from.
pub fn resident_bytes() -> Option<u64> {
    in_status(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The line `VmRSS:   117248 kB`, in bytes.
fn in_status(text: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_resident_memory_is_read_in_bytes() {
        let text = "VmHWM:\t  9999 kB\nVmRSS:\t  117248 kB\nThreads:\t1\n";
        assert_eq!(in_status(text), Some(117_248 * 1024));
        assert_eq!(in_status("VmRSS: many kB\n"), None);
        assert_eq!(in_status(""), None);
    }

    #[test]
    fn memory_that_is_touched_is_held() {
        let Some(before) = resident_bytes() else { return };
        let values = std::hint::black_box(vec![1u8; 64 << 20]);
        let after = resident_bytes().unwrap();
        // Other tests may give memory back meanwhile: half of it is enough.
        assert!(after > before + (32 << 20), "{before} → {after}");
        drop(values);
    }
}
