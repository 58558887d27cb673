//! The documents that are made from the registry: `default.conf` and the table in `docs/config.md`.

use std::fmt::Write;

use super::codec::Mention;
use super::directive::{Directive, Origin, Support};
use super::registry::{Config, DIRECTIVES};

const CONF_HEAD: &str = "\
# The configuration of ochre-server: every directive, with its default.
#
# Give this file, or one of your own with only the lines you change, as the first argument. Any line may also be given
# as an option: `--port 7000` is `port 7000`. A later line wins, but lines of `save` add up, and each line of
# `client-output-buffer-limit` is about one class. Words may be quoted: \"with \\n escapes\" or 'without'.
#
# include <path or pattern>         reads another file here
# rename-command <command> <name>   renames a command; \"\" removes it
#
# Sizes take k, m, g (powers of 1000) and kb, mb, gb (powers of 1024).
# [fixed] directives cannot change while the server runs. [protected] ones need enable-protected-configs.
# [kept] ones are accepted and shown, but do nothing yet. [not yet] ones only take their default.
";

const MARKDOWN_HEAD: &str = "\
# Directives

This page is generated from the registry in `server/src/config`.

A directive is set in the configuration file, as an option (`--name value`), or at run time with `CONFIG SET` unless it is
*fixed*. *Protected* ones need `enable-protected-configs`, *hidden* ones are left out of patterns of `CONFIG GET`.

**Support.** *works*: it does what it says. *kept*: it is accepted, shown and rewritten, but nothing reads it; the reason
stands beside it, and the server tells at debug level at start which of them were set. *not yet*: every value but the
default is refused, at start and by `CONFIG SET`.

**Defaults** are those of `compatibility-level native`. At `7.0` and `7.2` these differ:
";

/// The file that `--generate <name>` prints, of those that are made from the registry: `default-conf`, `config-md`.
#[must_use]
pub fn generate(name: &str) -> Option<String> {
    match name {
        "default-conf" => Some(default_conf()),
        "config-md" => Some(markdown()),
        _ => None,
    }
}

/// The text of `default.conf`.
pub(super) fn default_conf() -> String {
    let mut text = CONF_HEAD.to_owned();
    let mut subject = "";
    for directive in DIRECTIVES {
        if directive.subject != subject {
            subject = directive.subject;
            let _ = write!(text, "\n{}\n# {subject}\n{}\n", "#".repeat(80), "#".repeat(80));
        }
        let _ = writeln!(text, "\n# {}", directive.about.trim());
        let _ = writeln!(text, "# {}{}", directive.shape(), remarks(directive));
        for line in default_lines(directive) {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// The text of `docs/config.md`.
pub(super) fn markdown() -> String {
    use super::compatibility::{Level, changed_defaults};
    let mut text = MARKDOWN_HEAD.to_owned();
    let changed = changed_defaults(Level::V7_2).into_iter().map(|(name, value)| format!("`{name} {value}`"));
    let _ = writeln!(text, "{}.", changed.collect::<Vec<_>>().join(", "));
    let mut subject = "";
    for directive in DIRECTIVES {
        if directive.subject != subject {
            subject = directive.subject;
            let _ = writeln!(text, "\n## {subject}\n");
            text.push_str("| directive | values | default | at run time | support | from | about |\n");
            text.push_str("|---|---|---|---|---|---|---|\n");
        }
        let _ = writeln!(text, "{}", row(directive));
    }
    text
}

fn row(directive: &Directive) -> String {
    let attributes = &directive.attributes;
    let aliases: String = attributes.aliases.iter().map(|alias| format!(", `{alias}`")).collect();
    let mut run_time = vec![if attributes.immutable { "fixed" } else { "settable" }];
    run_time.extend(attributes.protected.then_some("protected"));
    run_time.extend(attributes.hidden.then_some("hidden"));
    let support = match attributes.support {
        Support::Works => "works".to_owned(),
        Support::Kept(why) => format!("kept: {why}"),
        Support::NotYet(what) => format!("not yet: needs {what}"),
    };
    let origin = match attributes.origin {
        Origin::Redis70 => "Redis 7.0",
        Origin::Later => "later Redis, Valkey",
        Origin::Valkey => "Valkey",
        Origin::Redis8 => "Redis 8",
        Origin::Own => "Ochre's own",
    };
    let default = String::from_utf8_lossy(&directive.value(&Config::default())).into_owned();
    let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
    format!(
        "| `{}`{aliases} | {} | {default} | {} | {support} | {origin} | {} |",
        directive.name,
        directive.shape(),
        run_time.join(", "),
        directive.about.trim()
    )
}

fn remarks(directive: &Directive) -> String {
    let attributes = &directive.attributes;
    let mut text = String::new();
    for alias in attributes.aliases {
        let _ = write!(text, "; also {alias}");
    }
    if attributes.immutable {
        text.push_str(" [fixed]");
    }
    if attributes.protected {
        text.push_str(" [protected]");
    }
    match attributes.support {
        Support::Works => {}
        Support::Kept(why) => {
            let _ = write!(text, " [kept: {why}]");
        }
        Support::NotYet(what) => {
            let _ = write!(text, " [not yet: needs {what}]");
        }
    }
    text
}

/// The lines that say the default; as a comment where only silence does.
fn default_lines(directive: &Directive) -> Vec<String> {
    let default = Config::default();
    let written = directive.slot.written(&default, &default);
    if !written.is_empty() {
        return written.into_iter().map(|line| format!("{} {}", directive.name, line.arguments)).collect();
    }
    let shown = directive.value(&default);
    if !shown.is_empty() {
        return vec![format!("{} {}", directive.name, String::from_utf8_lossy(&shown))];
    }
    match directive.slot.assign(&mut default.clone(), &[Vec::new()], Mention::Command) {
        Ok(()) => vec![format!("{} \"\"", directive.name)],
        Err(_) => vec![format!("# {} <{}>", directive.name, directive.shape())],
    }
}
