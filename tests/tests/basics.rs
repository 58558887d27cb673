//! A server starts, answers in both protocol versions, and stops.

use anyhow::{Result, ensure};
use ochre_tests::{Reply, Server};

#[test]
fn it_answers_inline_and_in_arrays() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    // The empty line behind the first command is no command.
    client.send(b"PING\r\n\nping 'a b'\r\n*1\r\n$4\r\nPING\r\n")?;
    let expected = b"+PONG\r\n$3\r\na b\r\n+PONG\r\n";
    assert_eq!(client.read_exact(expected.len())?, expected);
    Ok(())
}

#[test]
fn hello_switches_the_protocol_version() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    assert_eq!(client.command(&["GET", "nothing"])?, Reply::Null);
    let Reply::Map(fields) = client.command(&["HELLO", "3"])? else { anyhow::bail!("HELLO 3 gives no map") };
    ensure!(fields.contains(&(Reply::bulk("proto"), Reply::Integer(3))), "{fields:?}");
    client.send(b"GET nothing\r\n")?;
    assert_eq!(client.read_exact(3)?, b"_\r\n");
    Ok(())
}

#[test]
fn a_command_split_at_every_byte_is_one_command() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    for byte in b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$7\r\na\r\nb\x00cd\r\n" {
        client.send(&[*byte])?;
    }
    assert_eq!(client.read_reply()?, Reply::ok());
    assert_eq!(client.command(&["GET", "key"])?, Reply::bulk("a\r\nb\0cd"));
    Ok(())
}

#[test]
fn sigterm_ends_it() -> Result<()> {
    let mut server = Server::start(&[])?;
    assert_eq!(server.terminate()?, Some(0));
    Ok(())
}
