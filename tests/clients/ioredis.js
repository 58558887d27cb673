// Uses a server through ioredis as an application would. Usage: ioredis.js PORT. Fails on the first wrong answer.
"use strict";

const assert = require("node:assert/strict");
const Redis = require("ioredis");

const port = Number(process.argv[2]);
const connect = (options = {}) => new Redis({ host: "127.0.0.1", port, maxRetriesPerRequest: 1, retryStrategy: null, ...options });

async function strings(r) {
  assert.equal(await r.set("s", "value"), "OK");
  assert.equal(await r.get("s"), "value");
  assert.equal(await r.set("s", "x", "NX"), null);
  assert.equal(await r.set("s", "new", "GET"), "value");
  assert.equal(await r.append("s", "!"), 4);
  assert.equal(await r.strlen("s"), 4);
  assert.equal(await r.getrange("s", 0, 2), "new");
  assert.equal(await r.mset({ a: 1, b: 2 }), "OK");
  assert.deepEqual(await r.mget("a", "nothing", "b"), ["1", null, "2"]);
  assert.equal(await r.incrby("a", 41), 42);
  assert.equal(await r.incrbyfloat("a", 0.5), "42.5");
  const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await r.set(binary, binary);
  assert.deepEqual(await r.getBuffer(binary), binary);
  assert.equal(await r.getdel("a"), "42.5");
}

async function generic(r) {
  assert.equal(await r.exists("s", "b", "nothing"), 2);
  assert.equal(await r.type("s"), "string");
  assert.equal(await r.rename("b", "c"), "OK");
  assert.equal(await r.copy("c", "d"), 1);
  assert.equal(await r.unlink("c", "d", "nothing"), 2);
  assert.equal(await r.set("e", "x", "EX", 100), "OK");
  const ttl = await r.ttl("e");
  assert.ok(ttl > 98 && ttl <= 100, `ttl ${ttl}`);
  assert.equal(await r.persist("e"), 1);
  assert.equal(await r.pexpireat("e", 1), 1);
  assert.equal(await r.get("e"), null);
}

async function pipelines(r) {
  const pipeline = r.pipeline();
  for (let i = 0; i < 1000; i++) pipeline.set(`p:${i}`, i).get(`p:${i}`);
  const replies = await pipeline.exec();
  assert.equal(replies.length, 2000);
  replies.forEach(([error, reply], i) => {
    assert.equal(error, null);
    assert.equal(reply, i % 2 === 0 ? "OK" : String((i - 1) / 2));
  });
  const mixed = await r.pipeline().set("word", "abc").incr("word").get("word").exec();
  assert.match(mixed[1][0].message, /not an integer/);
  assert.deepEqual(mixed[2], [null, "abc"]);
}

async function automaticPipelining() {
  const r = connect({ enableAutoPipelining: true });
  const values = await Promise.all(Array.from({ length: 500 }, (_, i) => r.get(`p:${i}`)));
  values.forEach((value, i) => assert.equal(value, String(i)));
  r.disconnect();
}

async function scanning(r) {
  const seen = new Set();
  for await (const keys of r.scanStream({ match: "p:*", count: 50 })) keys.forEach((key) => seen.add(key));
  assert.equal(seen.size, 1000);
}

async function errors(r) {
  await assert.rejects(r.call("NO-SUCH-COMMAND"), /unknown command/);
  await assert.rejects(r.call("GET"), /wrong number of arguments/);
  await assert.rejects(r.set("a", "b", "EX", "soon"), /not an integer/);
  assert.equal(await r.ping(), "PONG");
}

async function administration(r) {
  assert.match(await r.info("server"), new RegExp(`tcp_port:${port}\r\n`));
  const [name, old] = await r.config("GET", "maxmemory-policy");
  assert.equal(name, "maxmemory-policy");
  assert.equal(await r.config("SET", "maxmemory-policy", "allkeys-lfu"), "OK");
  assert.deepEqual(await r.config("GET", "maxmemory-policy"), ["maxmemory-policy", "allkeys-lfu"]);
  await r.config("SET", "maxmemory-policy", old);
  assert.equal(await r.client("SETNAME", "tester"), "OK");
  assert.match(await r.client("LIST"), /name=tester/);
  assert.ok((await r.command("COUNT")) > 50);
  const other = connect({ db: 5 });
  await other.set("only-here", "x");
  assert.equal(await r.get("only-here"), null);
  assert.equal(await other.flushdb(), "OK");
  other.disconnect();
}

async function main() {
  const r = connect();
  await r.flushall();
  for (const part of [strings, generic, pipelines, automaticPipelining, scanning, errors, administration]) await part(r);
  assert.equal(await r.quit(), "OK");
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
