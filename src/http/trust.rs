//! Whom TLS trusts.
//!
//! In: the file of additional certificates. Out: rustls configurations that trust Mozilla's roots (as Node does: slim
//! images carry no store of their own), the system's store and that file, and that say why a certificate is refused
//! as precisely as Node says it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};

/// Reads the system's store and `extra_ca_certs`, so it blocks; what cannot be read is left out.
///
/// # Errors
/// rustls refused the configuration.
pub(super) fn tls_config(extra_ca_certs: Option<&Path>) -> Result<ClientConfig, rustls::Error> {
    // Given to this configuration alone: a process-wide default would be everybody's.
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(roots(extra_ca_certs), provider.clone())?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

fn roots(extra_ca_certs: Option<&Path>) -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(system_certificates().iter().cloned());
    let extra = extra_ca_certs.and_then(|path| CertificateDer::pem_file_iter(path).ok());
    roots.add_parsable_certificates(extra.into_iter().flatten().flatten());
    roots
}

/// Read once: it takes tens of milliseconds.
fn system_certificates() -> &'static [CertificateDer<'static>] {
    static CERTIFICATES: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    CERTIFICATES.get_or_init(|| rustls_native_certs::load_native_certs().certs)
}

/// rustls's own verifier; only its "unknown issuer" is told apart further.
#[derive(Debug)]
struct Verifier(Arc<WebPkiServerVerifier>);

impl Verifier {
    fn new(roots: RootCertStore, provider: Arc<CryptoProvider>) -> Result<Self, rustls::Error> {
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map(Self)
            .map_err(|error| rustls::Error::General(error.to_string()))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| refined(error, end_entity, intermediates))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Why a certificate without a known issuer is none we trust. Carried inside [`CertificateError::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SelfSigned {
    #[error("self-signed certificate")]
    Leaf,
    #[error("self-signed certificate in certificate chain")]
    InChain,
}

fn refined(
    error: rustls::Error,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> rustls::Error {
    let rustls::Error::InvalidCertificate(reason) = &error else {
        return error;
    };
    // A certificate that may sign others is refused as a server's before its issuer is looked for.
    let is_issuers_fault = match reason {
        CertificateError::UnknownIssuer => true,
        CertificateError::Other(OtherError(other)) => {
            matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    };
    let self_signed = if !is_issuers_fault {
        return error;
    } else if is_self_issued(end_entity) {
        SelfSigned::Leaf
    } else if intermediates.iter().any(is_self_issued) {
        SelfSigned::InChain
    } else {
        return error;
    };
    CertificateError::Other(OtherError(Arc::new(self_signed))).into()
}

fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.issuer() == certificate.subject())
}
