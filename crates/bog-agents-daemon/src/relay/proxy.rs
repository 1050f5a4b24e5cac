//! The HTTP proxy inside (RFC 9110, sections 9.3.6 and 7.6): tunnels by CONNECT, and plain requests for whole `http://`
//! URLs, to hosts of a list and to nobody else. What is refused is refused in words.

use super::connect::{Outside, Ways};
use super::forward::{SILENCE_MAX, join};
use super::host::{Host, HostError};
use super::idle::Watched;
use super::message::strip;
use crate::tasks;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri, Version, client};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a client may take over the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head of a request or an answer.
const HEAD_MAX_BYTES: usize = 64 * 1024;
/// How much of the body of a refused request is read, so that its sender gets to read the refusal.
const DRAIN_MAX_BYTES: u64 = 1024 * 1024;
/// How long that may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// A proxy to the hosts of a list.
#[derive(Debug)]
pub struct Proxy {
    hosts: Vec<Host>,
    ways: Ways,
}

/// A tunnel that was promised to a client.
struct Tunnel {
    inside: OnUpgrade,
    outside: Outside,
}

/// Why a request is not passed on.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is none for a proxy.
    #[error("this is an HTTP proxy: ask it for a whole `http://` URL, or for a tunnel by CONNECT")]
    NoProxyRequest,
    /// Its URL is of another scheme.
    #[error("`{0}` is not passed on as it is; ask for a tunnel by CONNECT")]
    Scheme(String),
    /// It names no host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It names a host that was not granted.
    #[error("`{host}` is not a host that this run may reach, allowed: {allowed}; see `sandbox.network` of the job")]
    NotListed {
        /// The host.
        host: Host,
        /// The list.
        allowed: String,
    },
    /// The host's name leads where no name may lead.
    #[error(
        "`{host}` leads to `{address}`, which is this machine, its own link or a metadata service; if it is meant, give the address itself"
    )]
    Special {
        /// The host.
        host: Host,
        /// Its address.
        address: IpAddr,
    },
    /// It does not answer.
    #[error("`{host}` cannot be reached: {error}; check that it runs, and the network of this machine")]
    Unreachable {
        /// The host, or the proxy before it.
        host: String,
        /// What the system says.
        error: io::Error,
    },
    /// It does not answer in time.
    #[error("`{host}` does not answer in time; check that it runs, and the network of this machine")]
    TooLate {
        /// The host.
        host: Host,
    },
    /// The proxy that this machine has to use does not help.
    #[error("the proxy `{proxy}` does not lead to `{host}`: {error}; check the proxy variables of the daemon")]
    Proxy {
        /// The proxy, without credentials.
        proxy: String,
        /// The host.
        host: Host,
        /// What it says.
        error: String,
    },
    /// The proxy that this machine has to use is none that is spoken here.
    #[error("the proxy `{proxy}` is of an unknown kind; start the daemon with one that begins with `http://`")]
    ProxyKind {
        /// The proxy, without credentials.
        proxy: String,
    },
    /// The host speaks no HTTP.
    #[error("`{host}` does not answer as it should: {error}; check that it speaks HTTP at this port")]
    Broken {
        /// The host.
        host: Host,
        /// What is wrong.
        error: String,
    },
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoProxyRequest | Self::Scheme(_) | Self::Host(_) => StatusCode::BAD_REQUEST,
            Self::NotListed { .. } | Self::Special { .. } => StatusCode::FORBIDDEN,
            Self::Unreachable { .. } | Self::Proxy { .. } | Self::ProxyKind { .. } | Self::Broken { .. } => {
                StatusCode::BAD_GATEWAY
            }
            Self::TooLate { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn response(&self) -> Response<Body> {
        let mut response = Response::new(text(format!("{self}\n")));
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}

impl Proxy {
    /// A proxy to these hosts, which it reaches as the environment says.
    pub fn new(hosts: Vec<Host>) -> Self {
        Self { hosts, ways: Ways::from_environment() }
    }

    /// Serves one connection of a client.
    pub async fn serve(&self, inside: TcpStream) {
        let _ = inside.set_nodelay(true);
        let inside = Watched::new(inside);
        let activity = inside.activity();
        let promised = Mutex::new(None);
        let service = service_fn(async |request| Ok::<_, Infallible>(self.answer(request, &promised).await));
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_MAX_BYTES)
            .half_close(true)
            .serve_connection(TokioIo::new(inside), service)
            .with_upgrades();
        tokio::select! {
            // What goes wrong here is between the client and itself.
            _ = serving => {}
            () = activity.silent_for(SILENCE_MAX) => return,
        }
        let tunnel = promised.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Tunnel { inside, outside }) = tunnel else { return };
        let Ok(inside) = inside.await else { return };
        if let Ok(parts) = inside.downcast::<TokioIo<Watched>>() {
            join(parts.io.into_inner(), outside.stream, &parts.read_buf, &outside.said).await;
        }
    }

    async fn answer(&self, mut request: Request<Incoming>, promised: &Mutex<Option<Tunnel>>) -> Response<Body> {
        let answered = match self.allowed(&request) {
            Ok(host) if request.method() == Method::CONNECT => self.tunnel(&host, &mut request, promised).await,
            Ok(host) => match self.ways.plain(&host).await {
                Ok(plain) => return pass_on(request, &host, plain).await.unwrap_or_else(|refusal| refusal.response()),
                Err(refusal) => Err(refusal),
            },
            Err(refusal) => Err(refusal),
        };
        match answered {
            Ok(answer) => answer,
            Err(refusal) => {
                drain(request.into_body()).await;
                refusal.response()
            }
        }
    }

    /// The host that a request is for, if it may be asked.
    fn allowed(&self, request: &Request<Incoming>) -> Result<Host, Refusal> {
        let host = target(request.method(), request.uri())?;
        if self.hosts.contains(&host) {
            return Ok(host);
        }
        let hosts: Vec<_> = self.hosts.iter().map(|host| format!("`{host}`")).collect();
        let allowed = if hosts.is_empty() { "none".to_owned() } else { hosts.join(", ") };
        Err(Refusal::NotListed { host, allowed })
    }

    async fn tunnel(
        &self,
        host: &Host,
        request: &mut Request<Incoming>,
        promised: &Mutex<Option<Tunnel>>,
    ) -> Result<Response<Body>, Refusal> {
        let outside = self.ways.tunnel(host).await?;
        let tunnel = Tunnel { inside: hyper::upgrade::on(request), outside };
        *promised.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
        Ok(Response::new(text(String::new())))
    }
}

