//! Limits of memory: of the data, and of what clients make the server hold for them.

use anyhow::Result;
use ochre_tests::{Client, Reply, Server, await_that};

const VALUE_LEN: usize = 100_000;

/// A command as clients encode it: unlike lines, several of them make a batch.
fn request(words: &[&str]) -> String {
    let encoded: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{encoded}", words.len())
}

fn fill(client: &mut Client, keys: usize) -> Result<()> {
    for key in 0..keys {
        client.command(&["SETRANGE", &format!("key:{key}"), &(VALUE_LEN - 1).to_string(), "x"])?;
    }
    Ok(())
}

#[test]
fn clients_that_take_too_much_are_closed_and_keys_stay() -> Result<()> {
    let server = Server::start(&["--maxmemory", "11mb", "--maxmemory-policy", "allkeys-lru"])?;
    let mut admin = server.client()?;
    admin.command(&["CLIENT", "NO-EVICT", "ON"])?;
    admin.set_config("maxmemory-clients", "3mb")?;
    fill(&mut admin, 50)?;
    let mut silent = (0..20).map(|_| server.client()).collect::<Result<Vec<_>>>()?;
    await_that("a client is closed", || {
        // Nobody reads the replies. Who is closed already cannot send.
        silent.retain_mut(|client| client.send(b"GET key:1\r\n").is_ok());
        Ok(admin.info("evicted_clients")?.parse::<u64>()? > 0)
    })?;
    server.wait_for_log("Evicting client")?;
    assert_eq!(admin.info("evicted_keys")?.parse::<u64>()?, 0);
    assert_eq!(admin.command(&["DBSIZE"])?, Reply::Integer(50));
    Ok(())
}

#[test]
fn a_pipeline_makes_room_between_its_commands() -> Result<()> {
    let server = Server::start(&["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru", "--worker-threads", "2"])?;
    let mut clients = (0..4).map(|_| server.client()).collect::<Result<Vec<_>>>()?;
    let value = "x".repeat(VALUE_LEN / 10);
    // Requests and replies on their way take less than the limit, so that there is always a key that can go.
    for round in 0..20 {
        for (number, client) in clients.iter_mut().enumerate() {
            // All in one shard, so that a guard is kept from one command to the next.
            let pipeline = (0..10).map(|key| {
                let key = format!("{{t}}{round}:{number}:{key}");
                request(&["SET", &key, &value]) + &request(&["GET", &key])
            });
            client.send(pipeline.collect::<String>().as_bytes())?;
        }
        for client in &mut clients {
            for _ in 0..10 {
                assert_eq!(client.read_reply()?, Reply::ok());
                client.read_reply()?;
            }
        }
    }
    let admin = &mut clients[0];
    assert!(admin.info("evicted_keys")?.parse::<u64>()? > 0);
    await_that("memory is below its limit", || Ok(admin.info("used_memory")?.parse::<u64>()? <= 3 << 20))
}

#[test]
fn what_waits_for_a_slow_replica_evicts_nothing() -> Result<()> {
    let server = Server::start(&[
        "--maxmemory-policy",
        "allkeys-random",
        "--repl-backlog-size",
        "16384",
        "--client-output-buffer-limit",
        "replica 100mb 100mb 300",
        "--repl-diskless-sync-delay",
        "0",
        "--latency-tracking",
        "no",
    ])?;
    let mut client = server.client()?;
    fill(&mut client, 20)?;
    // It gets a snapshot and reads nothing of what follows.
    let mut replica = server.client()?;
    replica.synchronize()?;
    let value = "x".repeat(4000);
    let write = |client: &mut Client| client.command(&["SETRANGE", "key:0", "0", &value]);
    let memory = |client: &mut Client, field: &str| -> Result<i64> { Ok(client.info(field)?.parse()?) };
    await_that("the system takes no more for the replica", || {
        write(&mut client)?;
        Ok(memory(&mut client, "mem_clients_slaves")? > 1 << 20)
    })?;
    // By the client that writes: the buffers of another would be counted in their place.
    let counted = memory(&mut client, "used_memory")? - memory(&mut client, "mem_not_counted_for_evict")?;
    client.set_config("maxmemory", &(counted + 16 * 1024).to_string())?;
    for _ in 0..5000 {
        write(&mut client)?;
    }
    assert!(memory(&mut client, "mem_clients_slaves")? > 8 << 20);
    assert_eq!(client.command(&["DBSIZE"])?, Reply::Integer(20));
    Ok(())
}
