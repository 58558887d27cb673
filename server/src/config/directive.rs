//! What a directive is, whatever its type.

use super::codec::{Codec, Mention, Written};
use super::registry::Config;

/// What the server must do after a directive changed at run time. `CONFIG SET` names the distinct ones, in the order
/// of its arguments; if one fails, the server goes back to the old snapshot and applies them again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Open the listeners anew: `port`.
    Port,
    /// Open the listeners anew: `tls-port`.
    TlsPort,
    /// Read certificates and keys, and use them with the other directives on TLS.
    Tls,
    /// Open the listeners anew: `bind`.
    Bind,
    /// Make room for the number of clients, or fail.
    MaxClients,
    /// Change level or shape of the log.
    Logging,
    /// Tell the store about limits, policy, clocks, freeing and expiry.
    Store,
    /// Show the process under its new title.
    ProcessTitle,
    /// Write the OOM score.
    OomScore,
    /// Install or remove the handlers of fatal signals.
    CrashHandlers,
    /// Have the watchdog look as often as it is to, or not at all.
    Watchdog,
    /// Change the working directory.
    Directory,
    /// Trim the slow log.
    SlowLog,
    /// Change the password of the default user.
    DefaultPassword,
}

/// How far a directive is implemented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// It does what it says.
    Works,
    /// It is accepted, kept, shown and rewritten, but nothing reads it yet; or, it has no meaning here. Says which.
    Kept(&'static str),
    /// Every value but the default is refused. Says what it waits for.
    NotYet(&'static str),
}

/// Where a directive comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Redis 7.0 has it.
    Redis70,
    /// Later versions of Redis and Valkey both have it.
    Later,
    /// Only Valkey has it.
    Valkey,
    /// Only Redis 8 has it.
    Redis8,
    /// Ochre's own.
    Own,
}

/// Everything about a directive but its name, its type and its text.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// Other names under which it is read and shown.
    pub aliases: &'static [&'static str],
    /// Whether it is fixed while the process lives.
    pub immutable: bool,
    /// Whether `CONFIG SET` needs `enable-protected-configs`.
    pub protected: bool,
    /// Whether patterns of `CONFIG GET` leave it out.
    pub hidden: bool,
    /// Whether its value is kept out of logs.
    pub sensitive: bool,
    /// Whether it may not change while data is being loaded.
    pub deny_loading: bool,
    /// What follows a change at run time.
    pub effect: Option<Effect>,
    /// How far it is implemented.
    pub support: Support,
    /// Where it comes from.
    pub origin: Origin,
}

/// A directive that works.
pub(super) const WORKS: Attributes = Attributes {
    aliases: &[],
    immutable: false,
    protected: false,
    hidden: false,
    sensitive: false,
    deny_loading: false,
    effect: None,
    support: Support::Works,
    origin: Origin::Redis70,
};

/// A directive that is kept; `why` goes into the documents.
pub(super) const fn kept(why: &'static str) -> Attributes {
    Attributes { support: Support::Kept(why), ..WORKS }
}

/// A directive that is refused; `what` is what it waits for.
pub(super) const fn not_yet(what: &'static str) -> Attributes {
    Attributes { support: Support::NotYet(what), ..WORKS }
}

impl Attributes {
    pub(super) const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub(super) const fn immutable(mut self) -> Self {
        self.immutable = true;
        self
    }

    pub(super) const fn protected(mut self) -> Self {
        self.protected = true;
        self
    }

    pub(super) const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(super) const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    pub(super) const fn deny_loading(mut self) -> Self {
        self.deny_loading = true;
        self
    }

    pub(super) const fn effect(mut self, effect: Effect) -> Self {
        self.effect = Some(effect);
        self
    }

    pub(super) const fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

/// One directive of the registry.
pub struct Directive {
    /// Its name.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// The subject it is listed under.
    pub subject: &'static str,
    /// The rest.
    pub attributes: Attributes,
    pub(super) slot: &'static dyn Slot,
}

impl Directive {
    /// The value in `config`, as `CONFIG GET` answers it.
    #[must_use]
    pub fn value(&self, config: &Config) -> Vec<u8> {
        self.slot.render(config)
    }

    /// Whether two snapshots agree on it.
    #[must_use]
    pub fn same(&self, left: &Config, right: &Config) -> bool {
        self.slot.same(left, right)
    }

    /// Type and range in words.
    #[must_use]
    pub fn shape(&self) -> String {
        self.slot.shape()
    }

    /// Whether several words may follow the name.
    pub(super) fn multiple(&self) -> bool {
        self.slot.multiple()
    }

    /// Reads `words` into `config`. Errs with the reason, also when the feature behind a new value is still missing.
    pub(super) fn assign(&self, config: &mut Config, words: &[Vec<u8>], mention: Mention) -> Result<(), String> {
        self.slot.assign(config, words, mention)?;
        match self.attributes.support {
            Support::NotYet(what) if !self.slot.same(config, &Config::for_level(config.compatibility_level)) => {
                Err(format!("{} is not supported yet: it needs {what}", self.name))
            }
            _ => Ok(()),
        }
    }
}

/// The typed field behind a directive, with its type forgotten.
pub(super) trait Slot: Sync {
    fn assign(&self, config: &mut Config, words: &[Vec<u8>], mention: Mention) -> Result<(), String>;
    fn render(&self, config: &Config) -> Vec<u8>;
    fn written(&self, config: &Config, default: &Config) -> Vec<Written>;
    fn same(&self, left: &Config, right: &Config) -> bool;
    fn multiple(&self) -> bool;
    fn shape(&self) -> String;
}

/// A codec and the field it serves.
pub(super) struct Field<C: Codec> {
    pub(super) codec: C,
    pub(super) get: fn(&Config) -> &C::Value,
    pub(super) get_mut: fn(&mut Config) -> &mut C::Value,
}

impl<C: Codec> Slot for Field<C> {
    fn assign(&self, config: &mut Config, words: &[Vec<u8>], mention: Mention) -> Result<(), String> {
        let value = self.codec.parse(words, (self.get)(config), mention)?;
        *(self.get_mut)(config) = value;
        Ok(())
    }

    fn render(&self, config: &Config) -> Vec<u8> {
        self.codec.render((self.get)(config))
    }

    fn written(&self, config: &Config, default: &Config) -> Vec<Written> {
        self.codec.written((self.get)(config), (self.get)(default))
    }

    fn same(&self, left: &Config, right: &Config) -> bool {
        (self.get)(left) == (self.get)(right)
    }

    fn multiple(&self) -> bool {
        C::MULTIPLE
    }

    fn shape(&self) -> String {
        self.codec.shape()
    }
}
