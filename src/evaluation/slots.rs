//! How a user's values reach the evaluation: slot by slot, when first needed, into one reusable arena.

use super::subject::Subject;
use crate::ecma::json::list_of_text;
use crate::ecma::{case, number};
use crate::plan::condition::ConstantText;
use crate::plan::version::Version;
use crate::plan::words::{Lexicon, Word};

/// Reads the values of one user.
pub trait Slots {
    /// Puts the value of a slot into the buffer: at most one of its `set_…` calls, none for a missing value.
    /// Called at most once per slot and evaluation.
    fn read(&mut self, slot: u32, into: &mut SlotBuffer);

    /// Another slot whose value is the string, or the missing value, that an identity is: reading it twice would be one
    /// time too many.
    fn twin(&self, _identity: u32) -> Option<u32> {
        None
    }
}

/// Takes one value. All values of an evaluation share its memory.
///
/// Append the WTF-8 bytes of a text to [`bytes`](Self::bytes), then say what they are.
#[derive(Debug, Default)]
pub struct SlotBuffer {
    bytes: Vec<u8>,
    /// Start of the piece that is being appended.
    start: usize,
    /// The elements of lists.
    items: Vec<Item>,
    first_item: usize,
    /// Values are written in their cells and looked at there: copying one just after it has been written makes
    /// the processor wait.
    cells: Vec<Cell>,
    /// By cell: what has been worked out of its text.
    findings: Vec<Findings>,
    current: usize,
}

/// A range of the arena, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Range(u64);

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

/// An element of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    text: Range,
    word: Word,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    kind: Kind,
    /// Which findings hold.
    found: u8,
    word: Word,
    /// Empty where a list has no text.
    text: Range,
    items: Range,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not asked for so far.
    #[default]
    Unread,
    Missing,
    /// A text that is no list.
    Text,
    /// A JavaScript string that may be a list in JSON.
    Bracket,
    List,
    Present,
}

/// What conditions ask of a text, worked out once an evaluation.
#[derive(Clone, Copy, Debug, Default)]
struct Findings {
    number: f64,
    lower: Range,
    version: ([f64; 3], Option<u32>),
}

const WORD: u8 = 1;
const NUMBER: u8 = 2;
const LOWER: u8 = 4;
const VERSION: u8 = 8;
/// Not a version.
const NO_VERSION: u8 = 16;
/// The words of a list's items.
const ITEM_WORDS: u8 = 32;
/// The word is known, and equals no filter value.
const STRANGER: u8 = 64;

impl SlotBuffer {
    /// Where to append the bytes of the next text. Leave alone what is there.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The value is the JavaScript string appended.
    pub fn set_string(&mut self) {
        let text = self.piece();
        let is_bracket = self.bytes.get(text.start()) == Some(&b'[') && !text.is_empty();
        self.set(if is_bracket { Kind::Bracket } else { Kind::Text }, text);
    }

    /// The value is neither a string nor a list; appended is its text.
    pub fn set_text(&mut self) {
        let text = self.piece();
        self.set(Kind::Text, text);
    }

    /// Appended is the text of one element of a list. Empty ones are dropped, as the rules have it.
    pub fn push_item(&mut self) {
        let text = self.piece();
        if !text.is_empty() {
            self.items.push(Item { text, word: Word::default() });
        }
    }

    /// The value is the list of the items pushed. What was appended since is its text, if it is asked for.
    pub fn set_list(&mut self) {
        let text = self.piece();
        self.set(Kind::List, text);
        self.cells[self.current].items = Range::new(self.first_item, self.items.len());
    }

    /// There is a value, but it has no text: no operator matches it, and as an identity it is a member of nothing.
    pub fn set_present(&mut self) {
        self.set(Kind::Present, Range::default());
    }

