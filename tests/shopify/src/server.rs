//! The simulator as a whole: its shops, apps and listeners.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::apps::{App, Rights, random_hex};
use crate::clock::Clock;
use crate::model::Shop;
use crate::schema::{SchemaError, Schemas};
use crate::shop::ShopState;
use crate::tls::{self, TlsError};
use crate::webhooks::outbox::Outbox;
use crate::webhooks::sender;
use crate::{admin, control, proxy};

/// Why the simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The schemas could not be read.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The client that sends webhooks could not be made.
    #[error("the client that sends webhooks could not be made")]
    Client(#[from] reqwest::Error),
    /// A folder or socket could not be had.
    #[error("no folder or socket could be had")]
    Io(#[from] std::io::Error),
}

/// Where the simulator can be reached.
#[derive(Clone, Debug, Serialize)]
pub struct Addresses {
    /// The TLS listener, as `host:port`.
    pub https: String,
    /// The CONNECT proxy, as an address.
    pub proxy: String,
    /// The control API, as an address.
    pub control: String,
    /// File with the authority's certificate.
    pub ca: PathBuf,
}

/// All that the listeners share.
#[derive(Debug)]
pub struct Simulator {
    /// Its time.
    pub clock: Clock,
    /// The schemas.
    pub schemas: Schemas,
    /// Apps, installations, tokens.
    pub rights: Mutex<Rights>,
    /// Hosts the proxy refused, and how often.
    pub refused: Mutex<BTreeMap<String, u64>>,
    /// Folder of result files.
    pub folder: PathBuf,
    /// Key of result links.
    pub key: String,
    /// Webhooks on their way.
    pub outbox: Outbox,
    /// Wakes who sends them.
    pub wake: Arc<Notify>,
    shops: RwLock<BTreeMap<String, Arc<ShopState>>>,
}

impl Simulator {
    /// A simulator without shops. `schemas` holds `admin_<version>.graphql`; below `state` files are written.
    ///
    /// # Errors
    /// When the schemas are missing or a folder cannot be made.
    pub fn new(schemas: &Path, state: &Path) -> Result<Self, StartError> {
        let folder = state.join("bulk");
        std::fs::create_dir_all(&folder)?;
        let wake = Arc::new(Notify::new());
        Ok(Self {
            clock: Clock::new(Arc::clone(&wake)),
            schemas: Schemas::in_folder(schemas)?,
            rights: Mutex::default(),
            refused: Mutex::default(),
            folder,
            key: random_hex(32),
            outbox: Outbox::new(Arc::clone(&wake)),
            wake,
            shops: RwLock::default(),
        })
    }

    /// Opens a shop; one with the same label is replaced, with all that was to be told about it.
    pub fn open(&self, shop: Shop) {
        let state = Arc::new(ShopState::new(shop, Arc::clone(&self.wake)));
        self.outbox.forget(&state.label);
        self.shops.write().unwrap_or_else(PoisonError::into_inner).insert(state.label.clone(), state);
    }

    /// Registers an app, or changes it.
    pub fn register(&self, client_id: &str, app: App) {
        crate::shop::lock(&self.rights).apps.insert(client_id.to_owned(), app);
    }

    /// A shop by the first label of its domain.
    #[must_use]
    pub fn shop(&self, label: &str) -> Option<Arc<ShopState>> {
        self.shops.read().unwrap_or_else(PoisonError::into_inner).get(label).map(Arc::clone)
    }

    /// All shops by label.
    #[must_use]
    pub fn shops(&self) -> Vec<Arc<ShopState>> {
        self.shops.read().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }
}

/// A running simulator; dropping it ends it.
#[derive(Debug)]
pub struct Running {
    /// Where it can be reached.
    pub addresses: Addresses,
    /// The simulator itself.
    pub simulator: Arc<Simulator>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Waits until a listener ends, which it never does by itself.
    pub async fn wait(&mut self) {
        self.tasks.join_next().await;
    }
}

/// Opens the three listeners on free ports of the loopback interface.
///
/// # Errors
/// When a socket cannot be had or the authority's certificate not written.
pub async fn start(simulator: Arc<Simulator>, state: &Path) -> Result<Running, StartError> {
    let ca = state.join("ca.pem");
    let tls = TlsAcceptor::from(tls::set_up(&ca)?);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let https = TcpListener::bind(any).await?;
    let proxy_listener = TcpListener::bind(any).await?;
    let control_listener = TcpListener::bind(any).await?;
    let https_at = https.local_addr()?;
    let addresses = Addresses {
        https: https_at.to_string(),
        proxy: format!("http://{}", proxy_listener.local_addr()?),
        control: format!("http://{}", control_listener.local_addr()?),
        ca: std::path::absolute(&ca)?,
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(https, Some(tls), admin::router(Arc::clone(&simulator))));
    tasks.spawn(serve(control_listener, None, control::router(Arc::clone(&simulator))));
    tasks.spawn(proxy::serve(proxy_listener, https_at, Arc::clone(&simulator)));
    tasks.spawn(sender::run(Arc::clone(&simulator), sender::client()?));
    Ok(Running { addresses, simulator, tasks })
}

/// Marks an answer that must never arrive.
#[derive(Clone, Copy, Debug)]
pub struct Lost;

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, router) = (tls.clone(), router.clone());
        tokio::spawn(async move {
            // A client that goes away in the middle of anything is no concern of ours.
            let _ = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => talk(TokioIo::new(stream), router).await,
                    Err(problem) => {
                        tracing::debug!(%problem, "a TLS handshake failed");
                        Ok(())
                    }
                },
                None => talk(TokioIo::new(stream), router).await,
            };
        });
    }
}

async fn talk<S>(stream: S, router: Router) -> Result<(), hyper::Error>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let answer: Result<_, Infallible> = router.oneshot(request.map(Body::new)).await;
            match answer {
                // An error here makes hyper drop the connection without a byte.
                Ok(answer) if answer.extensions().get::<Lost>().is_some() => {
                    Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
                }
                Ok(answer) => Ok(answer),
                Err(never) => match never {},
            }
        }
    });
    http1::Builder::new().serve_connection(stream, service).await
}
