//! The process title that `ps` shows, and its template.

use std::sync::OnceLock;

use parking_lot::Mutex;

use super::raw::TitleArea;

/// The default of `proc-title-template`.
pub const DEFAULT_TEMPLATE: &str = "{title} {listen-addr} {server-mode}";

/// What the variables of a template stand for.
#[derive(Clone, Copy, Debug, Default)]
pub struct TitleVars<'a> {
    /// `{title}`: the name the program was started under.
    pub title: &'a str,
    /// `{listen-addr}`: `address:port` of the first bind address, or `unixsocket:path`; see [`listen_addr`].
    pub listen_addr: &'a str,
    /// `{server-mode}`: `[cluster]`, `[sentinel]` or nothing.
    pub server_mode: &'a str,
    /// `{port}`.
    pub port: u16,
    /// `{tls-port}`.
    pub tls_port: u16,
    /// `{unixsocket}`, empty when there is none.
    pub unixsocket: &'a str,
    /// `{config-file}`: its path, empty when there is none (shown as `-`).
    pub config_file: &'a str,
}

/// The value of `{listen-addr}`: the first of `bind` as it is configured, with whichever of the ports is in use, else the
/// Unix socket.
pub fn listen_addr(bind: Option<&str>, port: u16, tls_port: u16, unixsocket: &str) -> String {
    match if port != 0 { port } else { tls_port } {
        0 => format!("unixsocket:{unixsocket}"),
        port => format!("{}:{port}", bind.unwrap_or("*")),
    }
}

/// Fills a template in; `{{` stands for a brace. Spaces at both ends are cut off. `None` for a template with an unknown
/// variable or an open brace.
pub fn expand(template: &str, vars: &TitleVars<'_>) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('{') {
            out.push('{');
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}')?;
        match name {
            "title" => out.push_str(vars.title),
            "listen-addr" => out.push_str(vars.listen_addr),
            "server-mode" => out.push_str(vars.server_mode),
            "port" => out.push_str(&vars.port.to_string()),
            "tls-port" => out.push_str(&vars.tls_port.to_string()),
            "unixsocket" => out.push_str(vars.unixsocket),
            "config-file" if vars.config_file.is_empty() => out.push('-'),
            "config-file" => out.push_str(vars.config_file),
            _ => return None,
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out.trim_matches(' ').to_owned())
}

/// Whether a template can be used: only known variables, and more than spaces even where the title is empty.
pub fn is_valid(template: &str) -> bool {
    let vars = TitleVars { listen_addr: "*:0", ..TitleVars::default() };
    expand(template, &vars).is_some_and(|text| !text.is_empty())
}

/// Shows `text` as the process's command line. Returns whether that is possible: it is once `startup::begin` has run
/// as the first thing in `main`. A text longer than arguments and environment were at the start is cut off.
pub fn set(text: &str) -> bool {
    let Some(area) = AREA.get() else { return false };
    area.lock().write(text.as_bytes());
    true
}

static AREA: OnceLock<Mutex<TitleArea>> = OnceLock::new();

/// Takes the memory of the argument strings over, if that is still possible.
pub(super) fn claim() {
    if let Some(area) = TitleArea::claim() {
        let _ = AREA.set(Mutex::new(area));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARS: TitleVars<'_> = TitleVars {
        title: "bin/redis-server",
        listen_addr: "127.0.0.1:6379",
        server_mode: "",
        port: 6379,
        tls_port: 0,
        unixsocket: "/run/s",
        config_file: "",
    };

    #[test]
    fn templates_are_filled_in() {
        assert_eq!(expand(DEFAULT_TEMPLATE, &VARS).unwrap(), "bin/redis-server 127.0.0.1:6379");
        assert_eq!(expand("a {port}{tls-port} {unixsocket} {config-file}{{x}", &VARS).unwrap(), "a 63790 /run/s -{x}");
        assert_eq!(expand("  plain ", &VARS).unwrap(), "plain");
    }

    // CONFIG SET of redis-server 7.0.15 refuses these, and takes the last three.
    #[test]
    fn bad_templates_are_refused() {
        for bad in ["{invalid-var}", "{title", "x {", "", "   ", "{title}", "{server-mode} {unixsocket}"] {
            assert!(!is_valid(bad), "{bad}");
        }
        for good in ["{config-file}", "{port}", "a}b"] {
            assert!(is_valid(good), "{good}");
        }
    }

    #[test]
    fn the_listening_address_names_what_is_in_use() {
        assert_eq!(listen_addr(Some("127.0.0.1"), 1, 2, "s"), "127.0.0.1:1");
        assert_eq!(listen_addr(Some("-::*"), 0, 2, "s"), "-::*:2");
        assert_eq!(listen_addr(None, 1, 0, "s"), "*:1");
        assert_eq!(listen_addr(Some("x"), 0, 0, "/run/s"), "unixsocket:/run/s");
    }

    #[test]
    fn without_a_claim_of_the_memory_nothing_is_shown() {
        assert!(!set("x"));
    }
}