/// The host that a request names. Whatever its headers say is of no interest.
fn target(method: &Method, uri: &Uri) -> Result<Host, Refusal> {
    let authority = uri.authority().ok_or(Refusal::NoProxyRequest)?;
    if method == Method::CONNECT {
        return Ok(authority.as_str().parse()?);
    }
    match uri.scheme_str() {
        Some("http") if authority.port().is_none() => Ok(format!("{authority}:80").parse()?),
        Some("http") => Ok(authority.as_str().parse()?),
        Some(_) | None => Err(Refusal::Scheme(uri.to_string())),
    }
}

/// Passes one plain request on, and its answer back.
async fn pass_on(
    request: Request<Incoming>,
    host: &Host,
    plain: super::connect::Plain,
) -> Result<Response<Body>, Refusal> {
    let broken = |error: String| Refusal::Broken { host: host.clone(), error };
    let (mut head, body) = request.into_parts();
    strip(&mut head.headers);
    let authority = head.uri.authority().map(ToString::to_string).unwrap_or_default();
    head.headers.insert(HOST, HeaderValue::from_str(&authority).map_err(|error| broken(error.to_string()))?);
    head.version = Version::HTTP_11;
    match plain.proxy {
        Some(credentials) => head.headers.extend(credentials.map(|value| (PROXY_AUTHORIZATION, value))),
        None => head.uri = origin_form(&head.uri),
    }
    let (mut sender, connection) = client::conn::http1::Builder::new()
        .max_buf_size(HEAD_MAX_BYTES)
        .handshake(TokioIo::new(plain.stream))
        .await
        .map_err(|error| broken(error.to_string()))?;
    let mut exchange = tasks::Group::new();
    exchange.start("exchange", async {
        // Errors come out of the answer, too.
        let _ = connection.await;
    });
    let sent = sender.send_request(Request::from_parts(head, body)).await;
    let (mut head, body) = sent.map_err(|error| broken(error.to_string()))?.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(broken("it switches to a protocol that was not asked for".to_owned()));
    }
    strip(&mut head.headers);
    // The connection lives as long as the answer it brings, and no longer.
    let body = body.map_frame(move |frame| {
        let _ = &exchange;
        frame
    });
    Ok(Response::from_parts(head, body.boxed_unsync()))
}

