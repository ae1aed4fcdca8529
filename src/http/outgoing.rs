//! A request of ours as reqwest's, checked as Node checks one before it sends it.
//!
//! In: [`Request`]. Out: [`Outgoing`], or an error with Node's code; messages name the header, never its value, and
//! no URL.

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::transport::{Method, Request, TransportError, TransportErrorKind};

pub(super) struct Outgoing {
    pub(super) method: reqwest::Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<bytes::Bytes>,
}

impl Outgoing {
    /// # Errors
    /// `ERR_INVALID_URL`, `ERR_INVALID_PROTOCOL`, `ERR_INVALID_HTTP_TOKEN`, `ERR_INVALID_CHAR`.
    pub(super) fn new(request: Request) -> Result<Self, TransportError> {
        let url =
            Url::parse(&request.url).map_err(|_| invalid("ERR_INVALID_URL", "Invalid URL".to_owned()))?;
        Ok(Self {
            method: match request.method {
                Method::Get => reqwest::Method::GET,
                Method::Post => reqwest::Method::POST,
            },
            url: sendable(url)?,
            headers: header_map(&request.headers)?,
            body: request.body,
        })
    }

    pub(super) fn into_reqwest(self) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method, self.url);
        *request.headers_mut() = self.headers;
        *request.body_mut() = self.body.map(Into::into);
        request
    }
}

/// A URL that can be sent, without the name and password that it may hold: those would be sent as a header.
///
/// # Errors
/// `ERR_INVALID_PROTOCOL`.
pub(super) fn sendable(mut url: Url) -> Result<Url, TransportError> {
    if !matches!(url.scheme(), "http" | "https") {
        let message = format!("Protocol \"{}:\" not supported. Expected \"https:\"", url.scheme());
        return Err(invalid("ERR_INVALID_PROTOCOL", message));
    }
    // These fail for URLs that cannot have them, and then have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(url)
}

fn header_map(headers: &[(&'static str, String)]) -> Result<HeaderMap, TransportError> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            invalid("ERR_INVALID_HTTP_TOKEN", format!("Header name must be a valid HTTP token [\"{name}\"]"))
        })?;
        let mut value = header_value(value).ok_or_else(|| {
            invalid("ERR_INVALID_CHAR", format!("Invalid character in header content [\"{name}\"]"))
        })?;
        value.set_sensitive(header == reqwest::header::AUTHORIZATION);
        map.append(header, value);
    }
    Ok(map)
}

/// One byte for each character, as Latin-1; `None` for others and for control characters.
fn header_value(text: &str) -> Option<HeaderValue> {
    let latin1: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
    HeaderValue::from_bytes(&latin1.ok()?).ok()
}

fn invalid(code: &'static str, message: String) -> TransportError {
    TransportError { kind: TransportErrorKind::InvalidRequest, code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str, headers: Vec<(&'static str, String)>) -> Request {
        Request { method: Method::Get, url: url.to_owned(), headers, body: None, deadline: None }
    }

    fn refusal(url: &str, headers: Vec<(&'static str, String)>) -> (&'static str, String) {
        let error = Outgoing::new(request(url, headers)).err().unwrap();
        assert_eq!(error.kind, TransportErrorKind::InvalidRequest);
        (error.code, error.message)
    }

    #[test]
    fn urls_are_refused_as_node_refuses_them() {
        for url in ["", "no url", "/sdk/v2/flags", "https://", "http://a b/", "http://host:99999/"] {
            assert_eq!(refusal(url, vec![]), ("ERR_INVALID_URL", "Invalid URL".to_owned()), "{url}");
        }
        let expected = "Protocol \"ftp:\" not supported. Expected \"https:\"";
        assert_eq!(refusal("ftp://host/", vec![]), ("ERR_INVALID_PROTOCOL", expected.to_owned()));
    }

    #[test]
    fn header_values_are_latin1() {
        let outgoing =
            Outgoing::new(request("http://h/", vec![("Authorization", "Api-Key é\tÿ".to_owned())])).unwrap();
        let value = &outgoing.headers["authorization"];
        assert_eq!(value.as_bytes(), b"Api-Key \xe9\t\xff");
        assert!(value.is_sensitive());
        for bad in ["a\nb", "a\0", "\u{7f}", "\u{100}", "😀", "a\r\nX-Injected: 1"] {
            let expected = "Invalid character in header content [\"Authorization\"]";
            let headers = vec![("Authorization", bad.to_owned())];
            assert_eq!(refusal("http://h/", headers), ("ERR_INVALID_CHAR", expected.to_owned()), "{bad:?}");
        }
    }

    #[test]
    fn urls_are_normalised_and_lose_their_credentials() {
        let outgoing = Outgoing::new(request("http://user:pw@h//sdk/a b/é?x=1#part", vec![])).unwrap();
        assert_eq!(outgoing.url.as_str(), "http://h//sdk/a%20b/%C3%A9?x=1#part");
    }
}
