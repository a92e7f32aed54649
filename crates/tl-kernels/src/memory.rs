//! An allocator that counts, so that a program can say how much memory a step takes before it takes
//! many; and that keeps, so that a step finds the pages of the one before.

use std::alloc::{GlobalAlloc, Layout, System};
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator with a count of the bytes in use and of the most that ever were.
///
/// With glibc, memory that was freed stays with the program instead of going back to the system, and large blocks
/// ask for large pages and begin on lines of the cache: every step of a training needs the same blocks again, and a system that hands them out anew
/// clears them page by page, which took a tenth of a step of ResNet-18.
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

/// From this size on a block asks for large pages: that of two of them, so that a whole one lies within.
const LARGE: usize = 4 << 20;
/// Where a large block begins: on the border of a line of the cache, which kernels that write past the caches need.
const LINE: usize = 64;

/// What is asked of the system's allocator for a block.
fn asked(layout: Layout) -> Layout {
    // Other systems than Unix want a block back as it was asked for, and what it is resized to.
    if cfg!(unix) && layout.size() >= LARGE {
        return layout.align_to(LINE).unwrap_or(layout);
    }
    layout
}

/// Makes the system's allocator keep what is freed. Nothing happens where it is not glibc's.
fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        static ONCE: AtomicBool = AtomicBool::new(false);
        if !ONCE.swap(true, Ordering::Relaxed) {
            // SAFETY: both settings may be made at any time; a value that is refused leaves things as they were.
            unsafe {
                libc::mallopt(libc::M_MMAP_MAX, 0);
                libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
            }
        }
    }
}

/// Asks for large pages where a block of `size` bytes lies. Nothing happens on other systems than Linux.
fn ask_for_large_pages(place: *mut u8, size: usize) {
    #[cfg(target_os = "linux")]
    {
        let page = 2 << 20;
        let begin = (place as usize).next_multiple_of(page);
        let end = (place as usize + size) / page * page;
        if begin < end {
            // SAFETY: the range lies within a block that is the program's; the advice changes no value in it.
            unsafe { libc::madvise(begin as *mut _, end - begin, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (place, size);
}

/// What follows a successful call of the system's allocator.
fn handed_out(place: *mut u8, size: usize) {
    if !place.is_null() {
        taken(size);
        if size >= LARGE {
            ask_for_large_pages(place, size);
        }
    }
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches atomic numbers, advice none of the
// block's values, and neither allocates.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            keep_freed();
        }
        // SAFETY: the caller's duties are those of `System`; Unix frees and resizes a block whatever its alignment was.
        let place = unsafe { System.alloc(asked(layout)) };
        handed_out(place, layout.size());
        place
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are those of `System`.
        let place = unsafe { System.alloc_zeroed(layout) };
        handed_out(place, layout.size());
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
            handed_out(moved, size);
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