    fn set(&mut self, kind: Kind, text: Range) {
        let cell = &mut self.cells[self.current];
        cell.kind = kind;
        cell.text = text;
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

    /// Forgets the values in these cells, the only ones that will be asked for, of so many in all.
    pub(super) fn begin(&mut self, count: usize, cells: impl Iterator<Item = usize>) {
        self.bytes.clear();
        self.items.clear();
        if self.cells.len() != count {
            self.cells.clear();
            self.cells.resize(count, Cell::default());
            self.findings.resize(count, Findings::default());
        }
        for cell in cells {
            let Cell { kind, found, .. } = &mut self.cells[cell];
            *kind = Kind::Unread;
            *found = 0;
        }
    }

    #[inline]
    pub(super) fn kind(&self, cell: usize) -> Kind {
        self.cells[cell].kind
    }

    /// Puts a value into a cell as `fill` says.
    #[inline]
    pub(super) fn put(&mut self, cell: usize, fill: impl FnOnce(&mut Self)) {
        self.cells[cell] = Cell { kind: Kind::Missing, ..Cell::default() };
        self.current = cell;
        self.first_item = self.items.len();
        self.start = self.bytes.len();
        fill(self);
    }

    /// Takes a string that may be a list in JSON apart. The string stays its text.
    pub(super) fn see_list(&mut self, cell: usize) {
        let Some(elements) = list_of_text(self.text(cell)) else {
            self.cells[cell].kind = Kind::Text;
            return;
        };
        let first = self.items.len();
        self.start = self.bytes.len();
        for element in elements {
            self.bytes.extend_from_slice(&element);
            self.push_item();
        }
        self.cells[cell].kind = Kind::List;
        self.cells[cell].items = Range::new(first, self.items.len());
    }

    /// The text of what a cell holds; empty where it has none.
    #[inline]
    pub(super) fn text(&self, cell: usize) -> &[u8] {
        self.at(self.cells[cell].text)
    }

    #[inline]
    fn at(&self, range: Range) -> &[u8] {
        &self.bytes[range.start()..range.end()]
    }

    /// The elements of the list in a cell.
    pub(super) fn items(&mut self, cell: usize, lexicon: &Lexicon) -> Items<'_> {
        let Cell { items, found, .. } = &mut self.cells[cell];
        let items = &mut self.items[items.start()..items.end()];
        if *found & ITEM_WORDS == 0 {
            *found |= ITEM_WORDS;
            for item in &mut *items {
                item.word = lexicon.word(&self.bytes[item.text.start()..item.text.end()]);
            }
        }
        Items::Arena(&self.bytes, items)
    }

    #[inline]
    pub(super) fn word(&mut self, cell: usize, lexicon: &Lexicon) -> Word {
        if self.is_new(cell, WORD) {
            let word = lexicon.word(self.text(cell));
            let cell = &mut self.cells[cell];
            cell.word = word;
            if cell.kind == Kind::Text && word == Word::default() {
                cell.found |= STRANGER;
            }
        }
        self.cells[cell].word
    }

    /// Whether the cell, if there is one, has been found to hold a text that equals no filter value.
    #[inline]
    pub(super) fn is_stranger(&self, cell: u32) -> bool {
        self.cells.get(cell as usize).is_some_and(|cell| cell.found & STRANGER != 0)
    }

    fn is_new(&mut self, cell: usize, finding: u8) -> bool {
        let found = &mut self.cells[cell].found;
        let is_new = *found & finding == 0;
        *found |= finding;
        is_new
    }
}

/// The text in a cell.
pub(super) struct CellText<'a> {
    pub(super) buffer: &'a mut SlotBuffer,
    pub(super) cell: usize,
    pub(super) lexicon: &'a Lexicon,
}

impl Subject for CellText<'_> {
    fn text(&self) -> &[u8] {
        self.buffer.text(self.cell)
    }

    #[inline]
    fn word(&mut self) -> Word {
        self.buffer.word(self.cell, self.lexicon)
    }

    fn number(&mut self) -> f64 {
        if self.buffer.is_new(self.cell, NUMBER) {
            self.buffer.findings[self.cell].number = number::parse(self.text());
        }
        self.buffer.findings[self.cell].number
    }

    fn lower(&mut self) -> &[u8] {
        let Self { buffer, cell, .. } = self;
        if buffer.is_new(*cell, LOWER) {
            let start = buffer.bytes.len();
            let text = buffer.cells[*cell].text;
            // The arena grows while it is read: the text is set aside.
            let text = buffer.at(text).to_vec();
            case::push_lower(&text, &mut buffer.bytes);
            buffer.start = start;
            buffer.findings[*cell].lower = buffer.piece();
        }
        buffer.at(buffer.findings[*cell].lower)
    }

    fn version(&mut self) -> Option<Version<'_>> {
        let SlotBuffer { bytes, cells, findings, .. } = &mut *self.buffer;
        let Cell { found, text, .. } = &mut cells[self.cell];
        let text = &bytes[text.start()..text.end()];
        let parts = &mut findings[self.cell].version;
        if *found & VERSION != 0 {
            return Some(Version::of_parts(*parts, text));
        }
        if *found & NO_VERSION != 0 {
            return None;
        }
        let version = Version::parse(text);
        match &version {
            Some(version) => {
                *found |= VERSION;
                *parts = version.parts();
            }
            None => *found |= NO_VERSION,
        }
        version
    }
}

/// The elements of a list.
#[derive(Clone, Copy)]
pub(super) enum Items<'a> {
    Arena(&'a [u8], &'a [Item]),
    Constant(&'a [ConstantText]),
}

impl<'a> Items<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Arena(_, items) => items.len(),
            Self::Constant(items) => items.len(),
        }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = (&'a [u8], Word)> {
        (0..self.len()).map(move |index| match self {
            Self::Arena(bytes, items) => {
                let Item { text, word } = items[index];
                (&bytes[text.start()..text.end()], word)
            }
            Self::Constant(items) => (&*items[index].text, items[index].word),
        })
    }
}
