//! Tests over the whole registry.

use std::collections::HashSet;

use super::codec::Mention;
use super::compatibility::changed_defaults;
use super::line::words;
use super::registry::names;
use super::*;

const OPEN: Requester = Requester { local: true, loading: false };

fn try_set(config: &Config, pairs: &[(&str, &str)]) -> Result<Change, String> {
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    set(config, &pairs, OPEN).map_err(|error| error.to_string())
}

fn shown(config: &Config, name: &str) -> String {
    String::from_utf8(get_one(config, name).unwrap()).unwrap()
}

/// Loads `arguments` as the command line would.
fn start(arguments: &[&str]) -> Result<Loaded, LoadError> {
    let arguments: Vec<Vec<u8>> = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
    match parse_arguments(&arguments) {
        Invocation::Run(launch) => load(&launch, &mut std::io::empty()),
        other => panic!("{other:?}"),
    }
}

fn started(arguments: &[&str]) -> Config {
    start(arguments).map(|loaded| loaded.config).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(arguments: &[&str]) -> String {
    start(arguments).map(|_| ()).unwrap_err().to_string()
}

/// A directory of its own for a test, removed at the end.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ochre-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(std::fs::canonicalize(path).unwrap())
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn names_are_unique_and_lower_case() {
    let mut seen = HashSet::new();
    for name in DIRECTIVES.iter().flat_map(names) {
        assert!(seen.insert(name), "{name} is declared twice");
        assert_eq!(name, name.to_lowercase());
        assert_eq!(lookup(name.to_uppercase().as_bytes()).unwrap().0, name);
    }
    assert!(seen.len() > 250, "{}", seen.len());
}

#[test]
fn every_directive_reads_what_it_shows() {
    for level in [Level::V7_0, Level::V7_2, Level::Native] {
        let mut config = Config::for_level(level);
        let before = config.clone();
        for directive in DIRECTIVES.iter().filter(|directive| directive.name != "dir") {
            let value = directive.value(&config);
            let words = if directive.multiple() { words(&value).unwrap() } else { vec![value] };
            if directive.name == "replicaof" && words.is_empty() {
                continue;
            }
            directive
                .assign(&mut config, &words, Mention::Command)
                .unwrap_or_else(|why| panic!("{}: {why}", directive.name));
        }
        assert_eq!(config, before);
    }
}

#[test]
fn levels_change_their_defaults() {
    let (old, new) = (Config::for_level(Level::V7_0), Config::default());
    assert_eq!(new, Config::for_level(Level::Native));
    assert!(new.lazyfree_lazy_user_del && !old.lazyfree_lazy_user_del);
    assert_eq!(old.repl_backlog_size, 1 << 20);
    for (name, _) in changed_defaults(Level::V7_0) {
        let (_, directive) = lookup(name.as_bytes()).unwrap();
        assert!(!directive.same(&old, &new), "{name} is the same at every level");
    }
    assert!(!started(&["--compatibility-level", "7.0"]).lazyfree_lazy_expire);
    assert!(started(&["--compatibility-level", "7.0", "--lazyfree-lazy-expire", "yes"]).lazyfree_lazy_expire);
}

#[test]
fn set_is_all_or_nothing() {
    let config = Config::default();
    let change =
        try_set(&config, &[("maxmemory", "100mb"), ("MAXCLIENTS", "5"), ("maxmemory-policy", "allkeys-lru")]).unwrap();
    assert_eq!(change.config.maxmemory, 100 << 20);
    assert_eq!(change.config.maxclients, 5);
    assert_eq!(change.config.maxmemory_policy, Policy::AllkeysLru);
    assert_eq!(change.effects, [(Effect::Store, "maxmemory"), (Effect::MaxClients, "maxclients")]);
    assert_eq!(try_set(&config, &[("maxmemory", "0")]).unwrap().effects, []);
}

#[test]
fn set_errors_are_those_of_redis() {
    let config = Config::default();
    let failed = |argument: &str, reason: &str| {
        format!("CONFIG SET failed (possibly related to argument '{argument}') - {reason}")
    };
    for (pairs, expected) in [
        (&[("nothing", "1")][..], "Unknown option or number of arguments for CONFIG SET - 'nothing'".to_owned()),
        (&[("daemonize", "yes")], failed("daemonize", "can't set immutable config")),
        (&[("dir", "/")], failed("dir", "can't set protected config")),
        (&[("maxmemory", "1"), ("Maxmemory", "2")], failed("Maxmemory", "duplicate parameter")),
        (
            &[("maxmemory", "1"), ("maxmemory-clients", "200%"), ("client-query-buffer-limit", "x")],
            failed("maxmemory-clients", "percentage argument must be less or equal to 100"),
        ),
        (
            &[("loglevel", "x")],
            failed("loglevel", "argument(s) must be one of the following: debug, verbose, notice, warning, nothing"),
        ),
        (&[("hash-max-ziplist-value", "-1")], failed("hash-max-ziplist-value", "argument must be a memory value")),
        (&[("port", "65536")], failed("port", "argument must be between 0 and 65535 inclusive")),
        (&[("port", "x")], failed("port", "argument couldn't be parsed into an integer")),
        (&[("activerehashing", "1")], failed("activerehashing", "argument must be 'yes' or 'no'")),
        (&[("save", "1")], failed("save", "Invalid save parameters")),
        (&[("save", "10  1")], failed("save", "Invalid save parameters")),
        (
            &[("latency-tracking-info-percentiles", "50  99")],
            failed("latency-tracking-info-percentiles", "Invalid latency-tracking-info-percentiles parameters"),
        ),
        (
            &[("latency-tracking-info-percentiles", "inf")],
            failed(
                "latency-tracking-info-percentiles",
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
            ),
        ),
        (
            &[("client-output-buffer-limit", "master 1 1 1")],
            failed("client-output-buffer-limit", "Invalid client class specified in buffer limit configuration."),
        ),
        (
            &[("client-output-buffer-limit", "normal 1 1")],
            failed("client-output-buffer-limit", "Wrong number of arguments in buffer limit configuration."),
        ),
        (
            &[("client-output-buffer-limit", "slave x 1 1")],
            failed(
                "client-output-buffer-limit",
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
        ),
        (&[("maxmemory", " 1")], failed("maxmemory", "argument must be a memory value")),
        (
            &[("proto-max-bulk-len", "1")],
            failed("proto-max-bulk-len", "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ),
        (
            &[("shutdown-on-sigint", "save nosave")],
            failed("shutdown-on-sigint", "shutdown options SAVE and NOSAVE can't be used simultaneously"),
        ),
        (
            &[("proc-title-template", "{server-mode} ")],
            failed("proc-title-template", "template format is invalid or contains unknown variables"),
        ),
        (
            &[("oom-score-adj-values", "1 2 x")],
            failed("oom-score-adj-values", "Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
        ),
        (
            &[("cluster-announce-hostname", "a b")],
            failed("cluster-announce-hostname", "Hostnames may only contain alphanumeric characters, hyphens or dots"),
        ),
        (&[("rdma-port", "1")], failed("rdma-port", "rdma-port is not supported yet: it needs RDMA")),
    ] {
        assert_eq!(try_set(&config, pairs).unwrap_err(), expected);
    }
    let loading = Requester { local: true, loading: true };
    assert_eq!(set(&config, &[(b"appendonly", b"no")], loading).unwrap_err(), SetError::Loading);
    assert!(set(&config, &[(b"loglevel", b"debug")], loading).is_ok());
}

#[test]
fn protected_directives_ask_for_permission() {
    let with = |permission| Config { enable_protected_configs: permission, ..Config::default() };
    let ask =
        |config: &Config, local| set(config, &[(b"dbfilename", b"x")], Requester { local, loading: false }).is_ok();
    assert!(ask(&with(Permission::Yes), false));
    assert!(ask(&with(Permission::Local), true));
    assert!(!ask(&with(Permission::Local), false));
    assert!(!ask(&with(Permission::No), true));
}

#[test]
fn get_finds_names_aliases_and_patterns() {
    let config = Config::default();
    let get = |patterns: &[&str]| -> Vec<String> {
        let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        get(&config, &patterns).into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect()
    };
    let found = get(&["maxmemory", "maxmemory*", "bind", "*of"]);
    for name in ["replicaof", "slaveof", "maxmemory", "maxmemory-clients", "bind"] {
        assert_eq!(found.iter().filter(|known| *known == name).count(), 1, "{name} in {found:?}");
    }
    assert!(!get(&["*"]).contains(&"key-load-delay".to_owned()));
    assert_eq!(get(&["KEY-load-delay"]), ["KEY-load-delay"]);
    assert_eq!(get(&["nothing", "x*y"]), [""; 0]);
    assert_eq!(shown(&config, "io-threads"), "0");
}

#[test]
fn special_values_are_shown_as_redis_does() {
    let config = Config::default();
    let after = |name: &str, value: &str| shown(&try_set(&config, &[(name, value)]).unwrap().config, name);
    assert_eq!(after("notify-keyspace-events", "KEA"), "AKE");
    assert_eq!(after("notify-keyspace-events", "KEAn"), "AKE");
    assert_eq!(after("notify-keyspace-events", "KEmn"), "nKEm");
    assert_eq!(after("notify-keyspace-events", "lKm"), "lKm");
    assert_eq!(after("latency-tracking-info-percentiles", "50.0 99.9990000001 1e1"), "50 99.999 10");
    assert_eq!(after("save", "10 "), "10 0");
    assert_eq!(after("save", "+10 1"), "10 1");
    assert_eq!(after("maxmemory", ""), "0");
    assert_eq!(after("hz", "0"), "1");
    assert_eq!(after("shutdown-on-sigint", "nosave force now"), "nosave now force");
    assert_eq!(
        after("client-output-buffer-limit", "replica 1mb 0 60"),
        "normal 0 0 0 slave 1048576 0 60 pubsub 33554432 8388608 60"
    );
    assert_eq!(after("oom-score-adj", "relative"), "yes");
    assert_eq!(after("oom-score-adj-values", "1 2 -3"), "1 2 -3");
    assert_eq!(after("latency-tracking-info-percentiles", "50 99.99 100"), "50 99.99 100");
    assert_eq!(after("latency-tracking-info-percentiles", ""), "");
    assert_eq!(after("maxmemory-clients", "0%"), "0");
    assert_eq!(after("save", ""), "");
    assert_eq!(after("bind", "127.0.0.1 -::1"), "127.0.0.1 -::1");
    assert_eq!(after("bind", ""), "");
    assert_eq!(after("hz", "100000"), "500");
    assert_eq!(shown(&started(&["--unixsocketperm", "0700"]), "unixsocketperm"), "700");
}

/// The cases of Redis's own test of its command line.
#[test]
fn command_lines_fail_as_with_redis() {
    for (arguments, place, why) in [
        (&["--port"][..], "'port'", "wrong number of arguments"),
        (&["--port", "6380", "--loglevel"], "'loglevel'", "wrong number of arguments"),
        (&["--port", "6379", "6380"], "'port \"6379\" \"6380\"'", "wrong number of arguments"),
        (&["--port", "--loglevel", "verbose"], "'port \"--loglevel\" \"verbose\"'", "wrong number of arguments"),
        (
            &["--port", "--bla", "--loglevel", "verbose"],
            "'port \"--bla\"'",
            "argument couldn't be parsed into an integer",
        ),
        (
            &["--logfile", "--my--log--file", "--loglevel", "--bla"],
            "'loglevel \"--bla\"'",
            "argument(s) must be one of the following",
        ),
        (&["--shutdown-on-sigint"], "'shutdown-on-sigint'", "argument(s) must be one of the following"),
        (
            &["--shutdown-on-sigint", "now force", "--shutdown-on-sigterm"],
            "'shutdown-on-sigterm'",
            "argument(s) must be one of the following",
        ),
        (&["--replicaof", "127.0.0.1", "abc"], "'replicaof \"127.0.0.1\" \"abc\"'", "Invalid master port"),
        (&["--replicaof", "--127.0.0.1", "abc"], "'replicaof \"--127.0.0.1\" \"abc\"'", "Invalid master port"),
        (&["--replicaof", "--127.0.0.1", "--abc"], "'replicaof \"--127.0.0.1\"'", "wrong number of arguments"),
        (&["--cluster-enabled", "yes"], "'cluster-enabled \"yes\"'", "cluster-enabled is not supported yet"),
        (
            &["--user", "a", "off", "--user", "a"],
            "'user \"a\"'",
            "Error in user declaration 'a': Duplicate user found. A user can only be defined once in config files",
        ),
        (
            &["--user", "a", "on", "%x~k"],
            "'user \"a\" \"on\" \"%x~k\"'",
            "Error in user declaration '%x~k': Syntax error",
        ),
        (&["--nothing", "1"], "'nothing \"1\"'", "Bad directive or wrong number of arguments"),
    ] {
        let error = refused(arguments);
        assert!(error.starts_with("\n*** FATAL CONFIG FILE ERROR (Redis "), "{error}");
        assert!(error.contains(place) && error.contains(why), "{arguments:?}: {error}");
    }
    assert!(!std::path::Path::new("--my--log--file").exists());
    assert_eq!(
        refused(&["--loglevel", "verbose", "--hz", "'"]),
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\nReading the configuration file, at line 3\n>>> 'hz \"'\"'\nargument couldn't be parsed into an integer"
    );
}

#[test]
fn command_lines_mean_what_they_mean_with_redis() {
    let scratch = Scratch::new("line");
    let file = scratch.file("default.conf", "save 900 1\nloglevel verbose\nlogfile ''");
    let with = |arguments: &[&str]| started(&[&[file.as_str()], arguments].concat());
    let config = with(&["--maxmemory 700mb", "--maxmemory-policy volatile-lru"]);
    assert_eq!((config.maxmemory, config.maxmemory_policy), (734_003_200, Policy::VolatileLru));
    let config = with(&["loglevel", "verbose", "--maxmemory '700mb'", "--maxmemory-policy 'volatile-lru'"]);
    assert_eq!((config.maxmemory, config.loglevel), (734_003_200, LogLevel::Verbose));
    let config = with(&["--proc-title-template", "--my--title--template", "--loglevel", "debug"]);
    assert_eq!((config.proc_title_template.as_str(), config.loglevel), ("--my--title--template", LogLevel::Debug));
    let config = with(&["--proc-title-template --my--title--template", "--loglevel debug"]);
    assert_eq!((config.proc_title_template.as_str(), config.loglevel), ("--my--title--template", LogLevel::Debug));
    for arguments in [
        &["--save", "--loglevel", "debug"][..],
        &["--loglevel", "debug", "--save"],
        &["--save", "", "--loglevel", "debug"],
        &["--loglevel", "debug", "--save", ""],
    ] {
        let config = with(arguments);
        assert_eq!((shown(&config, "save").as_str(), config.loglevel), ("", LogLevel::Debug), "{arguments:?}");
    }
    assert_eq!(shown(&with(&["--save", "100", "100"]), "save"), "900 1 100 100");
    assert_eq!(shown(&started(&["--save", "100", "100"]), "save"), "100 100");
    let config = with(&["--shutdown-on-sigint", "nosave", "force", "now", "--shutdown-on-sigterm", "nosave force"]);
    assert_eq!(shown(&config, "shutdown-on-sigint"), "nosave now force");
    assert_eq!(shown(&config, "shutdown-on-sigterm"), "nosave force");
}

#[test]
fn files_include_others_from_the_directory_they_set() {
    let scratch = Scratch::new("include");
    std::fs::create_dir_all(scratch.0.join("conf.d")).unwrap();
    scratch.file("conf.d/a.conf", "maxclients 7\nsave 10 10\n");
    scratch.file("conf.d/b.conf", "# nothing\nmaxclients 8\n");
    let main = format!(
        "dir {0}/conf.d/..\ninclude conf.d/*.conf\ninclude none/*.conf\nsave 5 5\nrename-command flushdb \"\"\n",
        scratch.0.display()
    );
    let file = scratch.file("main.conf", &main);
    let loaded = start(&[&file]).unwrap();
    assert_eq!(loaded.config.maxclients, 8);
    assert_eq!(shown(&loaded.config, "save"), "10 10 5 5");
    assert_eq!(loaded.config.dir, scratch.0);
    assert_eq!(loaded.file.as_deref(), Some(std::path::Path::new(&file)));
    assert!(loaded.kept.is_empty());
    let rename = &loaded.config.rename_commands[0];
    assert_eq!((rename.command.as_str(), rename.name.as_str(), rename.line), ("flushdb", "", 5));

    let missing = refused(&[scratch.0.join("no.conf").to_str().unwrap()]);
    assert!(
        missing.starts_with("Fatal error, can't open config file '")
            && missing.ends_with("': No such file or directory"),
        "{missing}"
    );
    let looping = scratch.file("loop.conf", &format!("include {}/loop.conf\n", scratch.0.display()));
    assert!(refused(&[&looping]).contains("include is nested too deeply"));
    let log = refused(&["--logfile", scratch.0.join("no/log").to_str().unwrap()]);
    assert!(log.ends_with("***\nCan't open the log file: No such file or directory"), "{log}");
}

#[test]
fn rewriting_keeps_comments_order_and_unknown_lines() {
    let old = "# mine\nport 7000\n\n\nsave 1 1\nsave 2 2\nsave 3 3\nslave-read-only no\nbogus 1\nrename-command a b\nmaxclients 5\nmaxclients 6\n";
    let mut config = Config { port: 7001, maxclients: 10, dir: "/".into(), ..Config::default() };
    config.save.truncate(1);
    let text = String::from_utf8(rewrite_text(old.as_bytes(), &config, None, false)).unwrap();
    let expected = "# mine\nport 7001\n\nsave 3600 1\n\nreplica-read-only yes\n# ??? bogus 1\nrename-command a b\nmaxclients 10\n\n# Generated by CONFIG REWRITE\ndir \"/\"\n";
    assert_eq!(text, expected);
    assert_eq!(String::from_utf8(rewrite_text(text.as_bytes(), &config, None, false)).unwrap(), text);
}

#[test]
fn what_is_rewritten_is_read_back() {
    let scratch = Scratch::new("rewrite");
    let file = scratch.file("x.conf", "compatibility-level 7.0\n");
    let mut config = start(&[&file]).unwrap().config;
    for (name, value) in [
        ("requirepass", "a \"b\"\n\\"),
        ("maxmemory", "1536"),
        ("client-output-buffer-limit", "normal 1kb 2 3"),
        ("bind", "127.0.0.1"),
        ("notify-keyspace-events", "KEAn"),
        ("latency-tracking-info-percentiles", ""),
        ("proc-title-template", "{title} x"),
        ("save", ""),
    ] {
        config = try_set(&config, &[(name, value)]).unwrap().config;
    }
    for force_all in [false, true] {
        rewrite(std::path::Path::new(&file), &config, None, force_all).unwrap();
        let mut read = start(&[&file]).unwrap().config;
        read.dir.clone_from(&config.dir);
        assert_eq!(read, config);
    }
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 1);
    let level = Config::for_level(Level::V7_0);
    assert!(String::from_utf8_lossy(&rewrite_text(b"", &level, None, false)).contains("\ncompatibility-level 7.0\n"));
    let error = rewrite(&scratch.0.join("no/x.conf"), &config, None, false).unwrap_err();
    assert_eq!(error.to_string(), "Rewriting config file: No such file or directory");
}

#[test]
fn documents_are_current() {
    for (path, name) in [("default.conf", "default-conf"), ("docs/config.md", "config-md")] {
        let found = std::fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(Some(found) == generate(name), "{path} is out of date: run `cargo xtask gen`");
    }
    assert_eq!(generate("nothing"), None);
}

#[test]
fn the_default_configuration_is_the_default() {
    let scratch = Scratch::new("default");
    let file = scratch.file("default.conf", &generate("default-conf").unwrap());
    let loaded = start(&[&file]).unwrap();
    let config = Config { dir: Config::default().dir, ..loaded.config };
    assert_eq!(config, Config::default());
    assert!(loaded.kept.is_empty());
}
