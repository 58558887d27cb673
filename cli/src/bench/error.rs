//! What can end a benchmark early.

use std::io;

use crate::connection::ConnectionError;
use crate::endpoint::{Endpoint, plain_error};

/// Why a benchmark stopped.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No connection.
    #[error("Could not connect to Redis at {endpoint}: {}", plain_error(.source))]
    Connect {
        /// The server that was tried.
        endpoint: Endpoint,
        /// What the system said.
        source: io::Error,
    },
    /// The server answered a request with an error.
    #[error("Error from server: {0}")]
    Reply(String),
    /// The server answered the first look at its configuration with an error that makes going on pointless.
    #[error("Node {endpoint} replied with error:\n{text}")]
    Refused {
        /// The server that answered.
        endpoint: Endpoint,
        /// Its error reply.
        text: String,
    },
    /// The server went away in mid-test.
    #[error("Error: Server closed the connection")]
    Closed,
    /// Reading or writing failed.
    #[error("Error: {}", plain_error(.0))]
    Io(#[from] io::Error),
    /// The server sent something that is not RESP.
    #[error("Error: Protocol error, {0}")]
    Protocol(String),
    /// Nobody reads the results any more.
    #[error("Cannot write the results: {}", plain_error(.0))]
    Output(#[source] io::Error),
    /// A connection outside the tests failed.
    #[error("Error: {0}")]
    Connection(#[from] ConnectionError),
}
