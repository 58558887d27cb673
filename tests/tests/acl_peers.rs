//! Users beside real servers: a Valkey 9.1, and the Redis 7.0 of this machine.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use ochre_tests::{Client, Peer, Reply, Server};

/// The server under test and the one it is compared with.
struct Pair {
    ours: Client,
    peer: Client,
    name: &'static str,
    _servers: (Server, Peer),
}

impl Pair {
    fn valkey() -> Result<Pair> {
        Pair::new("Valkey", Server::start(&[])?, Peer::valkey(&[])?)
    }
    fn redis() -> Result<Pair> {
        Pair::new("Redis", Server::start(&["--compatibility-level", "7.0"])?, Peer::start(&[])?)
    }
    fn new(name: &'static str, server: Server, peer: Peer) -> Result<Pair> {
        Ok(Pair { ours: server.client()?, peer: peer.client()?, name, _servers: (server, peer) })
    }
    fn ask(&mut self, words: &[&str]) -> Result<(Reply, Reply)> {
        Ok((self.ours.command(words)?, self.peer.command(words)?))
    }
    fn compare(&mut self, line: &str) -> Result<Option<String>> {
        let words: Vec<&str> = line.split(' ').collect();
        let (here, there) = self.ask(&words)?;
        Ok((here != there).then(|| format!("{line}: {here:?}, {} {there:?}", self.name)))
    }
}

/// Rules, valid ones and others, each for a new user.
const RULES: &[&str] = &[
    "",
    "on",
    "on nopass ~* &* +@all",
    "ON NoPass AllKeys allCHANNELS +@ALL",
    ">pass >pass >other <pass",
    "#2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 nopass",
    "nopass >x",
    ">x resetpass",
    "<x",
    "!x",
    "#x",
    "~a ~b ~a %R~a %W~b %R~c %RW~d %wr~e",
    "%~x",
    "%RR~x",
    "%RX~x",
    "%R",
    "%",
    "~",
    "&",
    "~* ~x",
    "~x ~*",
    "allkeys resetkeys ~x",
    "&* &x",
    "&x &y &x",
    "resetchannels &x allchannels",
    "+get",
    "+GET -Get +get",
    "+config|get",
    "+config|get +config",
    "+config -config|set",
    "-config|set",
    "+config|nosuch",
    "-config|nosuch",
    "+config|get|x",
    "+get|x",
    "+get|x|y",
    "-get|x",
    "+get|",
    "+select|0 +select|1",
    "+nosuch",
    "-nosuch",
    "+@nosuch",
    "+@",
    "+",
    "-",
    "@read",
    "foo",
    "(",
    "()",
    "(+get ~a)",
    "(+get ~a) (%R~b +@read) ~c",
    "(+get",
    "( +get ~a )",
    "(+get ~a) clearselectors",
    "(on)",
    "((+get))",
    "(nosuch)",
    "(+get ~* ~a)",
    ")",
    "on reset",
    "on nopass ~* &* +@all (+get) reset",
    "off on",
    "+@all -@all +get",
];

#[test]
fn users_are_described_as_by_others() -> Result<()> {
    for mut pair in [Pair::valkey()?, Pair::redis()?] {
        let mut wrong = Vec::new();
        for rules in RULES {
            // Redis 7.0 writes rules about commands as those that come to the same among the commands it has.
            for line in [format!("ACL SETUSER u {rules}"), "ACL GETUSER u".to_owned(), "ACL LIST".to_owned()] {
                wrong.extend(pair.compare(line.trim_end())?);
            }
            pair.ask(&["ACL", "DELUSER", "u"])?;
        }
        for protocol in ["2", "3"] {
            pair.ask(&["HELLO", protocol])?;
            pair.ask(&["ACL", "SETUSER", "u", "on", ">x", "~a", "%R~b", "&c", "+get", "(~d +set)"])?;
            wrong.extend(pair.compare("ACL GETUSER u")?);
        }
        for line in [
            "ACL USERS",
            "ACL WHOAMI",
            "ACL CAT",
            "ACL CAT nosuch",
            "ACL CAT a b",
            "ACL GETUSER nobody",
            "ACL DELUSER default",
            "ACL DELUSER nobody",
            "ACL DELUSER u nobody u",
            "ACL LOAD",
            "ACL SAVE",
            "ACL LOG x",
            "ACL LOG 1 2",
            "ACL LOG -1",
            "ACL LOG RESET",
            "ACL GENPASS 0",
            "ACL GENPASS 4097",
            "ACL GENPASS x",
            "ACL GENPASS 1 2",
            "ACL DRYRUN",
            "ACL DRYRUN nobody get x",
            "ACL DRYRUN default nosuch",
            "ACL DRYRUN default config",
            "ACL DRYRUN default config x",
            "ACL DRYRUN default get",
            "ACL NOSUCH",
            "ACL HELP x",
            "ACL",
            "AUTH",
            "AUTH a",
            "AUTH a b c",
            "AUTH nobody x",
            "CLIENT KILL USER nobody",
        ] {
            wrong.extend(pair.compare(line)?);
        }
        ensure!(wrong.is_empty(), "{wrong:#?}");
    }
    Ok(())
}

