//! Lines of an event stream, whole and bounded, ready for `eventsource-stream`.
//!
//! In: chunks of the body, cut anywhere. Out: one line after another, each ending in LF, as text.
//!
//! What is done here, in front of the parser, it cannot do itself: it buffers without limit, scans a line anew with
//! every chunk that belongs to it, waits for the byte after a CR, and does not survive a byte order mark.

/// More came for one event than is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Oversize;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

pub(super) struct Lines {
    /// For one line, and for all lines of one event together; in bytes.
    limit: usize,
    line: Vec<u8>,
    event_bytes: usize,
    /// An LF that comes now belongs to the CR before it.
    after_cr: bool,
    at_start: bool,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, line: Vec::new(), event_bytes: 0, after_cr: false, at_start: true }
    }

    /// The lines that `chunk` completes.
    ///
    /// # Errors
    /// The limit is passed. Nothing may be pushed after that.
    pub(super) fn push(&mut self, mut chunk: &[u8]) -> Result<Vec<String>, Oversize> {
        let mut whole = Vec::new();
        while let Some(end) = memchr::memchr2(b'\r', b'\n', chunk) {
            let (part, rest) = chunk.split_at(end);
            let is_lf_of_crlf = self.after_cr && part.is_empty() && rest.starts_with(b"\n");
            self.after_cr = rest.starts_with(b"\r");
            chunk = rest.get(1..).unwrap_or_default();
            if !is_lf_of_crlf {
                self.extend(part)?;
                whole.extend(self.finish()?);
            }
        }
        if !chunk.is_empty() {
            self.after_cr = false;
            self.extend(chunk)?;
        }
        Ok(whole)
    }

    fn extend(&mut self, part: &[u8]) -> Result<(), Oversize> {
        if part.len() > self.limit - self.line.len() {
            return Err(Oversize);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    /// The line as it is now; `None` for one that says nothing.
    fn finish(&mut self) -> Result<Option<String>, Oversize> {
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.at_start) && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        if line.is_empty() {
            self.event_bytes = 0;
            return Ok(Some("\n".to_owned()));
        }
        // One more is the beginning of a name that no field has. The parser takes it for the first, and panics.
        if line.starts_with(BYTE_ORDER_MARK) {
            return Ok(None);
        }
        // Comments, and lines without a colon, which the client we replace ignores too.
        if matches!(memchr::memchr(b':', &line), None | Some(0)) {
            return Ok(None);
        }
        self.event_bytes += line.len();
        if self.event_bytes > self.limit {
            return Err(Oversize);
        }
        let mut text = String::from_utf8(line)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        text.push('\n');
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], chunk: usize) -> Vec<String> {
        let mut lines = Lines::new(1000);
        text.chunks(chunk).flat_map(|chunk| lines.push(chunk).unwrap()).collect()
    }

    #[test]
    fn all_line_ends_are_one_wherever_the_chunks_are_cut() {
        let text =
            "\u{feff}data:é\r\ndata:2\rdata:3\n\r\n\n\r: comment\ndata\nevent:x\r\n\r\nrest".as_bytes();
        let expected = ["data:é\n", "data:2\n", "data:3\n", "\n", "\n", "\n", "event:x\n", "\n"];
        for chunk in 1..=text.len() {
            assert_eq!(lines(text, chunk), expected, "chunks of {chunk}");
        }
    }

    /// Found by fuzzing.
    #[test]
    fn a_second_byte_order_mark_makes_a_field_unknown() {
        for text in ["\u{feff}\u{feff}data:1\ndata:2\n", ": comment\n\u{feff}data:1\ndata:2\n"] {
            assert_eq!(lines(text.as_bytes(), 1000), ["data:2\n"], "{text:?}");
        }
    }

    #[test]
    fn a_cr_ends_its_line_at_once() {
        let mut lines = Lines::new(100);
        assert_eq!(lines.push(b"data:1\r").unwrap(), ["data:1\n"]);
        assert_eq!(lines.push(b"\r").unwrap(), ["\n"]);
        assert_eq!(lines.push(b"\n").unwrap(), [] as [&str; 0]);
        assert_eq!(lines.push(b"\n").unwrap(), ["\n"]);
    }

    #[test]
    fn bytes_that_are_no_utf8_become_replacement_characters() {
        assert_eq!(lines(b"data:\xff\n", 3), ["data:\u{fffd}\n"]);
    }

    #[test]
    fn a_line_is_bounded_before_it_ends() {
        let mut lines = Lines::new(10);
        assert!(lines.push(b"data:12345").unwrap().is_empty());
        assert_eq!(lines.push(b"6"), Err(Oversize));
        assert_eq!(Lines::new(10).push(b":comment that is too long"), Err(Oversize));
    }

    #[test]
    fn an_event_is_bounded_but_comments_between_do_not_count() {
        let mut lines = Lines::new(20);
        for _ in 0..100 {
            lines.push(b"data:1234\n:comment\n\n").unwrap();
        }
        lines.push(b"data:1234\ndata:1234\n").unwrap();
        assert_eq!(lines.push(b"data:1234\n"), Err(Oversize));
    }
}
