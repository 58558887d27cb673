"""Connects through redis-py in every way. Usage: connections.py PORT TLS_PORT FOLDER, which holds ca.crt, client.crt and
client.key. Fails on the first wrong answer."""

import os
import sys
import time

import redis
from redis.cache import CacheConfig

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
    if "caching" in sys.argv[4:]:
        for where in ({"port": PORT}, TLS):
            cached(admin, where)


def cached(admin, where):
    """A value comes from the client's cache until somebody else changes it."""
    r = redis.Redis(host="127.0.0.1", protocol=3, decode_responses=True, cache_config=CacheConfig(), **where, **USER)
    admin.set("app:cached", "one")
    assert r.get("app:cached") == "one" == r.get("app:cached")
    cache = r.get_cache()
    assert cache.size == 1, cache.size
    calls = admin.info("commandstats")["cmdstat_get"]["calls"]
    assert r.get("app:cached") == "one"
    assert admin.info("commandstats")["cmdstat_get"]["calls"] == calls
    admin.set("app:cached", "two")
    until = time.monotonic() + 20
    while r.get("app:cached") != "two":
        assert time.monotonic() < until, "no invalidation came"


main()
