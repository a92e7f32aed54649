//! An allocator that counts, so that a program can say how much memory a step takes before it takes many; and that
//! hands the large blocks of one step to the next.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The system's allocator with a count of the bytes in use and of the most that ever were.
///
/// A large block that is freed is kept for the next request of its size: the system would take it back, and clear and
/// map every page of it again. What is in use and what is kept are together at most 64 MiB more than the most that was
/// in use at once.
///
/// A program makes it its own:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: tl_kernels::memory::Allocator = tl_kernels::memory::Allocator;
///
/// let before = tl_kernels::memory::in_use();
/// let kilobytes = vec![1u8; 4096];
/// assert!(tl_kernels::memory::in_use() >= before + kilobytes.len());
/// ```
pub struct Allocator;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
/// The most bytes in use since the start; [`forget_most`] leaves it.
static EVER: AtomicUsize = AtomicUsize::new(0);
static SHELF: Shelf = Shelf::new();

/// Smaller blocks go to the system, which keeps such itself.
const LARGE: usize = 1 << 18;
/// Bytes that may be kept beyond the most that was in use, so that the sizes of a small program all find a place.
const SLACK: usize = 64 << 20;
/// Blocks that are kept at most.
const PLACES: usize = 512;

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
    EVER.fetch_max(now, Ordering::Relaxed);
}

fn given_back(bytes: usize) {
    IN_USE.fetch_sub(bytes, Ordering::Relaxed);
}

/// The layout that a large block is requested with, an eighth larger at most, so that requests of nearly one size
/// share their blocks. The same for every layout of the same size and alignment.
fn rounded(layout: Layout) -> Layout {
    let size = layout.size();
    if size < LARGE {
        return layout;
    }
    let step = size.next_power_of_two() / 16;
    match size.checked_next_multiple_of(step) {
        Some(size) => Layout::from_size_align(size, layout.align()).unwrap_or(layout),
        None => layout,
    }
}

/// Freed blocks.
struct Shelf {
    locked: AtomicBool,
    kept: UnsafeCell<Kept>,
}

struct Kept {
    blocks: [(*mut u8, Layout); PLACES],
    count: usize,
    bytes: usize,
}

// SAFETY: `kept` is reached through `Shelf::with` alone, which lets in one thread at a time.
unsafe impl Sync for Shelf {}

impl Shelf {
    const fn new() -> Self {
        let kept =
            Kept { blocks: [(ptr::null_mut(), Layout::new::<u8>()); PLACES], count: 0, bytes: 0 };
        Self { locked: AtomicBool::new(false), kept: UnsafeCell::new(kept) }
    }

    /// A lock of the standard library could allocate.
    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        while self.locked.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        // SAFETY: the swap let in this thread alone, until the store below; `work` does not panic.
        let result = work(unsafe { &mut *self.kept.get() });
        self.locked.store(false, Ordering::Release);
        result
    }
}

impl Kept {
    /// The block that was kept last among those of this layout: the likeliest to be in a cache.
    fn take(&mut self, layout: Layout) -> Option<*mut u8> {
        let found = (0..self.count).rev().find(|&place| self.blocks[place].1 == layout)?;
        Some(self.remove(found))
    }

    fn remove(&mut self, place: usize) -> *mut u8 {
        let (block, layout) = self.blocks[place];
        self.blocks.copy_within(place + 1..self.count, place);
        self.count -= 1;
        self.bytes -= layout.size();
        block
    }

    /// Frees blocks, the oldest first, until `bytes` more may be kept or requested.
    fn make_room(&mut self, bytes: usize) {
        let most = EVER.load(Ordering::Relaxed) + SLACK;
        while self.count > 0 && in_use() + self.bytes + bytes > most {
            let (_, layout) = self.blocks[0];
            let block = self.remove(0);
            // SAFETY: the block came from the system with this layout, and left the shelf.
            unsafe { System.dealloc(block, layout) };
        }
    }

    /// Keeps a block, or says that there is no place for it.
    fn put(&mut self, block: *mut u8, layout: Layout) -> bool {
        if self.count == PLACES {
            return false;
        }
        self.make_room(layout.size());
        self.blocks[self.count] = (block, layout);
        self.count += 1;
        self.bytes += layout.size();
        true
    }
}

/// A block of the shelf, or none after making room for a new one.
fn from_shelf(layout: Layout) -> Option<*mut u8> {
    if layout.size() < LARGE {
        return None;
    }
    SHELF.with(|kept| {
        let found = kept.take(layout);
        if found.is_none() {
            kept.make_room(layout.size());
        }
        found
    })
}

// SAFETY: every block comes from the system with its rounded layout and goes back with the same; a block on the shelf
// belongs to nobody. Counting touches atomic numbers and never allocates.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let layout = rounded(layout);
        // SAFETY: the caller's duties are those of `System`; rounding keeps a size above 0.
        let block = from_shelf(layout).unwrap_or_else(|| unsafe { System.alloc(layout) });
        if !block.is_null() {
            taken(layout.size());
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let layout = rounded(layout);
        let block = match from_shelf(layout) {
            Some(block) => {
                // SAFETY: the block has this size and is nobody else's.
                unsafe { ptr::write_bytes(block, 0, layout.size()) };
                block
            }
            // SAFETY: as in `alloc`.
            None => unsafe { System.alloc_zeroed(layout) },
        };
        if !block.is_null() {
            taken(layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let layout = rounded(layout);
        given_back(layout.size());
        if layout.size() >= LARGE && SHELF.with(|kept| kept.put(block, layout)) {
            return;
        }
        // SAFETY: the block came from the system with this layout.
        unsafe { System.dealloc(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let old = rounded(layout);
        let Ok(new) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        let new = rounded(new);
        if new == old {
            return block;
        }
        // SAFETY: the block came from the system with the layout `old`; the new size is above 0 as the caller's is.
        let moved = unsafe { System.realloc(block, old, new.size()) };
        if !moved.is_null() {
            taken(new.size());
            given_back(old.size());
        }
        moved
    }
}

/// A vector of `length` values that nobody has written yet: for kernels that write every one.
pub(crate) fn unwritten(length: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(length);
    // SAFETY: the capacity is `length`, and every bit pattern is an f32; the kernels read no value before they wrote it.
    #[allow(clippy::uninit_vec, reason = "clearing what is overwritten costs a pass over memory")]
    unsafe {
        values.set_len(length);
    }
    values
}
