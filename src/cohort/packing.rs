//! How strings of one length become numbers: each position has an alphabet (the bytes seen there), so a string
//! is a number written in mixed radix. Constant positions cost nothing, a digit 3.3 bits, a UUID 122.
//!
//! The numbers keep the order of the bytes, and no two strings share one: nothing here is a hash.

use std::ops::Range;

use super::bits::width_of;

/// A byte which is not in the alphabet. So an alphabet may hold at most 255 bytes.
const FOREIGN: u8 = u8::MAX;

#[derive(Clone)]
struct Alphabet {
    /// The rank of each byte among `bytes`, or [`FOREIGN`].
    ranks: [u8; 256],
    bytes: Box<[u8]>,
}

/// What one position of a string can hold.
#[derive(Clone, Copy)]
struct Position {
    /// Which alphabet it has.
    alphabet: u8,
    /// How many bytes that has: at most 255.
    radix: u8,
}

/// Neighbouring positions whose number fits in 64 bits.
#[derive(Clone)]
struct Group {
    positions: Range<usize>,
    /// The largest number there can be.
    max: u64,
    /// Where the second half of the positions begins. The halves are encoded by themselves, at the same time.
    middle: usize,
    /// How many numbers the second half has, which is what one of the first counts (2^64 as 0: then the first is 0).
    scale: u64,
}

/// The alphabets of the strings of one length, and the groups of positions that are encoded together.
#[derive(Clone)]
pub(super) struct Packing {
    alphabets: Vec<Alphabet>,
    positions: Vec<Position>,
    groups: Vec<Group>,
}

impl Packing {
    /// For strings of these alphabets, given as the set of bytes of each position (at most 256 of them).
    /// `None` where packing does not pay: when the tables alone take more than `budget` bytes, or when a
    /// position uses every byte there is.
    pub(super) fn new(seen: &[ByteSet], budget: usize) -> Option<Self> {
        let mut distinct: Vec<&ByteSet> = Vec::new();
        let mut positions = Vec::with_capacity(seen.len());
        for set in seen {
            let found = distinct.iter().position(|known| *known == set);
            let index = found.unwrap_or(distinct.len());
            if found.is_none() {
                distinct.push(set);
            }
            positions.push(u8::try_from(index).ok()?);
        }
        if distinct.len() * size_of::<Alphabet>() > budget {
            return None;
        }
        let alphabets = distinct.into_iter().map(Alphabet::new).collect::<Option<Vec<_>>>()?;
        let position = |alphabet: u8| {
            let radix = u8::try_from(alphabets[usize::from(alphabet)].bytes.len()).ok()?;
            Some(Position { alphabet, radix })
        };
        let positions = positions.into_iter().map(position).collect::<Option<Vec<_>>>()?;
        let groups = groups(&positions);
        Some(Self { alphabets, positions, groups })
    }

    /// How many numbers a string becomes: at least one.
    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The largest number that [`Packing::encode`] gives for this group.
    pub(super) fn max(&self, group: usize) -> u64 {
        self.groups[group].max
    }

    /// The bits the numbers of this group take.
    pub(super) fn width(&self, group: usize) -> u32 {
        width_of(self.max(group))
    }

    /// The number of one group of a string of this length; `None` when a byte is not in its alphabet, so that
    /// the string cannot be a member.
    pub(super) fn encode(&self, group: usize, member: &[u8]) -> Option<u64> {
        let Group { positions, middle, scale, .. } = &self.groups[group];
        let (first, is_first_known) = self.encode_positions(positions.start..*middle, member);
        let (second, is_second_known) = self.encode_positions(*middle..positions.end, member);
        (is_first_known & is_second_known).then(|| first.wrapping_mul(*scale).wrapping_add(second))
    }

    /// The number of neighbouring positions, and whether all their bytes are in the alphabets; else it is anything.
    #[inline]
    fn encode_positions(&self, positions: Range<usize>, member: &[u8]) -> (u64, bool) {
        let mut number = 0u64;
        let mut is_known = true;
        for (&byte, position) in member[positions.clone()].iter().zip(&self.positions[positions]) {
            let rank = self.alphabets[usize::from(position.alphabet)].ranks[usize::from(byte)];
            is_known &= rank != FOREIGN;
            number = number.wrapping_mul(position.radix.into()).wrapping_add(u64::from(rank));
        }
        (number, is_known)
    }