/// The names of commands and subcommands that both servers have, with the number of words they take at least.
fn common_commands(pair: &mut Pair) -> Result<Vec<(String, usize)>> {
    fn collect(commands: &Reply, into: &mut BTreeSet<(String, i64)>) -> Result<()> {
        let Reply::Array(commands) = commands else { return Ok(()) };
        for command in commands {
            let Reply::Array(fields) = command else { continue };
            if let [name, Reply::Integer(arity), ..] = fields.as_slice() {
                into.insert((name.text()?, *arity));
            }
            fields.get(9).map_or(Ok(()), |subcommands| collect(subcommands, into))?;
        }
        Ok(())
    }
    let (ours, theirs) = pair.ask(&["COMMAND"])?;
    let (mut here, mut there) = (BTreeSet::new(), BTreeSet::new());
    collect(&ours, &mut here)?;
    collect(&theirs, &mut there)?;
    Ok(here.intersection(&there).map(|(name, arity)| (name.clone(), arity.unsigned_abs() as usize)).collect())
}

#[test]
fn commands_are_allowed_as_by_others() -> Result<()> {
    const USERS: &[(&str, &str)] = &[
        ("keys", "+@all ~k*"),
        ("reads", "+@all %R~k*"),
        ("writes", "+@all %W~k*"),
        ("mixed", "+@all %R~1* %W~k* %RW~0*"),
        ("selectors", "+@read ~k* (+@write %W~0) (+@all -@dangerous %R~1)"),
        ("nothing", "~*"),
        ("some", "+@all -@dangerous -@connection ~*"),
    ];
    // WAIT became a blocking command after 7.0.
    // If some keys of a line cannot be found, others check none at all, also where the line does something (PFMERGE).
    const DIFFERENT: &[&str] = &["wait", "pfmerge", "zdiffstore", "zinterstore", "zunionstore"];
    for mut pair in [Pair::valkey()?, Pair::redis()?] {
        let mut users: Vec<(String, String)> =
            USERS.iter().map(|(name, rules)| ((*name).to_owned(), (*rules).to_owned())).collect();
        if let Reply::Array(categories) = pair.ours.command(&["ACL", "CAT"])? {
            for category in categories {
                let name = category.text()?;
                users.push((format!("only-{name}"), format!("+@{name} ~*")));
            }
        }
        if pair.name == "Valkey" {
            users.push(("first".to_owned(), "+@all ~* db=0".to_owned()));
            users.push(("second".to_owned(), "+@all ~* db=1".to_owned()));
            users.push(("none".to_owned(), "+@all ~* resetdbs".to_owned()));
        }
        let commands = common_commands(&mut pair)?;
        ensure!(commands.len() > 200, "only {} commands", commands.len());
        let (mut wrong, mut asked) = (Vec::new(), 0);
        for (user, rules) in &users {
            let line = format!("ACL SETUSER {user} {rules}");
            pair.ask(&line.split(' ').collect::<Vec<_>>())?;
            for (command, words) in &commands {
                for filler in ["k1", "0", "1", "2"] {
                    for more in 0..3 {
                        let mut line: Vec<&str> = vec!["ACL", "DRYRUN", user];
                        line.extend(command.split('|'));
                        line.resize((words + 3 + more).max(line.len()), filler);
                        let (here, there) = pair.ask(&line)?;
                        asked += 1;
                        if here != there && !DIFFERENT.contains(&command.as_str()) {
                            wrong.push(format!(
                                "{rules}: {}: {}, {} {}",
                                line[3..].join(" "),
                                shown(&here),
                                pair.name,
                                shown(&there)
                            ));
                        }
                        if user.starts_with("only-") {
                            break;
                        }
                    }
                }
            }
        }
        ensure!(wrong.is_empty(), "{} of {asked} differ: {:#?}", wrong.len(), &wrong[..wrong.len().min(60)]);
    }
    Ok(())
}

