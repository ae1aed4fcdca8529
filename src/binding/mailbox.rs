//! One ordered way from the runtime's threads to JavaScript, for everything that a client has to say: log lines,
//! installed flags, the ends of promises.
//!
//! Messages arrive in the order in which they were posted, on the JavaScript thread. The mailbox keeps the process
//! alive only while some promise waits for its end.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Result, sys};
use napi_derive::napi;

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

type Receiver = ThreadsafeFunction<Message, (), FnArgs<(Message,)>, napi::Status, false, true>;

/// Where messages are posted, from any thread.
#[derive(Clone)]
pub(super) struct Mailbox(Arc<Receiver>);

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
        let count = Rc::new(Cell::new(0));
        let waiting = Rc::clone(&count);
        let receiver = receive.build_threadsafe_function::<Message>().weak::<true>().build_callback(
            // The callback runs on the JavaScript thread only, where the count lives.
            {
                let waiting = OnJsThread(waiting);
                move |context| {
                    let message: Message = context.value;
                    if message.kind == END {
                        waiting.ended();
                    }
                    Ok(FnArgs::from((message,)))
                }
            },
        )?;
        Ok(Waiting { mailbox: Self(Arc::new(receiver)), count, next: Rc::default() })
    }

    pub(super) fn post(&self, message: Message) {
        self.0.call(message, ThreadsafeFunctionCallMode::NonBlocking);
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

/// What only the JavaScript thread touches, inside a closure that Node-API wants to be `Send`.
struct OnJsThread(Rc<Cell<u32>>);

// SAFETY: the closure that holds it is called and dropped on the JavaScript thread only: Node-API calls a
// threadsafe function's callback and its finalizer there.
unsafe impl Send for OnJsThread {}
// SAFETY: as above.
unsafe impl Sync for OnJsThread {}

impl OnJsThread {
    fn ended(&self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Waiting {
    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// A number for a new promise. The process stays alive until it has ended.
    pub(super) fn begin(&self, env: &Env) -> u32 {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        self.count.set(self.count.get() + 1);
        // SAFETY: the threadsafe function lives as long as the mailbox; this is its JavaScript thread.
        unsafe { sys::napi_ref_threadsafe_function(env.raw(), self.mailbox.0.raw()) };
        id
    }

    /// To be called by JavaScript after an `end`: lets the process go when nothing waits any more.
    pub(super) fn rest(&self, env: &Env) {
        if self.count.get() == 0 {
            // SAFETY: as in `begin`.
            unsafe { sys::napi_unref_threadsafe_function(env.raw(), self.mailbox.0.raw()) };
        }
    }
}
