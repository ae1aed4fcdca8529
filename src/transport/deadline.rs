//! The one deadline of a request: from the connection to the last byte of the body.
//!
//! In: a transport's answer to come. Out: the same answer, or a timeout in its place or inside its body. Unlike a
//! timeout of inactivity, a server that drips bytes cannot put it off. [`renewed`] is that other timeout, for answers
//! so large that no deadline fits them all.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::time::{Instant, Sleep};

use super::{Response, TransportError, TransportErrorKind};

/// Limits `answer`, body included, to `deadline` from the first poll on. `None` waits for ever.
///
/// # Errors
/// Those of `answer`; [`TransportErrorKind::Timeout`] when the deadline passes first, here or in the body.
pub async fn within(
    deadline: Option<Duration>,
    answer: impl Future<Output = Result<Response, TransportError>>,
) -> Result<Response, TransportError> {
    // A deadline beyond what the clock can count is none.
    let Some(until) = deadline.and_then(|deadline| Instant::now().checked_add(deadline)) else {
        return answer.await;
    };
    let response = tokio::time::timeout_at(until, answer).await.map_err(|_| timed_out())??;
    Ok(Response { body: cut_when(response.body, move || tokio::time::sleep_until(until)), ..response })
}

/// Limits the wait for `answer`, and then for each piece of its body, to `patience`. `None` waits for ever.
///
/// # Errors
/// As [`within`].
pub async fn renewed(
    patience: Option<Duration>,
    answer: impl Future<Output = Result<Response, TransportError>>,
) -> Result<Response, TransportError> {
    let Some(patience) = patience else { return answer.await };
    let response = tokio::time::timeout(patience, answer).await.map_err(|_| timed_out())??;
    Ok(Response { body: cut_when(response.body, move || tokio::time::sleep(patience)), ..response })
}

/// The error of a deadline that has passed.
pub fn timed_out() -> TransportError {
    TransportError {
        kind: TransportErrorKind::Timeout,
        code: "ETIMEDOUT",
        message: "Socket connection timed out".to_owned(),
    }
}

type Body = BoxStream<'static, Result<bytes::Bytes, TransportError>>;

/// The body until the sleep that begins with the wait for each piece is over.
fn cut_when(body: Body, limit: impl Fn() -> Sleep + Send + 'static) -> Body {
    stream::unfold(Some((body, limit)), |state| async move {
        let (mut body, limit) = state?;
        tokio::select! {
            biased;
            chunk = body.next() => chunk.map(|chunk| (chunk, Some((body, limit)))),
            () = limit() => Some((Err(timed_out()), None)),
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    use bytes::Bytes;
    use futures_util::future;

    fn ok(body: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> Response {
        Response { status: 200, retry_after: None, body: body.map(Ok).boxed() }
    }

    /// One byte every 60 ms, for ever.
    fn drip() -> impl futures_util::Stream<Item = Bytes> {
        stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            Some((Bytes::from_static(b"."), ()))
        })
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_time_is_left_alone() {
        let answer =
            future::ready(Ok(ok(stream::iter([Bytes::from_static(b"ab"), Bytes::from_static(b"c")]))));
        let response = within(Some(Duration::from_secs(1)), answer).await.unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(response.bytes().await.unwrap(), "abc");
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_times_out_on_the_millisecond() {
        let start = Instant::now();
        let error = within(Some(Duration::from_millis(300)), future::pending()).await.err().unwrap();
        assert_eq!((error.kind, error.code), (TransportErrorKind::Timeout, "ETIMEDOUT"));
        assert_eq!(error.message, "Socket connection timed out");
        assert_eq!(start.elapsed().as_millis(), 300);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dripping_body_cannot_put_the_deadline_off() {
        let start = Instant::now();
        let response = within(Some(Duration::from_millis(100)), future::ready(Ok(ok(drip())))).await.unwrap();
        let error = response.bytes().await.unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::Timeout);
        assert_eq!(start.elapsed().as_millis(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn the_body_ends_after_the_timeout() {
        let response = within(Some(Duration::from_millis(100)), future::ready(Ok(ok(drip())))).await.unwrap();
        let chunks: Vec<_> = response.body.map(|chunk| chunk.is_ok()).collect().await;
        assert_eq!(chunks, [true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_is_renewed_with_each_piece() {
        let start = Instant::now();
        let answer = future::ready(Ok(ok(drip().take(50))));
        let response = renewed(Some(Duration::from_millis(100)), answer).await.unwrap();
        assert_eq!(response.bytes().await.unwrap().len(), 50);
        assert_eq!(start.elapsed().as_millis(), 3000);

        let answer = future::ready(Ok(ok(drip().take(2).chain(stream::pending()))));
        let response = renewed(Some(Duration::from_millis(100)), answer).await.unwrap();
        assert_eq!(response.bytes().await.unwrap_err().kind, TransportErrorKind::Timeout);
        assert_eq!(start.elapsed().as_millis(), 3220);

        let error = renewed(Some(Duration::from_millis(100)), future::pending()).await.err().unwrap();
        assert_eq!(error.code, "ETIMEDOUT");
        assert_eq!(start.elapsed().as_millis(), 3320);
    }

    #[tokio::test(start_paused = true)]
    async fn no_deadline_waits() {
        let answer = async {
            tokio::time::sleep(Duration::from_secs(86_400)).await;
            Ok(ok(stream::empty()))
        };
        assert_eq!(within(None, answer).await.unwrap().status, 200);
        assert_eq!(renewed(None, future::ready(Ok(ok(stream::empty())))).await.unwrap().status, 200);
        assert_eq!(
            within(Some(Duration::MAX), future::ready(Ok(ok(stream::empty())))).await.unwrap().status,
            200
        );
    }
}
