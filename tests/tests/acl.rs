//! Users: what they may do, and that a change of it holds for everybody at once.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;

use anyhow::{Result, bail, ensure};
use ochre_tests::{Client, Reply, Server, await_that};

/// The same behaviour is asked of one worker with one shard and of several with many.
const WORKERS: [&str; 2] = ["1", "4"];

fn start(workers: &str) -> Result<Server> {
    Server::start(&["--worker-threads", workers])
}

/// Sends a line of words that blanks separate.
fn ask(client: &mut Client, line: &str) -> Result<Reply> {
    client.command(&line.split(' ').collect::<Vec<_>>())
}

fn log_in(server: &Server, name: &str) -> Result<Client> {
    let mut client = server.client()?;
    assert_eq!(ask(&mut client, &format!("AUTH {name} any"))?, Reply::ok());
    Ok(client)
}

fn error(text: &str) -> Reply {
    Reply::Error(text.to_owned())
}

// Clients on all workers write, alone, in pipelines and in transactions. Whatever they begin after SETUSER was answered is
// refused, and whatever they begin after it was taken back is not.
#[test]
fn a_change_holds_once_it_is_answered() -> Result<()> {
    const CLIENTS: usize = 8;
    const CHANGES: usize = 60;
    for workers in WORKERS {
        let server = start(workers)?;
        let mut control = server.client()?;
        ask(&mut control, "ACL SETUSER writer on nopass ~* +@all")?;
        // Odd while writing is forbidden.
        let (phase, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let write = |client: &mut Client, number: usize| -> Result<()> {
            let key = format!("key{number}");
            while !over.load(SeqCst) {
                let before = phase.load(SeqCst);
                let replies = match number % 3 {
                    0 => vec![ask(client, &format!("SET {key} v"))?],
                    1 => {
                        client.send(format!("SET {key} v\r\nSET {key}x v\r\n").as_bytes())?;
                        vec![client.read_reply()?, client.read_reply()?]
                    }
                    _ => {
                        client.send(format!("MULTI\r\nSET {key} v\r\nEXEC\r\n").as_bytes())?;
                        let replies = [client.read_reply()?, client.read_reply()?, client.read_reply()?];
                        match &replies[2] {
                            Reply::Array(inner) => inner.clone(),
                            other => vec![other.clone()],
                        }
                    }
                };
                if phase.load(SeqCst) != before {
                    continue;
                }
                for reply in replies {
                    let refused = match &reply {
                        Reply::Simple(_) => false,
                        Reply::Error(text) if text.starts_with("NOPERM") || text.starts_with("EXECABORT") => true,
                        other => bail!("{other:?}"),
                    };
                    ensure!(before == u64::MAX || refused == (before % 2 == 1), "{reply:?} in phase {before}");
                }
            }
            Ok(())
        };
        thread::scope(|scope| -> Result<()> {
            let threads: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let mut client = log_in(&server, "writer")?;
                    let write = &write;
                    Ok(scope.spawn(move || write(&mut client, number)))
                })
                .collect::<Result<_>>()?;
            for change in 0..CHANGES {
                let rule = if change % 2 == 0 { "-set" } else { "+set" };
                // Neither while it changes.
                let next = phase.swap(u64::MAX, SeqCst) + 1;
                assert_eq!(ask(&mut control, &format!("ACL SETUSER writer {rule}"))?, Reply::ok());
                phase.store(next, SeqCst);
                let done = control.info("total_commands_processed")?.parse::<u64>()?;
                let refused = control.info("acl_access_denied_cmd")?.parse::<u64>()?;
                await_that("the clients go on", || {
                    let now = control.info("total_commands_processed")?.parse::<u64>()?;
                    let denied = control.info("acl_access_denied_cmd")?.parse::<u64>()?;
                    Ok(if rule == "-set" { denied > refused + 20 } else { now > done + 50 })
                })?;
            }
            over.store(true, SeqCst);
            for thread in threads {
                thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn connections_of_a_deleted_user_end() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let mut control = server.client()?;
        ask(&mut control, "ACL SETUSER gone on nopass ~* +@all")?;
        ask(&mut control, "ACL SETUSER stays on nopass ~* +@all")?;
        let mut idle: Vec<Client> = (0..6).map(|_| log_in(&server, "gone")).collect::<Result<_>>()?;
        let (mut blocked, mut queueing) = (log_in(&server, "gone")?, log_in(&server, "gone")?);
        let mut other = log_in(&server, "stays")?;
        blocked.send(b"BLPOP queue 0\r\n")?;
        await_that("a client waits", || Ok(control.info("blocked_clients")? == "1"))?;
        ask(&mut queueing, "MULTI")?;
        ask(&mut queueing, "SET a b")?;
        let busy = log_in(&server, "gone")?;
        thread::scope(|scope| -> Result<()> {
            let busy = scope.spawn(move || -> u64 {
                let mut client = busy;
                (0..).find(|_| !matches!(ask(&mut client, "INCR n"), Ok(Reply::Integer(_)))).unwrap_or_default()
            });
            await_that("a client is busy", || {
                Ok(ask(&mut control, "GET n")?.text().is_ok_and(|number| number.parse().unwrap_or(0) > 50))
            })?;
            assert_eq!(ask(&mut control, "ACL DELUSER gone nobody")?, Reply::Integer(1));
            let count = ask(&mut control, "GET n")?;
            ensure!(busy.join().is_ok_and(|calls| calls > 50), "the busy client was not served at first");
            assert_eq!(ask(&mut control, "GET n")?, count, "it was served after the user was gone");
            Ok(())
        })?;
        for client in idle.iter_mut().chain([&mut blocked]) {
            ensure!(client.read_reply().is_err(), "a connection is still open");
        }
        ensure!(ask(&mut queueing, "EXEC").is_err(), "a transaction is still executed");
        assert_eq!(ask(&mut control, "EXISTS a")?, Reply::Integer(0));
        assert_eq!(ask(&mut control, "RPUSH queue x")?, Reply::Integer(1));
        assert_eq!(ask(&mut control, "LLEN queue")?, Reply::Integer(1));
        assert_eq!(ask(&mut other, "PING")?, Reply::Simple("PONG".to_owned()));
        let refusal = error("WRONGPASS invalid username-password pair or user is disabled.");
        assert_eq!(ask(&mut other, "AUTH gone any")?, refusal);
        // Who deletes itself has its answer first.
        assert_eq!(ask(&mut other, "ACL DELUSER stays")?, Reply::Integer(1));
        ensure!(ask(&mut other, "PING").is_err(), "it is served on");
    }
    Ok(())
}

// As Valkey 9.1 has it.
#[test]
fn a_client_that_waits_is_served_by_the_rules_of_the_moment() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let mut control = server.client()?;
        ask(&mut control, "ACL SETUSER w on nopass ~* +@all")?;
        for (rule, refusal) in [
            ("-blpop", "NOPERM User w has no permissions to run the 'blpop' command"),
            ("+blpop resetkeys ~other", "NOPERM No permissions to access a key"),
        ] {
            let mut waiter = log_in(&server, "w")?;
            waiter.send(b"BLPOP queue 0\r\n")?;
            await_that("a client waits", || Ok(control.info("blocked_clients")? == "1"))?;
            ask(&mut control, &format!("ACL SETUSER w {rule}"))?;
            assert_eq!(ask(&mut control, "RPUSH queue x")?, Reply::Integer(1));
            assert_eq!(waiter.read_reply()?, error(refusal));
            assert_eq!(ask(&mut control, "LLEN queue")?, Reply::Integer(1));
            ask(&mut control, "DEL queue")?;
            ask(&mut control, "ACL SETUSER w +@all allkeys")?;
        }
    }
    Ok(())
}

