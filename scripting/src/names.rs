//! Names of commands that scripts call again and again.

use mlua::LuaString;

/// Names that were called last. Lua has one string of equal ones, so where a string lies tells which it is for as long as it
/// is kept from the collector.
pub(crate) struct CommandNames {
    slots: [Option<Name>; SLOTS],
    /// Where the one lies that was read last.
    last: usize,
    /// For those that have no slot.
    unknown: Option<u16>,
}

struct Name {
    place: usize,
    bytes: Box<[u8]>,
    known: Option<u16>,
    _kept: LuaString,
}

const SLOTS: usize = 64;
/// No command has a longer name.
const LEN_MAX: usize = 64;
/// No two strings of Lua lie nearer to each other.
const APART: usize = 32;

impl Default for CommandNames {
    fn default() -> CommandNames {
        CommandNames { slots: [const { None }; SLOTS], last: 0, unknown: None }
    }
}

impl CommandNames {
    /// Appends the bytes of a name.
    #[inline]
    pub(crate) fn read(&mut self, name: &LuaString, bytes: &mut Vec<u8>) {
        let place = name.to_pointer() as usize;
        self.last = place / APART % SLOTS;
        let Some(slot) = self.slots.get_mut(self.last) else { return };
        match slot {
            Some(known) if known.place == place => bytes.extend_from_slice(&known.bytes),
            _ => {
                let read = name.as_bytes();
                bytes.extend_from_slice(&read);
                if read.len() <= LEN_MAX {
                    *slot = Some(Name { place, bytes: (&*read).into(), known: None, _kept: name.clone() });
                } else {
                    self.forget();
                }
            }
        }
    }

    /// What follows is no name that was read.
    pub(crate) fn forget(&mut self) {
        self.last = SLOTS;
    }

    /// What the host knows of the name that was read last.
    #[inline]
    pub(crate) fn known(&mut self) -> &mut Option<u16> {
        match self.slots.get_mut(self.last) {
            Some(Some(name)) => &mut name.known,
            _ => {
                self.unknown = None;
                &mut self.unknown
            }
        }
    }
}
