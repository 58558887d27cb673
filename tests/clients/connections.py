"""Connects through redis-py in every way. Usage: connections.py PORT TLS_PORT FOLDER, which holds ca.crt, client.crt and
client.key. Fails on the first wrong answer."""

import os
import sys
import time

import redis

PORT, TLS_PORT, FOLDER = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
TLS = {
    "port": TLS_PORT,
    "ssl": True,
    "ssl_ca_certs": os.path.join(FOLDER, "ca.crt"),
    "ssl_certfile": os.path.join(FOLDER, "client.crt"),
    "ssl_keyfile": os.path.join(FOLDER, "client.key"),
}
USER = {"username": "app", "password": "secret"}


def use(r, protocol, user):
    assert r.ping() is True
    hello = r.execute_command("HELLO")
    proto = hello["proto"] if isinstance(hello, dict) else hello[hello.index("proto") + 1]
    assert proto == protocol, hello
    assert r.acl_whoami() == user
    r.delete("app:hash")
    assert r.hset("app:hash", mapping={"a": "1", "b": "2"}) == 2 and r.hgetall("app:hash") == {"a": "1", "b": "2"}
    assert r.pipeline().set("app:n", 1).incr("app:n").execute() == [True, 2]
    large = "x" * (1 << 20)
    assert r.set("app:large", large) and r.get("app:large") == large


def main():
    admin = redis.Redis(host="127.0.0.1", port=PORT, decode_responses=True)
    admin.acl_setuser("app", enabled=True, passwords=["+secret"], keys=["app:*"], categories=["+@all", "-@dangerous"])
    for protocol in (2, 3):
        for where in ({"port": PORT}, TLS):
            use(redis.Redis(host="127.0.0.1", protocol=protocol, decode_responses=True, **where), protocol, "default")
            r = redis.Redis(host="127.0.0.1", protocol=protocol, decode_responses=True, **where, **USER)
            use(r, protocol, "app")
            for refused in (lambda: r.set("other", 1), r.flushall):
                try:
                    refused()
                except redis.exceptions.NoPermissionError:
                    pass
                else:
                    raise AssertionError("the user may do too much")
            try:
                redis.Redis(host="127.0.0.1", protocol=protocol, **where, username="app", password="wrong").ping()
            except redis.AuthenticationError:
                pass
            else:
                raise AssertionError("a wrong password was accepted")
    for where in ({"port": PORT}, TLS):
        cached(admin, where)


def cached(admin, where):
    """Whoever reads a key by tracking hears when somebody else changes it. (redis-py keeps values itself only where the
    server says that it is a Redis 7.4.)"""
    r = redis.Redis(host="127.0.0.1", protocol=3, decode_responses=True, **where, **USER).client()
    gone = []
    r.connection._parser.set_invalidation_push_handler(gone.append)
    assert r.execute_command("CLIENT", "TRACKING", "ON") in (True, "OK")
    admin.set("app:cached", "one")
    assert r.get("app:cached") == "one" and r.ping() is True and not gone
    admin.set("app:cached", "two")
    until = time.monotonic() + 20
    while not gone:
        assert r.ping() is True and time.monotonic() < until, "no invalidation came"
    assert gone == [["invalidate", ["app:cached"]]], gone
    assert r.get("app:cached") == "two"


main()
