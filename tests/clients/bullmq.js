// Queues of BullMQ, whose every step is a script of many keys. Usage: bullmq.js PORT. Fails on the first wrong answer.
"use strict";

const assert = require("node:assert/strict");
const { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } = require("bullmq");

const connection = { host: "127.0.0.1", port: Number(process.argv[2]), maxRetriesPerRequest: null };
const until = async (what, condition) => {
  const deadline = Date.now() + 30000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `${what} did not come true in time`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

async function jobs(queue, events) {
  const attempts = new Map();
  const worker = new Worker(
    queue.name,
    async (job) => {
      await job.updateProgress(50);
      await job.log(`working on ${job.name}`);
      attempts.set(job.name, (attempts.get(job.name) ?? 0) + 1);
      if (job.name === "flaky" && job.attemptsMade < 2) throw new Error("not yet");
      if (job.name === "broken") throw new UnrecoverableError("never");
      return { doubled: job.data.n * 2 };
    },
    { connection, concurrency: 8, autorun: false },
  );
  const progress = [];
  events.on("progress", ({ data }) => progress.push(data));

  // What has a priority comes after what has none; of equal ones the first comes first.
  const low = await queue.add("low", { n: 1 }, { priority: 10 });
  const high = await queue.add("high", { n: 2 }, { priority: 1 });
  const bulk = await queue.addBulk(Array.from({ length: 200 }, (_, n) => ({ name: `bulk${n}`, data: { n } })));
  const delayed = await queue.add("delayed", { n: 3 }, { delay: 150 });
  const flaky = await queue.add("flaky", { n: 4 }, { attempts: 3, backoff: { type: "fixed", delay: 20 } });
  const broken = await queue.add("broken", { n: 5 }, { attempts: 3 });
  const first = await queue.add("once", { n: 6 }, { jobId: "unique" });
  assert.equal((await queue.add("once", { n: 7 }, { jobId: "unique" })).id, first.id);
  const counts = await queue.getJobCounts("wait", "prioritized", "delayed");
  assert.deepEqual(counts, { wait: 203, prioritized: 2, delayed: 1 });
  assert.deepEqual((await queue.getJobs(["prioritized"])).map((job) => job.name).sort(), ["high", "low"]);

  worker.run();
  assert.deepEqual(await flaky.waitUntilFinished(events, 30000), { doubled: 8 });
  assert.deepEqual(await delayed.waitUntilFinished(events, 30000), { doubled: 6 });
  await assert.rejects(broken.waitUntilFinished(events, 30000), /never/);
  await until("all jobs are done", async () => (await queue.getCompletedCount()) === 205);
  assert.deepEqual([attempts.get("flaky"), attempts.get("broken"), attempts.get("once")], [3, 1, 1]);
  // Eight of them are at work at once: the order is that in which they were taken, not that in which work began.
  const taken = async (job) => (await queue.getJob(job.id)).processedOn;
  const order = [await taken(bulk[7]), await taken(high), await taken(low)];
  assert.deepEqual(order, [...order].sort());
  assert.equal(await queue.getFailedCount(), 1);
  const [failed] = await queue.getFailed();
  assert.deepEqual([failed.name, failed.failedReason, await failed.getState()], ["broken", "never", "failed"]);
  assert.deepEqual((await queue.getJobLogs(first.id)).logs, ["working on once"]);
  assert.ok(progress.length > 100);
  await until("the events are trimmed", async () => (await queue.trimEvents(10)) >= 0);
  await worker.close();
}

async function pausesAndClean(queue) {
  await queue.pause();
  const job = await queue.add("held", { n: 1 });
  assert.equal(await queue.isPaused(), true);
  const { paused, wait } = await queue.getJobCounts("paused", "wait");
  assert.equal((paused ?? 0) + (wait ?? 0), 1);
  await queue.resume();
  await job.updateData({ n: 2 });
  assert.deepEqual((await queue.getJob(job.id)).data, { n: 2 });
  await job.remove();
  assert.equal(await queue.getWaitingCount(), 0);
  const removed = await queue.clean(0, 1000, "completed");
  assert.equal(removed.length, 205);
  await queue.drain();
}

async function flows() {
  const producer = new FlowProducer({ connection });
  const order = [];
  const worker = new Worker(
    "steps",
    async (job) => {
      order.push(job.name);
      const values = Object.values(await job.getChildrenValues());
      return values.reduce((sum, value) => sum + value, job.data.n);
    },
    { connection, concurrency: 4 },
  );
  const child = (n) => ({ name: `child${n}`, queueName: "steps", data: { n }, children: [{ name: `leaf${n}`, queueName: "steps", data: { n } }] });
  const flow = await producer.add({ name: "root", queueName: "steps", data: { n: 100 }, children: [child(1), child(2), child(3)] });
  const events = new QueueEvents("steps", { connection });
  await until("the root is done", async () => (await flow.job.getState()) === "completed");
  const queue = new Queue("steps", { connection });
  assert.equal((await queue.getJob(flow.job.id)).returnvalue, 112);
  assert.equal(order.at(-1), "root");
  for (const n of [1, 2, 3]) assert.ok(order.indexOf(`leaf${n}`) < order.indexOf(`child${n}`));
  await worker.close();
  await events.close();
  await queue.obliterate({ force: true });
  await queue.close();
  await producer.close();
}

async function schedules() {
  const queue = new Queue("ticks", { connection });
  let ticks = 0;
  const worker = new Worker("ticks", async () => void ticks++, { connection, limiter: { max: 5, duration: 100 } });
  await queue.upsertJobScheduler("often", { every: 50 }, { name: "tick", data: {} });
  await until("it ticks", () => ticks >= 3);
  const [scheduler] = await queue.getJobSchedulers();
  assert.deepEqual([scheduler.key, Number(scheduler.every)], ["often", 50]);
  assert.equal(await queue.removeJobScheduler("often"), true);
  await queue.addBulk(Array.from({ length: 20 }, (_, n) => ({ name: "limited", data: { n } })));
  const start = Date.now();
  await until("the limited jobs are done", async () => (await queue.getJobCountByTypes("wait", "active", "delayed")) === 0);
  assert.ok(Date.now() - start >= 250, "20 jobs at 5 in 100 ms were too fast");
  await worker.close();
  await queue.obliterate({ force: true });
  await queue.close();
}

async function main() {
  const queue = new Queue("work", { connection });
  const events = new QueueEvents("work", { connection });
  await events.waitUntilReady();
  await jobs(queue, events);
  await pausesAndClean(queue);
  await flows();
  await schedules();
  await queue.obliterate({ force: true });
  assert.equal(await queue.count(), 0);
  await events.close();
  await queue.close();
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
