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

/// What is asked of the system's allocator for a large block: room to begin on a border, and before that for where the
/// room begins. (glibc's own aligned blocks leave gaps that no block of the same size fits into again.)
fn room(layout: Layout) -> Option<Layout> {
    let large = layout.size() >= LARGE && layout.align() <= LINE;
    let room = layout.size().checked_add(2 * LINE).filter(|_| large)?;
    Layout::from_size_align(room, align_of::<usize>()).ok()
}

/// The border within the room that begins at `start`.
///
/// # Safety
/// The room is of [`room`].
unsafe fn to_border(start: *mut u8) -> *mut u8 {
    if start.is_null() {
        return start;
    }
    // At least the size of an address lies before the border, at most two lines.
    let gap = 2 * LINE - start as usize % LINE;
    // SAFETY: the room reaches two lines beyond the block, and an address before the border lies within it.
    unsafe {
        let border = start.add(gap);
        border.cast::<*mut u8>().sub(1).write_unaligned(start);
        border
    }
}

/// Where the room of the block at `border` begins.
///
/// # Safety
/// The block is one of [`to_border`].
unsafe fn from_border(border: *mut u8) -> *mut u8 {
    // SAFETY: `to_border` wrote it there.
    unsafe { border.cast::<*mut u8>().sub(1).read_unaligned() }
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

// SAFETY: every call goes to the system's allocator, for a large block with room around it; counting touches atomic
// numbers, advice none of the block's values, and neither allocates.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duties are those of `System`; a room is larger than its block.
        let place = unsafe {
            match room(layout) {
                Some(room) => {
                    keep_freed();
                    to_border(System.alloc(room))
                }
                None => System.alloc(layout),
            }
        };
        handed_out(place, layout.size());
        place
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let place = unsafe {
            match room(layout) {
                Some(room) => {
                    keep_freed();
                    to_border(System.alloc_zeroed(room))
                }
                None => System.alloc_zeroed(layout),
            }
        };
        handed_out(place, layout.size());
        place
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's duties are those of `System`; a block with a room was made with one.
        unsafe {
            match room(layout) {
                Some(room) => System.dealloc(from_border(place), room),
                None => System.dealloc(place, layout),
            }
        }
        given_back(layout.size());
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches that `size` makes a layout with this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the caller's duties are those of `System`; the new block is apart from the old one.
        unsafe {
            if room(layout).is_none() && room(wanted).is_none() {
                let moved = System.realloc(place, layout, size);
                if !moved.is_null() {
                    handed_out(moved, size);
                    given_back(layout.size());
                }
                return moved;
            }
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(place, layout.size().min(size));
                self.dealloc(place, layout);
            }
            moved
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_all_sizes_keep_their_values_when_they_grow_and_shrink() {
        let sizes = [1, 100, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE, LARGE / 2, 7];
        let layout = |size| Layout::from_size_align(size, 8).unwrap();
        // SAFETY: every block is used within its size, and given back with its layout.
        unsafe {
            let mut place = CountingAllocator.alloc_zeroed(layout(sizes[0]));
            let mut size = sizes[0];
            assert_eq!(place.read(), 0);
            place.write(17);
            for next in sizes.into_iter().skip(1) {
                place = CountingAllocator.realloc(place, layout(size), next);
                assert_eq!(place.read(), 17, "{size} to {next}");
                if next >= LARGE {
                    assert_eq!(place as usize % LINE, 0);
                }
                place.add(next - 1).write(3);
                place.write(17);
                size = next;
            }
            CountingAllocator.dealloc(place, layout(size));
            for size in [LARGE, 2 * LARGE + 5] {
                let place = CountingAllocator.alloc_zeroed(layout(size));
                assert!(std::slice::from_raw_parts(place, size).iter().all(|&value| value == 0));
                CountingAllocator.dealloc(place, layout(size));
            }
        }
    }
}