#[test]
fn what_is_queued_is_checked_again() -> Result<()> {
    let server = start("3")?;
    let (mut control, mut client) = (server.client()?, server.client()?);
    let changed = |why: &str| {
        error(&format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
             command is no longer allowed for the following reason: {why}"
        ))
    };
    for (rule, why) in [
        ("-set", "no permission to execute the command or subcommand"),
        ("resetkeys ~b", "no permission to touch the specified keys"),
        ("db=3", "no permission"),
    ] {
        ask(&mut control, "ACL SETUSER q reset on nopass ~* +@all")?;
        ask(&mut client, "AUTH q any")?;
        for line in ["MULTI", "SET a 1", "PING"] {
            ask(&mut client, line)?;
        }
        ask(&mut control, &format!("ACL SETUSER q {rule}"))?;
        let expected = Reply::Array(vec![changed(why), Reply::Simple("PONG".to_owned())]);
        assert_eq!(ask(&mut client, "EXEC")?, expected, "{rule}");
        assert_eq!(ask(&mut control, "EXISTS a")?, Reply::Integer(0));
    }
    // A transaction that changes its own user is bound by that.
    ask(&mut control, "ACL SETUSER q reset on nopass ~* +@all")?;
    for line in ["MULTI", "SET a 1", "ACL SETUSER q -set", "SET a 2"] {
        ask(&mut client, line)?;
    }
    let expected =
        Reply::Array(vec![Reply::ok(), Reply::ok(), changed("no permission to execute the command or subcommand")]);
    assert_eq!(ask(&mut client, "EXEC")?, expected);
    assert_eq!(ask(&mut control, "GET a")?, Reply::bulk("1"));
    Ok(())
}

