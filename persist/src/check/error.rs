//! Why a check ended early.

use std::io;

/// Why a check ended early. What is wrong with the file was written already.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The file is not valid, or cannot be mended.
    #[error("the file is not valid")]
    Invalid,
    /// Nothing can be written any more.
    #[error(transparent)]
    Output(#[from] io::Error),
}
