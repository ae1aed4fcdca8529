//! How a user's values reach the evaluation: slot by slot, when first needed, into one reusable arena.

use crate::ecma::json::list_of_text;

/// Reads the values of one user.
pub trait Slots {
    /// Puts the value of a slot into the buffer: at most one of its `set_…` calls, none for a missing value.
    /// Called at most once per slot and evaluation.
    fn read(&mut self, slot: u32, into: &mut SlotBuffer);
}

/// Takes one value. All values of an evaluation share its memory.
///
/// Append the WTF-8 bytes of a text to [`bytes`](Self::bytes), then say what they are.
#[derive(Debug, Default)]
pub struct SlotBuffer {
    bytes: Vec<u8>,
    /// Start of the piece that is being appended.
    start: usize,
    /// Ranges of the elements of lists.
    items: Vec<Range>,
    first_item: usize,
    kind: Kind,
}

/// A range of the arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Range {
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Missing,
    /// A JavaScript string: may be a list in JSON.
    String(Range),
    /// The text of a value that is neither a string nor a list.
    Text(Range),
    List {
        text: Option<Range>,
        items: Range,
    },
    Present,
}

impl SlotBuffer {
    /// Where to append the bytes of the next text. Leave alone what is there.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The value is the JavaScript string appended.
    pub fn set_string(&mut self) {
        self.kind = Kind::String(self.piece());
    }

    /// The value is neither a string nor a list; appended is its text.
    pub fn set_text(&mut self) {
        self.kind = Kind::Text(self.piece());
    }

    /// Appended is the text of one element of a list. Empty ones are dropped, as the rules have it.
    pub fn push_item(&mut self) {
        let item = self.piece();
        if item.start != item.end {
            self.items.push(item);
        }
    }

    /// The value is the list of the items pushed. What was appended since is its text, if it is asked for.
    pub fn set_list(&mut self) {
        let text = self.piece();
        let items = Range { start: self.first_item, end: self.items.len() };
        self.kind = Kind::List { text: (text.start != text.end).then_some(text), items };
    }

    /// For an identity: there is one, but it is not a string, so that it is a member of nothing.
    pub fn set_present(&mut self) {
        self.kind = Kind::Present;
    }

    fn piece(&mut self) -> Range {
        let range = Range { start: self.start, end: self.bytes.len() };
        self.start = self.bytes.len();
        range
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
        self.start = 0;
    }

    /// The next value, as `fill` puts it in.
    pub(super) fn take(&mut self, fill: impl FnOnce(&mut Self)) -> Kind {
        self.kind = Kind::Missing;
        self.first_item = self.items.len();
        self.start = self.bytes.len();
        fill(self);
        self.kind
    }

    /// The kind again, a string that is a list in JSON taken apart. The string stays its text.
    pub(super) fn with_list(&mut self, kind: Kind) -> Kind {
        let Kind::String(range) = kind else { return kind };
        if self.bytes.get(range.start) != Some(&b'[') || range.start == range.end {
            return Kind::Text(range);
        }
        let Some(elements) = list_of_text(self.text(range)) else { return Kind::Text(range) };
        let Kind::List { items, .. } = self.take(|buffer| {
            for element in elements {
                buffer.bytes.extend_from_slice(&element);
                buffer.push_item();
            }
            buffer.set_list();
        }) else {
            return Kind::Text(range);
        };
        Kind::List { text: Some(range), items }
    }

    pub(super) fn text(&self, range: Range) -> &[u8] {
        &self.bytes[range.start..range.end]
    }

    pub(super) fn items(&self, range: Range) -> Items<'_> {
        Items::Arena(&self.bytes, &self.items[range.start..range.end])
    }
}

/// The elements of a list.
#[derive(Clone, Copy)]
pub(super) enum Items<'a> {
    Arena(&'a [u8], &'a [Range]),
    Constant(&'a [Box<[u8]>]),
}

impl<'a> Items<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Arena(_, ranges) => ranges.len(),
            Self::Constant(items) => items.len(),
        }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).map(move |index| match self {
            Self::Arena(bytes, ranges) => &bytes[ranges[index].start..ranges[index].end],
            Self::Constant(items) => &items[index],
        })
    }
}