#[test]
fn the_default_user_decides_who_has_to_log_in() -> Result<()> {
    let server = start("2")?;
    let (mut control, mut early) = (server.client()?, server.client()?);
    let no_auth = error("NOAUTH Authentication required.");
    let no_password = error(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
         configuration is correct?",
    );
    assert_eq!(ask(&mut early, "AUTH x")?, no_password);
    control.set_config("requirepass", "first")?;
    let mut late = server.client()?;
    assert_eq!(ask(&mut early, "PING")?, Reply::Simple("PONG".to_owned()));
    for line in ["PING", "GET", "NOTHING", "MULTI"] {
        assert_eq!(ask(&mut late, line)?, no_auth, "{line}");
    }
    assert_eq!(ask(&mut late, "AUTH first")?, Reply::ok());
    // What is set last counts.
    ask(&mut control, "ACL SETUSER default >second")?;
    for (password, accepted) in [("first", true), ("second", true), ("third", false)] {
        let reply = ask(&mut server.client()?, &format!("AUTH default {password}"))?;
        assert_eq!(reply == Reply::ok(), accepted, "{password}: {reply:?}");
    }
    control.set_config("requirepass", "third")?;
    assert_ne!(ask(&mut server.client()?, "AUTH second")?, Reply::ok());
    let mut waiting = server.client()?;
    assert_eq!(ask(&mut waiting, "PING")?, no_auth);
    control.set_config("requirepass", "")?;
    assert_eq!(ask(&mut waiting, "PING")?, Reply::Simple("PONG".to_owned()));
    // RESET is a new beginning.
    ask(&mut control, "ACL SETUSER other on nopass +@all")?;
    assert_eq!(ask(&mut waiting, "AUTH other x")?, Reply::ok());
    assert_eq!(ask(&mut waiting, "RESET")?, Reply::Simple("RESET".to_owned()));
    assert_eq!(ask(&mut waiting, "ACL WHOAMI")?, Reply::bulk("default"));
    Ok(())
}

#[test]
fn clients_are_found_by_their_user() -> Result<()> {
    let server = start("3")?;
    let mut control = server.client()?;
    ask(&mut control, "ACL SETUSER one on nopass +@all")?;
    let mut clients: Vec<Client> = (0..3).map(|_| log_in(&server, "one")).collect::<Result<_>>()?;
    let lines = |reply: Reply| Ok::<_, anyhow::Error>(reply.text()?.lines().count());
    assert_eq!(lines(ask(&mut control, "CLIENT LIST USER one")?)?, 3);
    assert_eq!(lines(ask(&mut control, "CLIENT LIST NOT-USER one")?)?, 1);
    ensure!(ask(&mut clients[0], "CLIENT INFO")?.text()?.contains(" user=one "), "the line has another user");
    assert_eq!(ask(&mut control, "CLIENT LIST USER nobody")?, error("ERR No such user 'nobody'"));
    assert_eq!(ask(&mut control, "CLIENT KILL USER one")?, Reply::Integer(3));
    ensure!(clients.iter_mut().all(|client| client.read_reply().is_err()), "a connection is still open");
    Ok(())
}

