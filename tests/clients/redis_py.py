"""Uses a server through redis-py as an application would. Usage: redis_py.py PORT. Fails on the first wrong answer."""

import sys
import threading

import redis

PORT = int(sys.argv[1])


def connect(**options):
    return redis.Redis(host="127.0.0.1", port=PORT, socket_timeout=20, **options)


def fails(message, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except redis.ResponseError as error:
        assert message in str(error), f"{error} has no {message!r}"
    else:
        raise AssertionError(f"no error with {message!r}")


def strings(r):
    assert r.set("s", "value") is True
    assert r.get("s") == b"value"
    assert r.set("s", "other", nx=True) is None
    assert r.set("s", "new", get=True) == b"value"
    assert r.append("s", "!") == 4 and r.strlen("s") == 4
    assert r.getrange("s", 0, 2) == b"new" and r.setrange("s", 0, "NEW") == 4
    assert r.mset({"a": 1, "b": 2}) is True
    assert r.mget("a", "nothing", "b") == [b"1", None, b"2"]
    assert r.incr("a") == 2 and r.incrby("a", 40) == 42 and r.decr("a") == 41
    assert r.incrbyfloat("a", 0.5) == 41.5
    assert r.getdel("a") == b"41.5" and r.get("a") is None
    binary = bytes(range(256))
    r.set(binary, binary)
    assert r.get(binary) == binary
    large = b"x" * (3 << 20)
    r.set("large", large)
    assert r.get("large") == large
    assert r.setbit("bits", 7, 1) == 0 and r.getbit("bits", 7) == 1 and r.bitcount("bits") == 1


def generic(r):
    r.mset({"k1": "x", "k2": "y"})
    assert r.exists("k1", "k2", "k1", "nothing") == 3
    assert r.type("k1") == b"string" and r.type("nothing") == b"none"
    assert r.rename("k1", "k3") is True and r.renamenx("k3", "k2") is False
    assert r.copy("k2", "k4") is True and r.get("k4") == b"y"
    assert r.touch("k2", "k4") == 2 and r.unlink("k4") == 1 and r.delete("k2", "k3", "k5") == 2
    assert r.randomkey() is not None and r.dbsize() > 0
    assert r.object("encoding", "s") == b"raw" or r.object("encoding", "s") == b"embstr"
    fails("no such key", r.rename, "nothing", "other")


def expiry(r):
    r.set("e", "x", ex=100)
    assert 99 <= r.ttl("e") <= 100 and 99_000 <= r.pttl("e") <= 100_000
    assert r.persist("e") is True and r.ttl("e") == -1 and r.ttl("nothing") == -2
    assert r.expire("e", 50) is True and r.expire("e", 10, gt=True) is False
    assert r.expireat("e", 1) is True and r.get("e") is None
    r.psetex("short", 1, "x")
    while r.exists("short"):
        pass
    assert r.getex("s", ex=100) is not None and r.ttl("s") > 0


def pipelines(r):
    pipe = r.pipeline(transaction=False)
    for i in range(1000):
        pipe.set(f"p:{i}", i).get(f"p:{i}").incr(f"p:{i}")
    replies = pipe.execute()
    assert replies == [x for i in range(1000) for x in (True, str(i).encode(), i + 1)]
    pipe.set("p:text", "word").incr("p:text").get("p:text")
    mixed = pipe.execute(raise_on_error=False)
    assert mixed[0] is True and isinstance(mixed[1], redis.ResponseError) and mixed[2] == b"word"


def scanning(r):
    wanted = {f"p:{i}".encode() for i in range(1000)}
    assert wanted <= set(r.scan_iter(match="p:*", count=37))
    assert wanted <= set(r.keys("p:*"))
    assert set(r.scan_iter(match="p:1?", count=500)) == {f"p:1{i}".encode() for i in range(10)}


def errors(r):
    r.set("word", "abc")
    fails("value is not an integer or out of range", r.incr, "word")
    fails("unknown command", r.execute_command, "NO-SUCH-COMMAND", "x")
    fails("wrong number of arguments", r.execute_command, "GET")
    fails("syntax error", r.execute_command, "SET", "a", "b", "NX", "XX")
    assert r.ping() is True, "the connection must survive errors"


def administration(r):
    info = r.info()
    assert info["redis_version"] and info["tcp_port"] == PORT and info["connected_clients"] >= 1
    assert r.info("keyspace")["db0"]["keys"] == r.dbsize()
    old = r.config_get("maxmemory-policy")["maxmemory-policy"]
    assert r.config_set("maxmemory-policy", "allkeys-lru") is True
    assert r.config_get("maxmemory*")["maxmemory-policy"] == "allkeys-lru"
    r.config_set("maxmemory-policy", old)
    fails("CONFIG SET failed", r.config_set, "maxmemory-policy", "no-such-policy")
    assert r.client_setname("tester") is True and r.client_getname() == "tester"
    assert any(client["name"] == "tester" for client in r.client_list())
    assert r.client_id() > 0 and len(r.time()) == 2
    assert r.command_count() > 50 and "get" in r.command()
    r.slowlog_reset()
    assert isinstance(r.slowlog_get(), list)


def databases(r):
    other = connect(db=3)
    other.set("only-here", "x")
    assert r.get("only-here") is None
    assert other.move("only-here", 0) == 1 and r.get("only-here") == b"x"
    assert r.swapdb(0, 3) is True and other.get("only-here") == b"x" and r.get("only-here") is None
    r.swapdb(0, 3)
    assert other.flushdb() is True and other.dbsize() == 0


def resp3():
    r = connect(protocol=3, decode_responses=True)
    assert r.execute_command("HELLO")["proto"] == 3
    assert r.set("three", "x") is True and r.get("three") == "x" and r.get("nothing") is None
    assert r.config_get("maxclients")["maxclients"].isdigit()
    assert r.mget("three", "nothing") == ["x", None]
    assert r.pipeline(transaction=False).incr("n3").incr("n3").execute() == [1, 2]


def threads():
    pool = redis.ConnectionPool(host="127.0.0.1", port=PORT)

    def work():
        r = redis.Redis(connection_pool=pool)
        for _ in range(250):
            r.incr("shared")

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert connect().get("shared") == b"2000"


def main():
    r = connect()
    r.flushall()
    for part in (strings, generic, expiry, pipelines, scanning, errors, administration, databases):
        part(r)
    resp3()
    threads()
    assert r.flushall(asynchronous=True) is True and r.dbsize() == 0


main()
