//! The orders in which the results of a selection of flags are read, worked out once per selection.
//!
//! In: the keys under which the flags return their variants, in the order of their outcome codes. Out: the orders
//! of events (JavaScript's property order) and of canonical strings (by UTF-16 code unit).

use std::borrow::Cow;
use std::collections::HashMap;

use crate::ecma::json::array_index;
use crate::ecma::text::compare_utf16;

/// How to read the outcome codes of one selection.
pub struct Layout {
    /// Indexes into the codes, in property order.
    by_property: Box<[u32]>,
    /// Indexes into the codes, sorted by key.
    by_key: Box<[u32]>,
    /// For each code the first one of the same key; only where some key is there twice.
    first_of_key: Option<Box<[u32]>>,
}

impl Layout {
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let keys: Vec<&[u8]> = keys.into_iter().collect();
        let mut by_property: Vec<u32> = (0..keys.len() as u32).collect();
        // Stable: other keys stay in the order in which they came.
        by_property.sort_by_key(|&at| array_index(keys[at as usize]).map_or(u64::MAX, u64::from));
        let mut by_key: Vec<u32> = (0..keys.len() as u32).collect();
        by_key.sort_by(|&a, &b| compare_utf16(keys[a as usize], keys[b as usize]));
        let mut firsts = HashMap::with_capacity(keys.len());
        let first_of_key: Box<[u32]> =
            keys.iter().zip(0..).map(|(&key, at)| *firsts.entry(key).or_insert(at)).collect();
        let has_twins = firsts.len() < keys.len();
        Self {
            by_property: by_property.into_boxed_slice(),
            by_key: by_key.into_boxed_slice(),
            first_of_key: has_twins.then_some(first_of_key),
        }
    }

    /// The codes with one for each key: of several flags that return a variant under one key the last one's
    /// counts, in the place of the first.
    pub(super) fn settle<'a>(&self, codes: &'a [u32]) -> Cow<'a, [u32]> {
        let Some(first_of_key) = &self.first_of_key else { return Cow::Borrowed(codes) };
        let mut settled = vec![0; codes.len()];
        let mut places = HashMap::new();
        for (at, (&code, first)) in
            codes.iter().zip(first_of_key).enumerate().filter(|(_, (code, _))| **code != 0)
        {
            settled[*places.entry(first).or_insert(at)] = code;
        }
        Cow::Owned(settled)
    }

    /// Settled codes in property order, absent ones (0) included.
    pub(super) fn in_property_order(&self, settled: &[u32]) -> impl Iterator<Item = u32> {
        self.by_property.iter().map(|&at| settled.get(at as usize).copied().unwrap_or_default())
    }

    /// Settled codes in the order of canonical strings, absent ones (0) included.
    #[inline]
    pub(super) fn in_key_order(&self, settled: &[u32]) -> impl Iterator<Item = u32> {
        self.by_key.iter().map(|&at| settled.get(at as usize).copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_flags_with_one_key_the_last_counts_in_the_place_of_the_first() {
        let layout = Layout::new([&b"x"[..], b"y", b"x", b"x"]);
        let settled = |codes: &[u32]| layout.in_property_order(&layout.settle(codes)).collect::<Vec<_>>();
        assert_eq!(settled(&[1, 2, 3, 4]), [4, 2, 0, 0]);
        assert_eq!(settled(&[1, 2, 3, 0]), [3, 2, 0, 0]);
        assert_eq!(settled(&[0, 2, 3, 4]), [0, 2, 4, 0]);
        assert_eq!(settled(&[0, 2, 0, 0]), [0, 2, 0, 0]);
    }

    #[test]
    fn indexes_come_first_and_ascend() {
        let layout = Layout::new([&b"b"[..], b"10", b"a", b"9", b"B", b"09"]);
        let codes = [1, 2, 3, 4, 5, 6];
        assert_eq!(layout.in_property_order(&codes).collect::<Vec<_>>(), [4, 2, 1, 3, 5, 6]);
        assert_eq!(layout.in_key_order(&codes).collect::<Vec<_>>(), [6, 2, 4, 5, 3, 1]);
    }
}
