//! Whom the runners believe to be who they say they are.
//!
//! # Guarantees
//! Certificates are verified against these authorities, with ring, by TLS 1.2
//! or later.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Certificate authorities, read when they are first needed.
///
/// Those of the machine, so that what an organisation adds to them counts here
/// as everywhere; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
#[derive(Clone)]
pub struct Trust(Arc<Inner>);

struct Inner {
    given: Option<Vec<CertificateDer<'static>>>,
    /// What the last reading gave, once it is done.
    read: RwLock<Arc<OnceLock<Result<Read, String>>>>,
}

/// What was read.
#[derive(Clone)]
pub(super) struct Read {
    /// For requests.
    pub(super) client: Arc<ClientConfig>,
    /// The authorities themselves.
    pub(super) authorities: Arc<Vec<CertificateDer<'static>>>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

impl Trust {
    /// The authorities of the machine.
    #[must_use]
    pub fn of_the_machine() -> Self {
        Self(Arc::new(Inner { given: None, read: RwLock::default() }))
    }

    /// These authorities, each as a certificate in DER, and no others.
    #[must_use]
    pub fn only(authorities: Vec<Vec<u8>>) -> Self {
        let given = authorities.into_iter().map(CertificateDer::from).collect();
        Self(Arc::new(Inner { given: Some(given), read: RwLock::default() }))
    }

    /// Begins TLS with whoever is at the other end, which must be this host.
    ///
    /// # Errors
    /// It is not, it does not speak TLS, or nobody is trusted.
    pub async fn secure(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let trusted = self.read().await.map_err(io::Error::other)?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(trusted.client).connect(name, stream).await
    }

    /// Reads them, unless that was done before.
    ///
    /// # Errors
    /// There are none: why, for people.
    pub(super) async fn read(&self) -> Result<Read, String> {
        let inner = Arc::clone(&self.0);
        let reading = Arc::clone(&inner.read.read().unwrap_or_else(PoisonError::into_inner));
        let read = tokio::task::spawn_blocking(move || reading.get_or_init(|| inner.load()).clone());
        read.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Lets them be read again when they are next needed.
    pub fn read_anew(&self) {
        *self.0.read.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }
}

impl Inner {
    fn load(&self) -> Result<Read, String> {
        let mut roots = RootCertStore::empty();
        let found = self.given.clone().unwrap_or_else(|| rustls_native_certs::load_native_certs().certs);
        // Machines have some that nobody can read any more.
        let authorities: Vec<_> = found.into_iter().filter(|found| roots.add(found.clone()).is_ok()).collect();
        if authorities.is_empty() {
            return Err("this machine trusts no certificate authorities: install them, or name a file of them in \
                        `SSL_CERT_FILE`"
                .to_owned());
        }
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Read { client: Arc::new(client), authorities: Arc::new(authorities) })
    }
}
