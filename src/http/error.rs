//! reqwest's errors in Node's words.
//!
//! In: an error and whom it was about. Out: [`TransportError`] with the code and message that Node's `http` and `tls`
//! give for the same failure, where they do. No URL and no header gets into a message.

use std::error::Error;
use std::io;

use reqwest::Url;
use rustls::{CertificateError, OtherError};

use super::trust::SelfSigned;
use crate::transport::{TransportError, TransportErrorKind};

/// Whom a request goes to.
pub(super) struct Peer {
    /// `None` where it may be a proxy that could not be reached instead.
    known: Option<(String, u16)>,
}

impl Peer {
    pub(super) fn of(url: &Url, has_proxy: bool) -> Self {
        let known = url.host_str().zip(url.port_or_known_default()).filter(|_| !has_proxy);
        Self { known: known.map(|(host, port)| (host.trim_matches(['[', ']']).to_owned(), port)) }
    }

    fn host(&self) -> String {
        self.known.as_ref().map(|(host, _)| format!(" {host}")).unwrap_or_default()
    }

    fn address(&self) -> String {
        self.known.as_ref().map(|(host, port)| format!(" {host}:{port}")).unwrap_or_default()
    }
}

/// Before the head of the answer had come.
pub(super) fn while_sending(error: reqwest::Error, peer: &Peer) -> TransportError {
    let error = error.without_url();
    if error.is_builder() {
        return TransportError {
            kind: TransportErrorKind::InvalidRequest,
            code: "ERR_INVALID_URL",
            message: "Invalid URL".to_owned(),
        };
    }
    let (code, message) = tls(&error)
        .or_else(|| dns(&error, peer))
        .or_else(|| socket(&error, peer))
        .or_else(|| protocol(&error))
        .unwrap_or_else(|| ("ERR_REQUEST_FAILED", innermost(&error)));
    TransportError { kind: TransportErrorKind::Connection, code, message }
}

/// Inside the body: whatever it was, the body is not whole.
pub(super) fn while_reading(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    // What gzip says is only to blame where the connection was fine.
    let is_cut = causes(&error).any(|cause| cause.is::<hyper::Error>());
    let (code, message) = if error.is_decode() && !is_cut {
        ("Z_DATA_ERROR", "response body is not valid gzip".to_owned())
    } else {
        ("ECONNRESET", "aborted".to_owned())
    };
    TransportError { kind: TransportErrorKind::Truncated, code, message }
}

fn tls(error: &reqwest::Error) -> Option<(&'static str, String)> {
    let tls = find::<rustls::Error>(error)?;
    let rustls::Error::InvalidCertificate(reason) = tls else {
        return Some(("EPROTO", tls.to_string()));
    };
    let (code, message) = match reason {
        CertificateError::Other(OtherError(other)) => match other.downcast_ref() {
            Some(SelfSigned::Leaf) => ("DEPTH_ZERO_SELF_SIGNED_CERT", SelfSigned::Leaf.to_string()),
            Some(SelfSigned::InChain) => ("SELF_SIGNED_CERT_IN_CHAIN", SelfSigned::InChain.to_string()),
            None => ("ERR_TLS_CERT_INVALID", other.to_string()),
        },
        CertificateError::UnknownIssuer => {
            ("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate".to_owned())
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("CERT_HAS_EXPIRED", "certificate has expired".to_owned())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("CERT_NOT_YET_VALID", "certificate is not yet valid".to_owned())
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ("ERR_TLS_CERT_ALTNAME_INVALID", "Hostname/IP does not match certificate's altnames".to_owned())
        }
        CertificateError::Revoked => ("CERT_REVOKED", "certificate revoked".to_owned()),
        CertificateError::BadSignature => {
            ("CERT_SIGNATURE_FAILURE", "certificate signature failure".to_owned())
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ("INVALID_PURPOSE", "unsuitable certificate purpose".to_owned())
        }
        other => ("ERR_TLS_CERT_INVALID", other.to_string()),
    };
    Some((code, message))
}

fn dns(error: &reqwest::Error, peer: &Peer) -> Option<(&'static str, String)> {
    if !error.is_dns() {
        return None;
    }
    let code = lookup_code(&innermost(error));
    Some((code, format!("getaddrinfo {code}{}", peer.host())))
}

/// The number is lost on the way here; what remains is the C library's text for it.
fn lookup_code(text: &str) -> &'static str {
    let text = text.to_ascii_lowercase();
    if text.contains("temporary failure") || text.contains("try again") { "EAI_AGAIN" } else { "ENOTFOUND" }
}

fn socket(error: &reqwest::Error, peer: &Peer) -> Option<(&'static str, String)> {
    let io = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).last()?;
    let connect = |code: &'static str| Some((code, format!("connect {code}{}", peer.address())));
    match io.kind() {
        io::ErrorKind::ConnectionRefused => connect("ECONNREFUSED"),
        io::ErrorKind::HostUnreachable => connect("EHOSTUNREACH"),
        io::ErrorKind::NetworkUnreachable => connect("ENETUNREACH"),
        io::ErrorKind::AddrNotAvailable => connect("EADDRNOTAVAIL"),
        io::ErrorKind::PermissionDenied => connect("EACCES"),
        io::ErrorKind::TimedOut if error.is_connect() => connect("ETIMEDOUT"),
        io::ErrorKind::TimedOut => Some(("ETIMEDOUT", "read ETIMEDOUT".to_owned())),
        io::ErrorKind::ConnectionReset => Some(("ECONNRESET", "read ECONNRESET".to_owned())),
        io::ErrorKind::BrokenPipe => Some(("EPIPE", "write EPIPE".to_owned())),
        io::ErrorKind::UnexpectedEof if error.is_connect() => Some((
            "ECONNRESET",
            "Client network socket disconnected before secure TLS connection was established".to_owned(),
        )),
        io::ErrorKind::UnexpectedEof => Some(("ECONNRESET", "socket hang up".to_owned())),
        _ => None,
    }
}

fn protocol(error: &reqwest::Error) -> Option<(&'static str, String)> {
    let hyper = find::<hyper::Error>(error)?;
    if hyper.is_incomplete_message() || hyper.is_canceled() || hyper.is_closed() {
        return Some(("ECONNRESET", "socket hang up".to_owned()));
    }
    hyper.is_parse().then(|| ("ERR_HTTP_INVALID_RESPONSE", format!("Parse Error: {hyper}")))
}

fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The error and what caused it, step by step. An I/O error's `source` skips the error that it wraps; this does not.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_lookups_are_told_apart_by_their_text() {
        for text in ["Temporary failure in name resolution", "Try again"] {
            assert_eq!(lookup_code(text), "EAI_AGAIN", "{text}");
        }
        for text in [
            "failed to lookup address information: Name or service not known",
            "No address associated with hostname",
            "nodename nor servname provided, or not known",
        ] {
            assert_eq!(lookup_code(text), "ENOTFOUND", "{text}");
        }
    }

    #[test]
    fn a_peer_behind_a_proxy_is_not_named() {
        let url = Url::parse("https://[::1]/").unwrap();
        assert_eq!(Peer::of(&url, false).address(), " ::1:443");
        assert_eq!(Peer::of(&url, false).host(), " ::1");
        assert_eq!(Peer::of(&url, true).address(), "");
        assert_eq!(Peer::of(&url, true).host(), "");
    }
}
