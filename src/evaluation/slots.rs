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
    /// Values are written in their cells and looked at there: copying one just after it has been written makes
    /// the processor wait.
    cells: Vec<Kind>,
    current: usize,
}

/// A range of the arena, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Range(u64);

impl Range {
    fn new(start: usize, end: usize) -> Self {
        Self(((start as u64) << 32) | end as u64)
    }

    fn start(self) -> usize {
        (self.0 >> 32) as usize
    }

    fn end(self) -> usize {
        (self.0 & 0xFFFF_FFFF) as usize
    }

    fn is_empty(self) -> bool {
        self.start() == self.end()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not asked for so far.
    #[default]
    Unread,
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
        self.cells[self.current] = Kind::String(self.piece());
    }

    /// The value is neither a string nor a list; appended is its text.
    pub fn set_text(&mut self) {
        self.cells[self.current] = Kind::Text(self.piece());
    }

    /// Appended is the text of one element of a list. Empty ones are dropped, as the rules have it.
    pub fn push_item(&mut self) {
        let item = self.piece();
        if !item.is_empty() {
            self.items.push(item);
        }
    }

    /// The value is the list of the items pushed. What was appended since is its text, if it is asked for.
    pub fn set_list(&mut self) {
        let text = self.piece();
        let items = Range::new(self.first_item, self.items.len());
        self.cells[self.current] = Kind::List { text: (!text.is_empty()).then_some(text), items };
    }

    /// There is a value, but it has no text: no operator matches it, and as an identity it is a member of nothing.
    pub fn set_present(&mut self) {
        self.cells[self.current] = Kind::Present;
    }

    fn piece(&mut self) -> Range {
        if u32::try_from(self.bytes.len()).is_err() {
            // More than four gigabytes of text in one user: what does not fit counts as empty.
            self.bytes.truncate(self.start);
        }
        let range = Range::new(self.start, self.bytes.len());
        self.start = self.bytes.len();
        range
    }

    /// Forgets everything and makes room for as many values.
    pub(super) fn clear(&mut self, cells: usize) {
        self.bytes.clear();
        self.items.clear();
        self.cells.clear();
        self.cells.resize(cells, Kind::Unread);
    }

    pub(super) fn kind(&self, cell: usize) -> &Kind {
        &self.cells[cell]
    }

    /// Puts a value into a cell as `fill` says.
    pub(super) fn put(&mut self, cell: usize, fill: impl FnOnce(&mut Self)) {
        self.cells[cell] = Kind::Missing;
        self.current = cell;
        self.first_item = self.items.len();
        self.start = self.bytes.len();
        fill(self);
    }

    /// Takes a string that is a list in JSON apart. The string stays its text.
    pub(super) fn see_list(&mut self, cell: usize) {
        let Kind::String(range) = self.cells[cell] else { return };
        if self.text(range).first() != Some(&b'[') {
            return;
        }
        let Some(elements) = list_of_text(self.text(range)) else {
            self.cells[cell] = Kind::Text(range);
            return;
        };
        let first = self.items.len();
        self.start = self.bytes.len();
        for element in elements {
            self.bytes.extend_from_slice(&element);
            self.push_item();
        }
        self.cells[cell] = Kind::List { text: Some(range), items: Range::new(first, self.items.len()) };
    }

    pub(super) fn text(&self, range: Range) -> &[u8] {
        &self.bytes[range.start()..range.end()]
    }

    pub(super) fn items(&self, range: Range) -> Items<'_> {
        Items::Arena(&self.bytes, &self.items[range.start()..range.end()])
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
            Self::Arena(bytes, ranges) => &bytes[ranges[index].start()..ranges[index].end()],
            Self::Constant(items) => &items[index],
        })
    }
}
