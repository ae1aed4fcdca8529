//! One ordered way from the runtime's threads to JavaScript, for everything that a client has to say: log lines,
//! installed flags, the ends of promises.
//!
//! Messages arrive in the order in which they were posted, on the JavaScript thread. The mailbox keeps the process
//! alive only while some promise waits for its end.

use std::cell::Cell;
use std::rc::Rc;

use napi::bindgen_prelude::{FnArgs, Function};
use napi::{Env, Result};
use napi_derive::napi;

use super::line::Line;
use super::text::JsText;

/// What JavaScript is told.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct Message {
    /// `log`, `end`, or what the client's own part of the face knows.
    pub kind: String,
    /// With `end`: which promise ends.
    pub id: Option<u32>,
    /// With `log`: a `LogLevel`.
    pub level: Option<u32>,
    pub message: Option<String>,
    /// With `log`: the error behind it. With `end`: why the promise rejects.
    pub error: Option<ErrorDescription>,
    /// With `end`: what the promise resolves to. With `log`: what belongs to the line.
    #[napi(ts_type = "string")]
    pub text: Option<JsText>,
}

/// An error for the face to make a JavaScript error of.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct ErrorDescription {
    /// Which class of error.
    pub kind: String,
    pub code: String,
    pub message: String,
    /// The HTTP status, where that is the error.
    pub status: Option<u32>,
    /// The text that is not what it should be.
    #[napi(ts_type = "string")]
    pub body: Option<JsText>,
}

/// Where messages are posted, from any thread.
#[derive(Clone)]
pub(super) struct Mailbox(Line<Message>);

/// The JavaScript thread's side of a mailbox: counts the promises that wait.
#[derive(Clone)]
pub(super) struct Waiting {
    mailbox: Mailbox,
    count: Rc<Cell<u32>>,
    next: Rc<Cell<u32>>,
}

impl Mailbox {
    /// # Errors
    /// If Node-API cannot make the threadsafe function.
    pub(super) fn open(receive: Function<'_, FnArgs<(Message,)>, ()>) -> Result<Waiting> {
        Ok(Waiting { mailbox: Self(Line::open(&receive)?), count: Rc::default(), next: Rc::default() })
    }

    pub(super) fn post(&self, message: Message) {
        self.0.post(message);
    }

    /// Ends a promise.
    pub(super) fn end(&self, id: u32, result: std::result::Result<Option<JsText>, ErrorDescription>) {
        let (text, error) = match result {
            Ok(text) => (text, None),
            Err(error) => (None, Some(error)),
        };
        self.post(Message { kind: END.to_owned(), id: Some(id), text, error, ..Message::default() });
    }
}

const END: &str = "end";

impl Waiting {
    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// A number for a new promise. The process stays alive until it has ended.
    pub(super) fn begin(&self, env: &Env) -> u32 {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        self.count.set(self.count.get() + 1);
        self.mailbox.0.hold(env);
        id
    }

    /// To be called by JavaScript with every `end`: lets the process go when nothing waits any more.
    pub(super) fn rest(&self, env: &Env) {
        self.count.set(self.count.get().saturating_sub(1));
        if self.count.get() == 0 {
            self.mailbox.0.release(env);
        }
    }
}