fn shown(reply: &Reply) -> String {
    reply.text().unwrap_or_else(|_| format!("{reply:?}"))
}

/// Sends the lines as a user that the rules make, and tells the replies.
fn replies(server: &mut Client, rules: &str, lines: &[&str], client: &mut Client) -> Result<Vec<Reply>> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut all = Vec::new();
    let send = |client: &mut Client, line: &str| -> Result<Reply> {
        let words = words(line);
        client.command(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    send(server, &format!("ACL SETUSER u reset on nopass {rules}"))?;
    send(client, "AUTH u x")?;
    for line in lines {
        all.push(send(client, line)?);
    }
    Ok(all)
}

/// What is found out first: that there is no such command, that it has too few words, that it is not allowed, …
#[test]
fn gates_stand_in_the_order_of_others() -> Result<()> {
    const LINES: &[&str] = &[
        "nosuch",
        "nosuch x",
        "get",
        "get k",
        "get x",
        "set k",
        "set k v",
        "set x v",
        "config",
        "config nosuch",
        "config set",
        "config set a b",
        "config get",
        "mget k1 x k2",
        "multi",
        "multi",
        "get x",
        "exec",
        "multi",
        "get k",
        "nosuch",
        "exec",
        "multi",
        "get k",
        "watch k",
        "ping",
        "exec",
        "multi",
        "set k v",
        "discard",
        "exec",
        "discard",
        "zunionstore k 1 x",
        "sort k by x*",
        "sort k get #",
        "sort k store x",
        "eval x",
        "object encoding x",
        "object freq",
        "copy k x",
        "rename k x",
        "select 1",
        "select x",
        "swapdb 0 1",
        "flushall",
        "subscribe",
        "debug object k",
        "multi",
        "debug object k",
        "exec",
        "echo",
        "hello 9",
        "hello 2",
        "auth a",
        "reset",
    ];
    let mut wrong = Vec::new();
    for pair in [Pair::valkey()?, Pair::redis()?] {
        let (ours, theirs) = (&pair._servers.0, &pair._servers.1);
        for rules in [
            "-@all",
            "+@all ~k*",
            "+@all -set -multi ~*",
            "+@read +@transaction ~k*",
            "+@all -exec ~*",
            "+@all -discard -config|set ~*",
            "+@all resetkeys",
        ] {
            let here = replies(&mut ours.client()?, rules, LINES, &mut ours.client()?)?;
            let there = replies(&mut theirs.client()?, rules, LINES, &mut theirs.client()?)?;
            for ((line, here), there) in LINES.iter().zip(here).zip(there) {
                let is_known = !matches!(&here, Reply::Error(text) if text.contains("unknown command"));
                if here != there && (is_known || line.starts_with("nosuch")) && !line.starts_with("hello") {
                    wrong.push(format!("{rules}: {line}: {here:?}, {} {there:?}", pair.name));
                }
            }
        }
        // Before anybody has logged in.
        let (mut here, mut there) = (ours.client()?, theirs.client()?);
        for client in [&mut here, &mut there] {
            client.command(&["CONFIG", "SET", "requirepass", "secret"])?;
        }
        let (mut here, mut there) = (ours.client()?, theirs.client()?);
        for line in LINES {
            let words: Vec<&str> = line.split(' ').collect();
            let (here, there) = (here.command(&words)?, there.command(&words)?);
            let is_known = !matches!(&here, Reply::Error(text) if text.contains("unknown command"));
            if here != there && (is_known || line.starts_with("nosuch")) {
                wrong.push(format!("no login: {line}: {here:?}, {} {there:?}", pair.name));
            }
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}
