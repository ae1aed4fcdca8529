//! How a set of members is built: collected raw, then packed shard by shard. In: members in any order. Out: the
//! set, to `membership`.

use super::arena::Arena;
use super::bits::width_of;
use super::membership::{Members, Set};
use super::packed::{Packed, SHARDS, shard_of};
use super::packing::{ByteSet, Packing};
use super::plain::Plain;

/// Packing fewer members of one length than this does not pay.
const FEWEST: usize = 256;
/// What the tables of a packing may cost, in bytes per member.
const TABLE_BUDGET: usize = 2;

/// Collects ids and packs them when all are there. The peak is about the bytes of each id and eight more:
/// while one shard is packed the others are still raw or already packed.
#[derive(Default)]
pub(super) struct MembersBuilder {
    arenas: [Arena; SHARDS],
    /// Members too long for an arena, with their ordinals.
    long: Vec<(Box<[u8]>, u32)>,
    ordinals: u32,
}

impl MembersBuilder {
    /// Adds an id (WTF-8), at most 2^32 - 1 times: no server sends more than `maxCohortSize` allows.
    pub(super) fn push(&mut self, member: &[u8]) {
        if member.len() <= Arena::LONGEST {
            self.arenas[shard_of(member)].push(member, self.ordinals);
        } else {
            self.long.push((member.into(), self.ordinals));
        }
        self.ordinals = self.ordinals.saturating_add(1);
    }

    pub(super) fn finish(self) -> Members {
        let ordinal_width = width_of(u64::from(self.ordinals.saturating_sub(1)));
        let surveys = survey(&self.arenas);
        let mut packed: Vec<_> =
            surveys.iter().map(|survey| Some(Packed::new(survey.packing()?, ordinal_width))).collect();
        let mut plain = self.long;
        for arena in self.arenas {
            let shard = |survey: &Survey| Vec::with_capacity(survey.count / SHARDS);
            let mut shards: Vec<_> = surveys.iter().map(shard).collect();
            for offset in arena.offsets() {
                let member = arena.member(offset);
                match &packed[member.len()] {
                    Some(packed) => shards[member.len()].push((packed.head(member), offset)),
                    None => plain.push((member.into(), arena.ordinal(offset))),
                }
            }
            for (packed, shard) in packed.iter_mut().zip(shards) {
                if let Some(packed) = packed {
                    packed.add_shard(shard, &arena);
                }
            }
        }
        let packed = packed.into_iter().enumerate();
        let packed = packed.filter_map(|(length, packed)| Some((length, Set::Packed(packed?))));
        plain.sort_by_key(|(member, _)| member.len());
        let plain = plain.chunk_by(|(a, _), (b, _)| a.len() == b.len()).map(|same_length| {
            let length = same_length[0].0.len();
            let members = same_length.iter().map(|(member, ordinal)| (member.as_ref(), *ordinal));
            (length, Set::Plain(Plain::new(length, members)))
        });
        Members::new(packed.chain(plain).collect(), self.ordinals)
    }
}

/// What is known of the members of one length.
#[derive(Clone, Default)]
struct Survey {
    count: usize,
    /// The bytes at each position.
    seen: Vec<ByteSet>,
}

/// By length.
fn survey(arenas: &[Arena]) -> Vec<Survey> {
    let mut surveys = vec![Survey::default(); Arena::LONGEST + 1];
    for arena in arenas {
        for member in arena.offsets().map(|offset| arena.member(offset)) {
            let survey = &mut surveys[member.len()];
            survey.count += 1;
            survey.seen.resize(member.len(), ByteSet::default());
            survey.seen.iter_mut().zip(member).for_each(|(set, byte)| set.insert(*byte));
        }
    }
    surveys
}

impl Survey {
    /// `None` where packing does not pay.
    fn packing(&self) -> Option<Packing> {
        if self.count < FEWEST { None } else { Packing::new(&self.seen, self.count * TABLE_BUDGET) }
    }
}
