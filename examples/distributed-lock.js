/**
 * Several processes take turns. Each takes the lock five times, and each time adds one to a
 * counter. Run two or more at once: the counter grows by five for each, whatever happens.
 *
 *     node examples/distributed-lock.js
 */
import { EtcdClient, Mutex, op, Session } from "etcd-ts/client";

// What went wrong in one line; without a server that is "no endpoint is reachable".
process.on("uncaughtException", (error) => {
  console.error(error.message);
  process.exit(1);
});

const endpoints = (process.env.ETCD_ENDPOINTS ?? "http://127.0.0.1:2379").split(",");
const client = new EtcdClient({ endpoints });

// If this process dies, its lock is free again after ten seconds.
const session = await Session.create(client, { ttl: 10 });
const mutex = new Mutex(session, "examples/lock");

for (let round = 1; round <= 5; round++) {
  // Ends with an error if the session is lost while we wait.
  await mutex.lock({ timeoutMs: 60_000 });
  try {
    const { kv } = await client.kv.get("examples/counter");
    const value = Number(kv?.valueText ?? "0") + 1;

    // A process can be paused for so long that its lease expires and another holds the lock. The
    // condition makes etcd refuse the write of a holder that is none any more.
    const { succeeded } = await client.kv
      .txn()
      .if(mutex.isOwner())
      .do(op.put("examples/counter", String(value)))
      .commit();
    if (!succeeded) throw new Error("the lock was lost; nothing was written");
    console.log(`process ${process.pid} made it ${value} (fencing token ${mutex.revision})`);
  } finally {
    await mutex.unlock();
  }
}

await session.close();
client.close();