/// A URL as the host itself wants it.
fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from)
}

fn text(text: String) -> Body {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}

/// Reads what a refused client is still sending, within bounds.
async fn drain(mut body: Incoming) {
    let reading = async {
        let mut left = DRAIN_MAX_BYTES;
        while !body.is_end_stream()
            && left > 0
            && let Some(Ok(frame)) = body.frame().await
        {
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
    };
    // Whoever is slower than that reads its refusal, or does not.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, reading).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(method: &str, uri: &str) -> String {
        let method: Method = method.parse().expect("a method");
        match target(&method, &uri.parse().expect("a URI")) {
            Ok(host) => host.to_string(),
            Err(refusal) => format!("{}: {refusal}", refusal.status().as_u16()),
        }
    }

    #[test]
    fn the_host_is_what_the_first_line_says() {
        let cases = [
            ("CONNECT", "API.example.com:443"),
            ("CONNECT", "[::1]:443"),
            ("CONNECT", "api.example.com"),
            ("CONNECT", "user@api.example.com:443"),
            ("CONNECT", "/"),
            ("GET", "http://api.example.com/v1?x"),
            ("GET", "http://api.example.com:8080"),
            ("GET", "http://api.example.com:80@evil.example/"),
            ("GET", "http://[::1]:11434/"),
            ("GET", "https://api.example.com/"),
            ("GET", "ftp://api.example.com/"),
            ("GET", "/v1"),
            ("OPTIONS", "*"),
            ("GET", "api.example.com:80"),
        ];
        let named: Vec<_> =
            cases.iter().map(|(method, uri)| format!("{method} {uri}\n  {}", named(method, uri))).collect();
        insta::assert_snapshot!(named.join("\n"));
    }

    #[test]
    fn refusals_say_what_is_allowed() {
        let host = || "api.example.com:443".parse::<Host>().expect("a host");
        let refusals = [
            Refusal::NotListed { host: host(), allowed: "`127.0.0.1:11434`".to_owned() },
            Refusal::Special { host: host(), address: IpAddr::from([169, 254, 169, 254]) },
            Refusal::Unreachable { host: host().to_string(), error: io::Error::from(io::ErrorKind::ConnectionRefused) },
            Refusal::TooLate { host: host() },
            Refusal::Proxy {
                proxy: "http://proxy:3128/".to_owned(),
                host: host(),
                error: "it says 407 Proxy Authentication Required".to_owned(),
            },
            Refusal::ProxyKind { proxy: "socks5://proxy/".to_owned() },
            Refusal::Broken { host: host(), error: "invalid HTTP version parsed".to_owned() },
        ];
        let said: Vec<_> = refusals.iter().map(|refusal| format!("{}: {refusal}", refusal.status().as_u16())).collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn a_host_gets_the_path_only() {
        for (url, path) in [("http://a/b?c", "/b?c"), ("http://a", "/"), ("http://a?c", "/?c")] {
            assert_eq!(origin_form(&url.parse().expect("a URL")).to_string(), path);
        }
    }
}
