//! The bytes that stand where a type stands, and are none.

pub(super) const SLOT_INFO: u8 = 244;
pub(crate) const FUNCTION: u8 = 245;
pub(super) const FUNCTION_OF_CANDIDATE: u8 = 246;
pub(super) const MODULE_AUX: u8 = 247;
pub(super) const IDLE: u8 = 248;
pub(super) const FREQUENCY: u8 = 249;
pub(super) const AUX: u8 = 250;
pub(super) const SIZES: u8 = 251;
pub(super) const DEADLINE_MS: u8 = 252;
pub(super) const DEADLINE_SECONDS: u8 = 253;
pub(super) const DATABASE: u8 = 254;
pub(super) const END: u8 = 255;
