//! Names of commands that scripts call again and again.

use mlua::LuaString;

/// Names that were called last. Lua has one string of equal ones, so where a string lies tells which it is for as long as it
/// is kept from the collector.
pub(crate) struct CommandNames([Option<Name>; SLOTS]);

struct Name {
    place: usize,
    bytes: Box<[u8]>,
    _kept: LuaString,
}

const SLOTS: usize = 64;
/// No command has a longer name.
const LEN_MAX: usize = 64;
/// No two strings of Lua lie nearer to each other.
const APART: usize = 32;

impl Default for CommandNames {
    fn default() -> CommandNames {
        CommandNames([const { None }; SLOTS])
    }
}

impl CommandNames {
    /// Appends the bytes of a name.
    #[inline]
    pub(crate) fn read(&mut self, name: &LuaString, bytes: &mut Vec<u8>) {
        let place = name.to_pointer() as usize;
        let Some(slot) = self.0.get_mut(place / APART % SLOTS) else { return };
        match slot {
            Some(known) if known.place == place => bytes.extend_from_slice(&known.bytes),
            _ => {
                let read = name.as_bytes();
                bytes.extend_from_slice(&read);
                if read.len() <= LEN_MAX {
                    *slot = Some(Name { place, bytes: (&*read).into(), _kept: name.clone() });
                }
            }
        }
    }
}
