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

use super::line::{Line, Parcel};
use super::runtime;
use super::text::JsText;
use crate::defect::{Defect, contain_future, point};
use crate::error::Coded;

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

impl From<&Defect> for ErrorDescription {
    fn from(defect: &Defect) -> Self {
        Self {
            kind: "other".to_owned(),
            code: defect.code().to_owned(),
            message: defect.to_string(),
            ..Self::default()
        }
    }
}

/// A promise whose end does not arrive would be waited for in vain.
impl Parcel for Message {
    const NAME: &'static str = "message";

    fn receipt(&self) -> Option<u32> {
        self.id
    }

    fn replacement(receipt: Option<u32>, defect: &Defect) -> Option<Self> {
        Some(Self {
            kind: if receipt.is_some() { END } else { "log" }.to_owned(),
            id: receipt,
            level: Some(1),
            message: Some("[Experiment] a log line was lost".to_owned()),
            error: Some(defect.into()),
            text: None,
        })
    }
}

/// How the end of a promise is told.
pub(super) type Ended = std::result::Result<Option<JsText>, ErrorDescription>;

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
    pub(super) fn end(&self, id: u32, result: Ended) {
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

    /// Runs a future on the runtime. Its end is posted under the number returned, and until then the process stays alive.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    pub(super) fn promise(
        &self,
        env: &Env,
        name: &'static str,
        future: impl Future<Output = Ended> + Send + 'static,
    ) -> Result<u32> {
        let handle = runtime::handle()?;
        let id = self.begin(env);
        let mailbox = self.mailbox.clone();
        handle.spawn(async move {
            let ended = contain_future(async move {
                point(name);
                future.await
            });
            mailbox.end(id, ended.await.unwrap_or_else(|defect| Err((&defect).into())));
        });
        Ok(id)
    }

    /// A number for a new promise.
    fn begin(&self, env: &Env) -> u32 {
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