    /// Undoes [`Packing::encode`]: writes the bytes of this group into `member`.
    pub(super) fn decode(&self, group: usize, mut number: u64, member: &mut [u8]) {
        for position in self.groups[group].positions.clone().rev() {
            let Position { alphabet, radix } = self.positions[position];
            let radix = u64::from(radix);
            member[position] = self.alphabets[usize::from(alphabet)].bytes[(number % radix) as usize];
            number /= radix;
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.alphabets.capacity() * size_of::<Alphabet>()
            + self.alphabets.iter().map(|alphabet| alphabet.bytes.len()).sum::<usize>()
            + self.positions.capacity() * size_of::<Position>()
            + self.groups.capacity() * size_of::<Group>()
    }
}

impl Alphabet {
    fn new(set: &ByteSet) -> Option<Self> {
        let bytes: Box<[u8]> = (0..=u8::MAX).filter(|byte| set.contains(*byte)).collect();
        let mut ranks = [FOREIGN; 256];
        for (rank, byte) in bytes.iter().enumerate() {
            ranks[usize::from(*byte)] = u8::try_from(rank).ok().filter(|rank| *rank != FOREIGN)?;
        }
        Some(Self { ranks, bytes })
    }
}

fn groups(positions: &[Position]) -> Vec<Group> {
    let radix = |position: usize| u64::from(positions[position].radix);
    let mut groups = Vec::new();
    let mut group = (0..0, 0);
    for position in 0..positions.len() {
        let (range, max) = &group;
        // With `count` numbers so far there will be `count * radix`: the largest is one less.
        let larger = u128::from(radix(position)) * (u128::from(*max) + 1) - 1;
        match u64::try_from(larger) {
            Ok(max) => group = (range.start..position + 1, max),
            Err(_) => {
                groups.push(std::mem::replace(&mut group, (position..position + 1, radix(position) - 1)))
            }
        }
    }
    groups.push(group);
    let whole = |(positions, max): (Range<usize>, u64)| {
        let middle = positions.start + positions.len() / 2;
        let scale = (middle..positions.end).map(radix).fold(1, u64::wrapping_mul);
        Group { positions, max, middle, scale }
    };
    groups.into_iter().map(whole).collect()
}

/// The bytes seen at one position.
#[derive(Clone, Default, PartialEq)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(super) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte / 64)] |= 1 << (byte % 64);
    }

    fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte / 64)] & (1 << (byte % 64)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packing(members: &[&[u8]]) -> Option<Packing> {
        let mut seen = vec![ByteSet::default(); members[0].len()];
        for member in members {
            seen.iter_mut().zip(*member).for_each(|(set, byte)| set.insert(*byte));
        }
        Packing::new(&seen, usize::MAX)
    }

    #[test]
    fn a_position_costs_what_its_alphabet_needs() {
        let width = |members: &[&[u8]]| packing(members).unwrap().width(0);
        assert_eq!(width(&[b"same"]), 0);
        assert_eq!(width(&[b"user-0", b"user-1"]), 1);
        // Three of ten digits: 27 numbers, five bits.
        assert_eq!(width(&[b"000", b"111", b"999"]), 5);
    }

    #[test]
    fn numbers_keep_the_order_and_come_back() {
        let members: Vec<Vec<u8>> =
            (0..=254u8).map(|i| (0..40).map(|j| i.wrapping_mul(j).wrapping_add(i) % 255).collect()).collect();
        let slices: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
        let packing = packing(&slices).unwrap();
        assert!(packing.groups() > 1);
        let numbers = |member: &[u8]| {
            (0..packing.groups()).map(|g| packing.encode(g, member).unwrap()).collect::<Vec<_>>()
        };
        for member in &members {
            let mut decoded = vec![0; member.len()];
            for (group, number) in numbers(member).into_iter().enumerate() {
                assert!(number <= packing.max(group));
                packing.decode(group, number, &mut decoded);
            }
            assert_eq!(decoded, *member);
            assert_eq!(numbers(member).cmp(&numbers(&members[7])), member.cmp(&members[7]));
        }
    }

    #[test]
    fn a_group_may_fill_all_sixty_four_bits() {
        let members: Vec<Vec<u8>> = (0..16u8).map(|digit| vec![digit; 17]).collect();
        let slices: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
        let packing = packing(&slices).unwrap();
        assert_eq!((packing.groups(), packing.max(0), packing.max(1)), (2, u64::MAX, 15));
        assert_eq!(packing.encode(0, &members[15]), Some(u64::MAX));
        assert_eq!(packing.encode(1, b"0123456789abcdef0"), None, "not in the alphabet");
    }

    #[test]
    fn what_does_not_pay_is_refused() {
        let every: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
        let slices: Vec<&[u8]> = every.iter().map(<[u8; 1]>::as_slice).collect();
        assert!(packing(&slices).is_none());
        assert!(Packing::new(&[ByteSet::default()], 100).is_none());
    }
}
