//! The first line of a script, which may say what it needs: `#!lua flags=no-writes,allow-oom`.

/// What a script says it will do, or needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptFlags {
    /// It calls no command that writes.
    pub no_writes: bool,
    /// It may run while memory is over its limit.
    pub allow_oom: bool,
    /// It may run on a replica whose data is stale.
    pub allow_stale: bool,
    /// It is not for clusters.
    pub no_cluster: bool,
    /// It may use keys of several slots.
    pub allow_cross_slot_keys: bool,
}

impl ScriptFlags {
    /// Sets a flag by its name; whether there is one of that name.
    pub fn set(&mut self, name: &[u8]) -> bool {
        let flag = match name {
            b"no-writes" => &mut self.no_writes,
            b"allow-oom" => &mut self.allow_oom,
            b"allow-stale" => &mut self.allow_stale,
            b"no-cluster" => &mut self.no_cluster,
            b"allow-cross-slot-keys" => &mut self.allow_cross_slot_keys,
            _ => return false,
        };
        *flag = true;
        true
    }
    /// The names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (self.no_writes, "no-writes"),
            (self.allow_oom, "allow-oom"),
            (self.allow_stale, "allow-stale"),
            (self.no_cluster, "no-cluster"),
            (self.allow_cross_slot_keys, "allow-cross-slot-keys"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
    }
}

/// What the first line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shebang {
    /// The flags; `None`: there is no such line, and the old rules hold.
    pub flags: Option<ScriptFlags>,
    /// Length of the line in bytes, its end not included.
    pub len: usize,
}

/// What is wrong with a first line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ShebangError {
    Endless,
    NoEngine,
    Engine(Vec<u8>),
    Flag(Vec<u8>),
    Option(Vec<u8>),
}

impl Shebang {
    /// Reads the first line of a script.
    ///
    /// # Errors
    /// [`ShebangError`] if it begins as such a line does, but is none.
    pub fn parse(source: &[u8]) -> Result<Shebang, ShebangError> {
        if !source.starts_with(b"#!") {
            return Ok(Shebang::default());
        }
        let len = source.iter().position(|&byte| byte == b'\n').ok_or(ShebangError::Endless)?;
        let line = source.get(..len).unwrap_or_default();
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        ochre_resp::split::split_args(line, &mut bytes, &mut spans).map_err(|_| ShebangError::NoEngine)?;
        let mut parts = spans.iter().map(|span| span.of(&bytes));
        let engine = parts.next().ok_or(ShebangError::NoEngine)?;
        if engine != b"#!lua" {
            return Err(ShebangError::Engine(engine.to_vec()));
        }
        let mut flags = ScriptFlags::default();
        for part in parts {
            let Some(names) = part.strip_prefix(b"flags=") else { return Err(ShebangError::Option(part.to_vec())) };
            if names.is_empty() {
                continue;
            }
            if let Some(unknown) = names.split(|&byte| byte == b',').find(|name| !flags.set(name)) {
                return Err(ShebangError::Flag(unknown.to_vec()));
            }
        }
        Ok(Shebang { flags: Some(flags), len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_read() {
        assert_eq!(Shebang::parse(b"return 1"), Ok(Shebang::default()));
        let flags = ScriptFlags { no_writes: true, allow_oom: true, ..ScriptFlags::default() };
        let line = b"#!lua flags=no-writes,allow-oom\nreturn 1";
        assert_eq!(Shebang::parse(line), Ok(Shebang { flags: Some(flags), len: 31 }));
        assert_eq!(Shebang::parse(b"#!lua"), Err(ShebangError::Endless));
        assert_eq!(Shebang::parse(b"#!python\n"), Err(ShebangError::Engine(b"#!python".to_vec())));
        assert_eq!(Shebang::parse(b"#!lua flags=a\n"), Err(ShebangError::Flag(b"a".to_vec())));
        assert_eq!(Shebang::parse(b"#!lua x=1\n"), Err(ShebangError::Option(b"x=1".to_vec())));
    }
}
