//! Connections out of the relay: to the hosts that are listed, directly or through the proxy that this machine itself
//! has to use.

use super::host::{Host, Place, may_be_named};
use super::proxy::Refusal;
use crate::{env, tasks};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Request, Uri, client};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long one address may take to answer.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long all of it may take: the look-up, every address, and what a proxy does.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection outside.
#[derive(Debug)]
pub struct Outside {
    /// The connection.
    pub stream: TcpStream,
    /// What the other side said already.
    pub said: Bytes,
}

/// A connection for a plain HTTP request.
#[derive(Debug)]
pub struct Plain {
    /// The connection.
    pub stream: TcpStream,
    /// Where it leads to a proxy: that one takes the whole URL, and these credentials.
    pub proxy: Option<Option<HeaderValue>>,
}

/// The ways out of this machine.
#[derive(Debug)]
pub struct Ways {
    proxies: Matcher,
}

impl Ways {
    /// As the environment says.
    pub fn from_environment() -> Self {
        let any = |names: [&str; 2]| names.iter().find_map(|name| env::var(name)).unwrap_or_default();
        let proxies = Matcher::builder()
            .http(any(["http_proxy", "HTTP_PROXY"]))
            .https(any(["https_proxy", "HTTPS_PROXY"]))
            .all(any(["all_proxy", "ALL_PROXY"]))
            .no(any(["no_proxy", "NO_PROXY"]))
            .build();
        Self { proxies }
    }

    /// Connects to a host whatever is going to be spoken.
    pub async fn tunnel(&self, host: &Host) -> Result<Outside, Refusal> {
        in_time(host, async {
            match self.proxy("https", host)? {
                Some(proxy) => through(&proxy, host).await,
                None => direct(host).await.map(|stream| Outside { stream, said: Bytes::new() }),
            }
        })
        .await
    }

    /// Connects for one plain HTTP request to a host.
    pub async fn plain(&self, host: &Host) -> Result<Plain, Refusal> {
        in_time(host, async {
            match self.proxy("http", host)? {
                Some(proxy) => {
                    let stream = to_proxy(&proxy).await?;
                    Ok(Plain { stream, proxy: Some(proxy.basic_auth().cloned()) })
                }
                None => direct(host).await.map(|stream| Plain { stream, proxy: None }),
            }
        })
        .await
    }

    /// The proxy through which this machine reaches the host. Its own services it reaches by itself.
    fn proxy(&self, scheme: &str, host: &Host) -> Result<Option<Intercept>, Refusal> {
        if host.on_this_machine().is_some() {
            return Ok(None);
        }
        let url = Uri::builder().scheme(scheme).authority(host.to_string()).path_and_query("/").build();
        let Some(proxy) = url.ok().and_then(|url| self.proxies.intercept(&url)) else { return Ok(None) };
        if proxy.uri().scheme_str() == Some("http") {
            Ok(Some(proxy))
        } else {
            Err(Refusal::ProxyKind { proxy: proxy.uri().to_string() })
        }
    }
}

async fn in_time<T>(host: &Host, connecting: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let late = |_| Err(Refusal::TooLate { host: host.clone() });
    tokio::time::timeout(TOTAL_TIMEOUT, connecting).await.unwrap_or_else(late)
}

/// Connects to where the host's own name or address leads, as this process finds it.
async fn direct(host: &Host) -> Result<TcpStream, Refusal> {
    let unreachable = |error: io::Error| Refusal::Unreachable { host: host.to_string(), error };
    let addresses = match host.place() {
        Place::At(addresses) => addresses,
        Place::Named(name) => {
            let found = tokio::net::lookup_host((name, host.port())).await.map_err(unreachable)?;
            let found: Vec<_> = found.map(|address| address.ip()).collect();
            let usable: Vec<_> = found.iter().copied().filter(|address| may_be_named(*address)).collect();
            if let (true, Some(address)) = (usable.is_empty(), found.first()) {
                return Err(Refusal::Special { host: host.clone(), address: *address });
            }
            usable
        }
    };
    let addresses: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, host.port())).collect();
    connect_any(&addresses).await.map_err(unreachable)
}

/// Connects to the first of these addresses that answers.
///
/// # Errors
/// That of the last one.
pub async fn connect_any(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "no address");
    for address in addresses {
        match tokio::time::timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn to_proxy(proxy: &Intercept) -> Result<TcpStream, Refusal> {
    let name = proxy.uri().host().unwrap_or_default().trim_matches(['[', ']']);
    let unreachable = |error| Refusal::Unreachable { host: proxy.uri().to_string(), error };
    let found = tokio::net::lookup_host((name, proxy.uri().port_u16().unwrap_or(80))).await.map_err(unreachable)?;
    connect_any(&found.collect::<Vec<_>>()).await.map_err(unreachable)
}

/// Has the proxy connect to the host.
async fn through(proxy: &Intercept, host: &Host) -> Result<Outside, Refusal> {
    let failed = |error: String| Refusal::Proxy { proxy: proxy.uri().to_string(), host: host.clone(), error };
    let stream = to_proxy(proxy).await?;
    let (mut sender, connection) = client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|error| failed(error.to_string()))?;
    // Only until the connection is ours again.
    let mut exchange = tasks::Group::new();
    exchange.start("proxy", async {
        // Errors come out of the request, too.
        let _ = connection.with_upgrades().await;
    });
    let mut request = Request::builder().method(Method::CONNECT).uri(host.to_string()).header(HOST, host.to_string());
    if let Some(credentials) = proxy.basic_auth() {
        request = request.header(PROXY_AUTHORIZATION, credentials);
    }
    let request = request.body(Empty::new()).map_err(|error| failed(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(|error| failed(error.to_string()))?;
    if !response.status().is_success() {
        return Err(failed(format!("it says {}", response.status())));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(|error| failed(error.to_string()))?;
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => Ok(Outside { stream: parts.io.into_inner(), said: parts.read_buf }),
        Err(_) => Err(failed("its connection is of another kind".to_owned())),
    }
}
