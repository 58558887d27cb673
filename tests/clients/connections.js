// Connects through node-redis and ioredis in every way. Usage: connections.js PORT TLS_PORT FOLDER, which holds ca.crt,
// client.crt and client.key. Fails on the first wrong answer.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const Redis = require("ioredis");
const { createClient } = require("redis");

const [port, tlsPort] = process.argv.slice(2, 4).map(Number);
const folder = process.argv[4];
const read = (name) => fs.readFileSync(path.join(folder, name));
const tls = { ca: read("ca.crt"), cert: read("client.crt"), key: read("client.key") };
const user = { username: "app", password: "secret" };
const host = "127.0.0.1";

const nodeRedis = async (secure, options) => {
  const socket = { host, port: secure ? tlsPort : port, reconnectStrategy: false, ...(secure ? { tls: true, ...tls } : {}) };
  const client = createClient({ socket, ...options });
  client.on("error", () => {});
  await client.connect();
  return client;
};
const ioredis = (secure, options) =>
  new Redis({ host, port: secure ? tlsPort : port, retryStrategy: null, maxRetriesPerRequest: 1, enableReadyCheck: false, ...(secure ? { tls } : {}), ...options });

async function useNodeRedis(secure, RESP, login) {
  const client = await nodeRedis(secure, { RESP, ...login });
  assert.equal(await client.sendCommand(["ACL", "WHOAMI"]), login.username ?? "default");
  const hello = await client.sendCommand(["HELLO"]);
  assert.equal(RESP === 3 ? hello.proto ?? hello.get?.("proto") : hello[hello.indexOf("proto") + 1], RESP);
  await client.del("app:hash");
  assert.equal(await client.hSet("app:hash", { a: "1", b: "2" }), 2);
  assert.deepEqual({ ...(await client.hGetAll("app:hash")) }, { a: "1", b: "2" });
  assert.deepEqual(await client.multi().set("app:n", "1").incr("app:n").exec(), ["OK", 2]);
  const large = "x".repeat(1 << 20);
  await client.set("app:large", large);
  assert.equal(await client.get("app:large"), large);
  if (login.username) await assert.rejects(client.set("other", "1"), /NOPERM/);
  client.destroy();
}

async function useIoredis(secure, login) {
  const client = ioredis(secure, login);
  assert.equal(await client.call("ACL", "WHOAMI"), login.username ?? "default");
  await client.del("app:hash");
  assert.equal(await client.hset("app:hash", { a: "1", b: "2" }), 2);
  assert.deepEqual(await client.hgetall("app:hash"), { a: "1", b: "2" });
  const large = "x".repeat(1 << 20);
  await client.set("app:large", large);
  assert.equal(await client.get("app:large"), large);
  if (login.username) await assert.rejects(client.set("other", "1"), /NOPERM/);
  client.disconnect();
}

async function until(what, holds) {
  const end = Date.now() + 20000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `it never came to this: ${what}`);
    // Answers from a cache alone would keep messages from arriving.
    await new Promise(setImmediate);
  }
}

async function cacheNodeRedis(admin, secure) {
  const client = await nodeRedis(secure, { RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0 }, ...user });
  await admin.set("app:cached", "one");
  assert.equal(await client.get("app:cached"), "one");
  const calls = async () => /cmdstat_get:calls=(\d+)/.exec(await admin.info("commandstats"))[1];
  const before = await calls();
  assert.equal(await client.get("app:cached"), "one");
  assert.equal(await calls(), before);
  await admin.set("app:cached", "two");
  await until("the new value", async () => (await client.get("app:cached")) === "two");
  client.destroy();
}

// ioredis speaks RESP2 only: invalidations come as messages on another connection.
async function cacheIoredis(admin, secure) {
  const [client, listener] = [ioredis(secure, {}), ioredis(secure, {})];
  const gone = [];
  listener.on("message", (channel, keys) => gone.push(...[keys].flat()));
  const id = await listener.client("ID");
  await listener.subscribe("__redis__:invalidate");
  assert.equal(await client.client("TRACKING", "ON", "REDIRECT", id), "OK");
  await admin.set("app:tracked", "one");
  assert.equal(await client.get("app:tracked"), "one");
  await admin.set("app:tracked", "two");
  await until("the invalidation", async () => (await admin.ping()) && gone.includes("app:tracked"));
  client.disconnect();
  listener.disconnect();
}

async function main() {
  const admin = await nodeRedis(false, {});
  await admin.sendCommand(["ACL", "SETUSER", "app", "on", ">secret", "~app:*", "+@all", "-@dangerous"]);
  for (const secure of [false, true]) {
    for (const login of [{}, user]) {
      for (const RESP of [2, 3]) await useNodeRedis(secure, RESP, login);
      await useIoredis(secure, login);
    }
    await assert.rejects(nodeRedis(secure, { username: "app", password: "wrong" }), /WRONGPASS/);
    await cacheNodeRedis(admin, secure);
    await cacheIoredis(admin, secure);
  }
  admin.destroy();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
