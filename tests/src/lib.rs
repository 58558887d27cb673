//! End-to-end tests: starting servers, talking to them, and stopping them.
#![forbid(unsafe_code)]
