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
    let verifier = Verifier::new(extra_certificates(extra_ca_certs), provider.clone())?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

fn roots(extra: &[CertificateDer<'static>]) -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(system_certificates().iter().chain(extra).cloned());
    roots
}

fn extra_certificates(path: Option<&Path>) -> Vec<CertificateDer<'static>> {
    let certificates = path.and_then(|path| CertificateDer::pem_file_iter(path).ok());
    certificates.into_iter().flatten().flatten().collect()
}

/// Read once: it takes tens of milliseconds.
fn system_certificates() -> &'static [CertificateDer<'static>] {
    static CERTIFICATES: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    CERTIFICATES.get_or_init(|| rustls_native_certs::load_native_certs().certs)
}

/// rustls's own verifier, but for two things: its "unknown issuer" is told apart further, and a server may show a
/// certificate that is itself among those that the process was told to trust, as it may to Node.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    extra: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(
        extra: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, rustls::Error> {
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots(&extra)), provider)
            .build()
            .map(|inner| Self { inner, extra })
            .map_err(|error| rustls::Error::General(error.to_string()))
    }

    /// Whether all that there is against a certificate is that it may sign others, which self-signed ones mostly may, and it
    /// is one of those that are trusted. Its time has been looked at before that, its name has not.
    fn is_trusted_itself(&self, error: &rustls::Error, end_entity: &CertificateDer<'_>) -> bool {
        matches!(error, rustls::Error::InvalidCertificate(reason) if is_authority(reason))
            && self.extra.iter().chain(system_certificates()).any(|trusted| trusted == end_entity)
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
        let verified =
            self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(error) if self.is_trusted_itself(&error, end_entity) => {
                webpki::EndEntityCert::try_from(end_entity)
                    .and_then(|certificate| certificate.verify_is_valid_for_subject_name(server_name))
                    .map(|()| ServerCertVerified::assertion())
                    .map_err(|_| CertificateError::NotValidForName.into())
            }
            verified => verified.map_err(|error| refined(error, end_entity, intermediates)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
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
    let is_issuers_fault = matches!(reason, CertificateError::UnknownIssuer) || is_authority(reason);
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

/// A certificate that may sign others is refused as a server's before its issuer is looked for.
fn is_authority(reason: &CertificateError) -> bool {
    let CertificateError::Other(OtherError(other)) = reason else { return false };
    matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.issuer() == certificate.subject())
}
