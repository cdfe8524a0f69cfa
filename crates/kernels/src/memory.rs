//! Large vectors on large pages.
//!
//! Vectors of many megabytes that are read and written all over cost more in page faults and address translation
//! than in work when pages have 4 KiB. Linux gives pages of 2 MiB to those who ask.

use std::mem::MaybeUninit;

/// From this size on the request is worth its system call: two pages of 2 MiB.
const BYTES_MIN: usize = 1 << 22;

/// A vector of `count` times the default value, on large pages where the system has them. The same as
/// `vec![T::default(); count]` in all but time.
#[must_use]
pub fn defaults<T: Copy + Default>(count: usize) -> Vec<T> {
    let mut vector = Vec::with_capacity(count);
    advise(vector.spare_capacity_mut());
    vector.resize(count, T::default());
    vector
}

/// Asks the system for large pages under memory that is not yet used.
fn advise<T>(memory: &mut [MaybeUninit<T>]) {
    if size_of_val(memory) >= BYTES_MIN {
        system::advise(memory);
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::ffi::{c_int, c_void};
    use std::mem::MaybeUninit;

    /// Smallest pages on all targets: the address must be a multiple of it.
    const PAGE: usize = 1 << 16;

    const MADV_HUGEPAGE: c_int = 14;

    unsafe extern "C" {
        fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int;
    }

    pub(super) fn advise<T>(memory: &mut [MaybeUninit<T>]) {
        let bytes = size_of_val(memory);
        let start: *mut c_void = memory.as_mut_ptr().cast();
        let skipped = start.addr().next_multiple_of(PAGE) - start.addr();
        let Some(length) = bytes.checked_sub(skipped) else { return };
        // SAFETY: the range lies in the slice, and this advice changes no content and no right of access. Whether the
        // system follows it does not matter.
        let _answer = unsafe { madvise(start.wrapping_byte_add(skipped), length & !(PAGE - 1), MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::mem::MaybeUninit;

    pub(super) const fn advise<T>(_memory: &mut [MaybeUninit<T>]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_as_long_as_asked_for() {
        for count in [0, 1, 1000, 1 << 18, (1 << 19) + 77] {
            let mut vector = defaults::<u64>(count);
            assert_eq!((vector.len(), vector.iter().all(|word| *word == 0)), (count, true));
            vector.fill(7);
            vector.push(8);
            assert_eq!(vector.iter().sum::<u64>(), 7 * count as u64 + 8);
        }
    }
}
