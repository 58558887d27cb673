//! The client behind `ochre-cli`: one command from the command line, or lines from a terminal or a file.

pub mod debugging;
pub mod editor;
pub mod evaluation;
pub mod help;
pub mod history;
pub mod interactive;
pub mod interrupt;
pub mod one_shot;
pub mod options;
pub mod session;
pub mod verbatim;