#[test]
fn users_are_kept_in_files() -> Result<()> {
    // In the configuration file.
    let folder = std::env::temp_dir().join(format!("ochre-users-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let config = folder.join("server.conf");
    fs::write(&config, "user default on nopass ~* &* +@all -flushall\nuser old on >pw ~a* +get (~b +set)\n")?;
    let (list, rewritten) = {
        let server = Server::start_with_file(&config, &[])?;
        let mut client = server.client()?;
        assert_eq!(
            ask(&mut client, "FLUSHALL")?,
            error("NOPERM User default has no permissions to run the 'flushall' command")
        );
        client.command(&["ACL", "SETUSER", "new", "on", ">x y", "~\"quoted\\", "(~in\"side +get)"]).map(drop)?;
        client.command(&["ACL", "SETUSER", "new", "on", ">x y", "~\"quoted\\", "(~inside +get)"]).map(drop)?;
        assert_eq!(ask(&mut client, "CONFIG REWRITE")?, Reply::ok());
        (ask(&mut client, "ACL LIST")?, fs::read_to_string(&config)?)
    };
    let Reply::Array(lines) = &list else { bail!("{list:?}") };
    assert_eq!(lines.len(), 3);
    assert_eq!(rewritten.lines().filter(|line| line.starts_with("user ")).count(), 3, "{rewritten}");
    // The folder that the first server ran in is gone.
    let users: Vec<&str> = rewritten.lines().filter(|line| line.starts_with("user ")).collect();
    fs::write(&config, users.join("\n"))?;
    let server = Server::start_with_file(&config, &[])?;
    assert_eq!(ask(&mut server.client()?, "ACL LIST")?, list);
    assert_eq!(server.client()?.command(&["AUTH", "new", "x y"])?, Reply::ok());
    drop(server);
    // In a file of their own.
    let users = folder.join("users.acl");
    let text: String = lines.iter().map(|line| line.text().map(|line| line + "\n")).collect::<Result<_>>()?;
    fs::write(&users, &text)?;
    let server = Server::start(&["--aclfile", &users.to_string_lossy()])?;
    let mut client = server.client()?;
    assert_eq!(ask(&mut client, "ACL LIST")?, list);
    let mut old = server.client()?;
    assert_eq!(ask(&mut old, "AUTH old pw")?, Reply::ok());
    assert_eq!(ask(&mut client, "ACL SETUSER third on nopass +@all")?, Reply::ok());
    let mut third = log_in(&server, "third")?;
    assert_eq!(ask(&mut client, "ACL LOAD")?, Reply::ok());
    // Who is in the file goes on, who is not is gone.
    assert_eq!(ask(&mut old, "GET a1")?, Reply::Null);
    ensure!(third.read_reply().is_err(), "the connection of a user who is gone is open");
    ask(&mut client, "ACL SETUSER old -get")?;
    assert_eq!(ask(&mut client, "ACL SAVE")?, Reply::ok());
    ensure!(fs::read_to_string(&users)?.contains("user old on #") && fs::read_to_string(&users)? != text);
    fs::write(&users, "user a on\nuser a off\nuser b ~* ~a\nx\nuser c +nothing\n")?;
    let path = users.to_string_lossy();
    let refusal = format!(
        "ERR WARNING: Duplicate user 'a' found on line 2. {path}:3: Adding a pattern after the * pattern (or the \
         'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of \
         patterns. {path}:4 should start with user keyword followed by the username. {path}:5: Error in applying \
         operation '+nothing': Unknown command or category name in ACL. WARNING: ACL errors detected, no change to the \
         previously active ACL rules was performed"
    );
    assert_eq!(ask(&mut client, "ACL LOAD")?, error(&refusal));
    assert_eq!(
        ask(&mut old, "ACL WHOAMI")?,
        error("NOPERM User old has no permissions to run the 'acl|whoami' command")
    );
    fs::remove_dir_all(&folder)?;
    Ok(())
}

#[test]
fn no_log_shows_a_secret() -> Result<()> {
    let server = Server::start(&["--slowlog-log-slower-than", "0", "--loglevel", "debug"])?;
    let (mut watcher, mut client) = (server.client()?, server.client()?);
    assert_eq!(ask(&mut watcher, "MONITOR")?, Reply::ok());
    ask(&mut client, "ACL SETUSER u on >SECRET1 +@all ~*")?;
    ask(&mut client, "ACL SETUSER u on >SECRET2 nonsense")?;
    ask(&mut client, "AUTH u SECRET1")?;
    ask(&mut client, "AUTH SECRET3")?;
    ask(&mut client, "AUTH u SECRET4")?;
    ask(&mut client, "HELLO 3 AUTH u SECRET1 SETNAME me")?;
    ask(&mut client, "HELLO 3 AUTH u SECRET5 nonsense")?;
    client.set_config("requirepass", "SECRET6")?;
    client.set_config("masterauth", "SECRET7")?;
    for line in ["MULTI", "AUTH u SECRET1", "ACL SETUSER u >SECRET8", "CONFIG SET requirepass SECRET9", "EXEC"] {
        ask(&mut client, line)?;
    }
    ask(&mut client, "ECHO over")?;
    let seen = String::from_utf8_lossy(&watcher.read_until(b"\"over\"")?).into_owned();
    ensure!(seen.matches("(redacted)").count() >= 8, "{seen}");
    let mut told = vec![seen, server.log()];
    for line in ["SLOWLOG GET 100", "ACL LOG 100", "CLIENT LIST", "ACL LIST", "INFO everything", "COMMAND COUNT"] {
        told.push(format!("{:?}", ask(&mut client, line)?));
    }
    for text in told {
        // As bytes and as their numbers.
        let numbers = format!("{:?}", b"SECRET");
        ensure!(!text.contains("SECRET") && !text.contains(numbers.trim_matches(['[', ']'])), "{text}");
    }
    Ok(())
}
