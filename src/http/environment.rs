//! What the environment says about the network, read in this one place.
//!
//! In: environment variables. Out: [`Environment`], plain data that a test can fill in itself.

use std::path::PathBuf;

/// Proxies and additional certificates. No `Debug`: a proxy's URL may hold a password.
#[derive(Clone, Default)]
pub struct Environment {
    /// `HTTP_PROXY`: for `http:` URLs. `http:`, `https:`, `socks5:`, `socks5h:` and `socks4:` URLs, or `host:port`.
    pub http_proxy: Option<String>,
    /// `HTTPS_PROXY`: for `https:` URLs.
    pub https_proxy: Option<String>,
    /// `ALL_PROXY`: for whatever the other two leave open.
    pub all_proxy: Option<String>,
    /// `NO_PROXY`: hosts, domains and networks, separated by commas, that are reached directly; `*` for all.
    pub no_proxy: Option<String>,
    /// `NODE_EXTRA_CA_CERTS`: a PEM file of certificates to trust as well. One that cannot be read is ignored, as
    /// Node ignores it, which warns of it at its start.
    pub extra_ca_certs: Option<PathBuf>,
}

impl Environment {
    /// What the variables say now: upper case first, then lower case; an empty one is none.
    pub fn of_process() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let either = |upper: &str| variable(upper).or_else(|| variable(&upper.to_ascii_lowercase()));
        // In a CGI process HTTP_PROXY is the `Proxy` header of whoever sent the request.
        let is_cgi = variable("REQUEST_METHOD").is_some();
        Self {
            http_proxy: if is_cgi { variable("http_proxy") } else { either("HTTP_PROXY") },
            https_proxy: either("HTTPS_PROXY"),
            all_proxy: either("ALL_PROXY"),
            no_proxy: either("NO_PROXY"),
            extra_ca_certs: variable("NODE_EXTRA_CA_CERTS").map(PathBuf::from),
        }
    }

    pub(super) fn has_proxy(&self) -> bool {
        self.http_proxy.is_some() || self.https_proxy.is_some() || self.all_proxy.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::from_variables(|name| {
            variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn upper_case_goes_before_lower_case_and_empty_is_none() {
        let environment = environment(&[
            ("HTTPS_PROXY", "http://upper:1"),
            ("https_proxy", "http://lower:1"),
            ("HTTP_PROXY", ""),
            ("http_proxy", "http://lower:2"),
            ("no_proxy", "localhost"),
            ("NODE_EXTRA_CA_CERTS", "/etc/ca.pem"),
        ]);
        assert_eq!(environment.https_proxy.as_deref(), Some("http://upper:1"));
        assert_eq!(environment.http_proxy.as_deref(), Some("http://lower:2"));
        assert_eq!(environment.all_proxy, None);
        assert_eq!(environment.no_proxy.as_deref(), Some("localhost"));
        assert_eq!(environment.extra_ca_certs, Some(PathBuf::from("/etc/ca.pem")));
        assert!(environment.has_proxy());
    }

    #[test]
    fn a_cgi_request_cannot_set_the_proxy() {
        let environment = environment(&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://attacker:1")]);
        assert_eq!(environment.http_proxy, None);
        assert!(!environment.has_proxy());
    }
}
