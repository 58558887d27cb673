//! `/metrics` and `/health` over HTTP, from a thread of its own: who asks for them never holds up a worker.

use super::exposition::CONTENT_TYPE;
use super::gather;
use crate::server::{Attention, Server};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE as CONTENT_TYPE_HEADER, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Most connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 16;
/// Within which a request must come, the first and each further one of a connection.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// For how long a connection may be kept open.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);
/// Most bytes of a request's line and headers.
const HEAD_LEN_MAX: usize = 16 * 1024;
/// A worker that has not been at its periodic work for so long is stuck.
const STUCK_MS: i64 = 10_000;

/// Serves on these listeners as long as the process lives.
///
/// # Errors
/// If the system gives no thread or no event queue.
pub(crate) fn start(listeners: Vec<std::net::TcpListener>, server: &Arc<Server>) -> io::Result<()> {
    if listeners.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let server = server.clone();
    std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        crate::process::crash::prepare_thread();
        runtime.block_on(serve_all(listeners, server));
    })?;
    Ok(())
}

async fn serve_all(listeners: Vec<std::net::TcpListener>, server: Arc<Server>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut tasks = Vec::new();
    for listener in listeners {
        match TcpListener::from_std(listener) {
            Ok(listener) => tasks.push(tokio::spawn(accept(listener, server.clone(), free.clone()))),
            Err(error) => tracing::warn!(%error, "the listener for metrics cannot be watched"),
        }
    }
    for task in tasks {
        // It ends with the process only.
        let _ = task.await;
    }
}

async fn accept(listener: TcpListener, server: Arc<Server>, free: Arc<Semaphore>) {
    loop {
        let Ok(permit) = free.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let server = server.clone();
                tokio::spawn(async move {
                    // How the connection ends is the client's business.
                    let _ = tokio::time::timeout(CONNECTION_TIMEOUT, serve(stream, server)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "Accepting a connection for metrics");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, server: Arc<Server>) -> hyper::Result<()> {
    let answer = service_fn(move |request: Request<Incoming>| {
        let server = server.clone();
        async move { Ok::<_, Infallible>(respond(&server, &request)) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(HEAD_LEN_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .await
}

fn respond<B>(server: &Server, request: &Request<B>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => {
            let mut response = text(StatusCode::OK, gather::exposition(server));
            response.headers_mut().insert(CONTENT_TYPE_HEADER, HeaderValue::from_static(CONTENT_TYPE));
            response
        }
        "/health" => match fault(server) {
            None => text(StatusCode::OK, "ok\n".to_owned()),
            Some(fault) => text(StatusCode::SERVICE_UNAVAILABLE, fault),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /metrics and /health\n".to_owned()),
    }
}

/// Why commands are not executed as usual, if they are not.
fn fault(server: &Server) -> Option<String> {
    if server.attention.get() & Attention::LOADING != 0 {
        return Some("loading the data set\n".to_owned());
    }
    let now_ms = crate::clock::unix_ms();
    let mut stuck = Vec::new();
    server.stats.each(|worker| {
        let silent_ms = now_ms.saturating_sub(worker.last_beat_ms.get() as i64);
        if silent_ms > STUCK_MS {
            stuck.push(silent_ms / 1000);
        }
    });
    let longest_s = stuck.iter().max()?;
    Some(format!("{} worker(s) stuck, for {longest_s} s at most\n", stuck.len()))
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE_HEADER, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
