//! Keys that must never be printed: deployment, API and secret keys.

use std::fmt;

use bytes::Bytes;

const HIDDEN: &str = "***";

/// A secret. `Debug` prints `***`; only [`Secret::expose`] gives the text, for the wire.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. For building a request, never for a message.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What somebody else has written, without the secret: servers quote keys in their answers.
    pub fn hidden_in(&self, text: Bytes) -> Bytes {
        if self.is_empty() || memchr::memmem::find(&text, self.0.as_bytes()).is_none() {
            return text;
        }
        String::from_utf8_lossy(&text).replace(&self.0, HIDDEN).into()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_is_hidden_where_it_is_quoted() {
        let secret = Secret::new("server-abc");
        assert_eq!(secret.hidden_in("no server-abc, no".into()), "no ***, no");
        assert_eq!(secret.hidden_in("\u{e9}".into()), "\u{e9}");
        assert_eq!(Secret::new("").hidden_in("text".into()), "text");
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        assert_eq!(format!("{:?}", Some(Secret::new("server-abc"))), "Some(***)");
    }
}
