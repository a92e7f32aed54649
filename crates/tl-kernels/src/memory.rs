//! An allocator that counts, so that a program can say how much memory a step takes before it takes
//! many.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator with a count of the bytes in use and of the most that ever were.
///
/// A program makes it its own:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: tl_kernels::memory::CountingAllocator = tl_kernels::memory::CountingAllocator;
///
/// let before = tl_kernels::memory::in_use();
/// let kilobytes = vec![1u8; 4096];
/// assert!(tl_kernels::memory::in_use() >= before + kilobytes.len());
/// ```
pub struct CountingAllocator;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The bytes in use; 0 in a program with another allocator.
pub fn in_use() -> usize {
    IN_USE.load(Ordering::Relaxed)
}

/// The most bytes that were in use since [`forget_most`].
pub fn most() -> usize {
    MOST.load(Ordering::Relaxed)
}

/// Begins a new count of the most bytes.
pub fn forget_most() {
    MOST.store(in_use(), Ordering::Relaxed);
}

fn taken(bytes: usize) {
    let now = IN_USE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(now, Ordering::Relaxed);
}

fn given_back(bytes: usize) {
    IN_USE.fetch_sub(bytes, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches two atomic numbers and
// never allocates.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are those of `System`.
        let place = unsafe { System.alloc(layout) };
        if !place.is_null() {
            taken(layout.size());
        }
        place
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are those of `System`.
        let place = unsafe { System.alloc_zeroed(layout) };
        if !place.is_null() {
            taken(layout.size());
        }
        place
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's duties are those of `System`.
        unsafe { System.dealloc(place, layout) };
        given_back(layout.size());
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's duties are those of `System`.
        let moved = unsafe { System.realloc(place, layout, size) };
        if !moved.is_null() {
            taken(size);
            given_back(layout.size());
        }
        moved
    }
}

/// A vector of `length` values that nobody has written yet: for kernels that write every one.
#[cfg(feature = "flex")]
pub(crate) fn unwritten(length: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(length);
    // SAFETY: the capacity is `length`, and every bit pattern is an f32; the kernels read no value before they wrote it.
    #[allow(clippy::uninit_vec, reason = "clearing what is overwritten costs a pass over memory")]
    unsafe {
        values.set_len(length);
    }
    values
}
