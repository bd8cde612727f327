// A queue of somebody else, measured as Heeler is: NAME HOST:PORT STARTS JOBS CALLERS RUNNING.
// Prints one JSON object; figures of starts are in milliseconds, the others a second.
'use strict';

const [name, address, ...numbers] = process.argv.slice(2);
const [starts, jobs, callers, running] = numbers.map(Number);
const [host, port] = address.split(':');
const PAUSE_MS = 50;

const milliseconds = () => Number(process.hrtime.bigint()) / 1e6;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const quantile = (values, part) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
};

/** Each has `clear`, `add(data)`, `work(handler)` and `close`. */
const queues = {
  async bullmq() {
    const { Queue, Worker } = require('bullmq');
    const connection = { host, port: Number(port), maxRetriesPerRequest: null };
    const queue = new Queue('heeler-bench', { connection });
    let worker;
    return {
      clear: () => queue.obliterate({ force: true }),
      add: (data) => queue.add('nothing', data),
      async work(handler) {
        worker = new Worker('heeler-bench', async (job) => handler(job.data), { connection, concurrency: running });
        await worker.waitUntilReady();
      },
      rest: async () => { await worker?.close(); worker = undefined; },
      close: () => queue.close(),
    };
  },

  async graphile() {
    const { run, makeWorkerUtils, Logger } = require('graphile-worker');
    const connectionString = `postgres://postgres@${address}/graphile`;
    const logger = new Logger(() => () => {});
    const utils = await makeWorkerUtils({ connectionString, logger });
    await utils.migrate();
    let runner;
    return {
      clear: () => utils.withPgClient((client) => client.query('truncate graphile_worker._private_jobs')),
      add: (data) => utils.addJob('nothing', data),
      async work(handler) {
        runner = await run({
          connectionString, logger, concurrency: running, maxPoolSize: running + 2, noHandleSignals: true,
          taskList: { nothing: async (data) => handler(data) },
        });
      },
      rest: async () => { await runner?.stop(); runner = undefined; },
      close: () => utils.release(),
    };
  },
};

async function main() {
  const queue = await queues[name]();
  await queue.clear();
  const times = [];
  let heard;
  await queue.work((data) => { times.push(milliseconds() - data.sent); heard(); });
  for (let count = 0; count < starts; count += 1) {
    await pause(PAUSE_MS);
    const started = new Promise((resolve) => { heard = resolve; });
    await queue.add({ sent: milliseconds() });
    await started;
  }
  await queue.rest();
  await queue.clear();

  let begun = milliseconds();
  let next = 0;
  await Promise.all(Array.from({ length: callers }, async () => {
    while (next < jobs) await queue.add({ number: next++ });
  }));
  const enqueues = jobs / ((milliseconds() - begun) / 1000);

  let left = jobs;
  begun = milliseconds();
  await new Promise((resolve, reject) => {
    queue.work(() => { if (--left === 0) resolve(); }).catch(reject);
  });
  const worked = jobs / ((milliseconds() - begun) / 1000);
  console.log(JSON.stringify({
    startP50: quantile(times, 0.5), startP99: quantile(times, 0.99), enqueues, jobs: worked,
  }));
  await Promise.race([queue.rest().then(queue.close), pause(3000)]);
  process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
