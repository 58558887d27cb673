// Locks and rate limits: redlock, rate-limiter-flexible and Bottleneck. Usage: limiters.js PORT. Fails on the first wrong
// answer.
"use strict";

const assert = require("node:assert/strict");
const Bottleneck = require("bottleneck");
const Redis = require("ioredis");
const Redlock = require("redlock");
const { BurstyRateLimiter, RateLimiterRedis, RateLimiterRes } = require("rate-limiter-flexible");

const port = Number(process.argv[2]);
const connect = () => new Redis({ host: "127.0.0.1", port, maxRetriesPerRequest: 1, retryStrategy: null });

async function locks(r) {
  const patient = new Redlock([r], { retryCount: 400, retryDelay: 5, retryJitter: 5 });
  const hasty = new Redlock([r], { retryCount: 0 });
  const lock = await patient.lock("locks:a", 10000);
  await assert.rejects(hasty.lock("locks:a", 1000), { name: "LockError" });
  await lock.extend(20000);
  assert.ok((await r.pttl("locks:a")) > 10000);
  await lock.unlock();
  assert.equal(await r.exists("locks:a"), 0);
  await assert.rejects(lock.unlock(), { name: "LockError" });
  const both = await patient.lock(["locks:a", "locks:b"], 10000);
  await assert.rejects(hasty.lock("locks:b", 1000), { name: "LockError" });
  await both.unlock();
  // Whoever holds the lock is alone.
  let inside = 0;
  let done = 0;
  const work = async () => {
    for (let i = 0; i < 5; i++) {
      const held = await patient.lock("locks:c", 10000);
      assert.equal(++inside, 1);
      await r.ping();
      inside--;
      done++;
      await held.unlock();
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  assert.equal(done, 20);
}

async function limits(r) {
  const limiter = new RateLimiterRedis({ storeClient: r, keyPrefix: "limit", points: 5, duration: 60, blockDuration: 120 });
  for (let left = 4; left >= 0; left--) assert.equal((await limiter.consume("user")).remainingPoints, left);
  const refused = await limiter.consume("user").catch((refusal) => refusal);
  assert.ok(refused instanceof RateLimiterRes && refused.msBeforeNext > 60000);
  assert.equal((await limiter.get("user")).consumedPoints, 6);
  assert.equal((await limiter.consume("other", 3)).remainingPoints, 2);
  await limiter.penalty("other", 1);
  await limiter.reward("other", 2);
  assert.equal((await limiter.get("other")).consumedPoints, 2);
  assert.equal(await limiter.delete("user"), true);
  assert.equal((await limiter.consume("user")).remainingPoints, 4);
  const both = new BurstyRateLimiter(
    new RateLimiterRedis({ storeClient: r, keyPrefix: "steady", points: 2, duration: 60 }),
    new RateLimiterRedis({ storeClient: r, keyPrefix: "burst", points: 3, duration: 60 }),
  );
  let passed = 0;
  for (let i = 0; i < 10; i++) passed += await both.consume("user").then(() => 1, () => 0);
  assert.equal(passed, 5);
}

async function clusteredLimiter() {
  const options = { id: "shared", datastore: "ioredis", clearDatastore: true, clientOptions: { host: "127.0.0.1", port }, Redis };
  const [one, two] = [
    new Bottleneck({ ...options, maxConcurrent: 2, reservoir: 30 }),
    new Bottleneck({ ...options, clearDatastore: false, maxConcurrent: 2, reservoir: 30 }),
  ];
  await one.ready();
  await two.ready();
  let running = 0;
  let most = 0;
  const job = async (n) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 2));
    running--;
    return n;
  };
  const jobs = Array.from({ length: 30 }, (_, n) => (n % 2 ? one : two).schedule({ priority: n % 10 }, job, n));
  assert.deepEqual(await Promise.all(jobs), Array.from({ length: 30 }, (_, n) => n));
  assert.equal(most, 2);
  assert.equal(await one.currentReservoir(), 0);
  assert.equal(await two.incrementReservoir(3), 3);
  assert.equal(await one.check(), true);
  await one.disconnect(false);
  await two.disconnect(false);
}

async function main() {
  const r = connect();
  await locks(r);
  await limits(r);
  await clusteredLimiter();
  await r.quit();
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
