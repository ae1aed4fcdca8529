//! A caller's own way of sending events and of keeping those that are not delivered (`transportProvider`,
//! `storageProvider`). In: uploads, and lists of events. Out: orders of the kinds `send`, `load` and `save`, which
//! JavaScript carries out and answers. (Contract: analytics 1 and 5.6.)

use std::future::Future;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::custom::{self, Desk, Order};
use crate::tracking::endpoint::{Answer, Upload};
use crate::tracking::{EventStore, EventTransport, Kind, StoreError};
use crate::transport::TransportError;

/// What a caller provides for one pipeline.
pub(super) struct Provider {
    desk: Desk,
    kind: Kind,
}

impl Provider {
    pub fn new(desk: Desk, kind: Kind) -> Self {
        Self { desk, kind }
    }

    fn ask(&self, kind: &str, order: Order) -> impl Future<Output = custom::Answer> + Send + use<> {
        let pipeline = match self.kind {
            Kind::Exposure => "exposure",
            Kind::Assignment => "assignment",
        };
        self.desk.clone().ask(Order { kind: kind.to_owned(), pipeline: Some(pipeline.to_owned()), ..order })
    }
}

impl EventTransport for Provider {
    /// Without a deadline of its own: delivery has one.
    fn send(&self, upload: Upload) -> BoxFuture<'static, Result<Answer, TransportError>> {
        let answer = self.ask(
            "send",
            Order {
                url: Some(upload.endpoint.url),
                body: Some(upload.payload.to_vec().into()),
                compress: Some(upload.endpoint.is_default),
                ..Order::default()
            },
        );
        async move {
            let (status, retry_after, body) = answer.await?;
            Ok(Answer { status, retry_after, body })
        }
        .boxed()
    }

    fn works_while_blocked(&self) -> bool {
        false
    }
}

impl EventStore for Provider {
    fn load(&self, key: &str) -> BoxFuture<'static, Result<Option<Bytes>, StoreError>> {
        let loaded = self.ask("load", Order { key: Some(key.to_owned()), ..Order::default() });
        async move {
            let (_, _, events) = loaded.await.map_err(|error| StoreError(error.message))?;
            Ok(Some(events).filter(|events| !events.is_empty()))
        }
        .boxed()
    }

    fn save(&self, key: &str, events: Bytes) -> BoxFuture<'static, Result<(), StoreError>> {
        let body = Some(events.to_vec().into());
        let saved = self.ask("save", Order { key: Some(key.to_owned()), body, ..Order::default() });
        async move { saved.await.map(drop).map_err(|error| StoreError(error.message)) }.boxed()
    }
}
