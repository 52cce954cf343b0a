/**
 * Uses every part of a client and closes it, or leaves a call waiting: what its process does then
 * is looked at from outside. Arguments: what to do, and an endpoint.
 */
import { EtcdClient, Mutex, Session } from "../index.ts";

const [what = "", endpoint = ""] = process.argv.slice(2);
const client = new EtcdClient({ endpoints: endpoint, dialTimeoutMs: 60_000, backoffMs: 1 });

async function useEverything(): Promise<void> {
  await client.kv.put("exit", "1");
  const watcher = client.watch("exit", { startRevision: 1, timeoutMs: 60_000 });
  await watcher.next();
  const session = await Session.create(client);
  const mutex = new Mutex(session, "exit/lock");
  await mutex.lock({ timeoutMs: 60_000, signal: new AbortController().signal });
  for await (const _ of client.maintenance.snapshot({ timeoutMs: 60_000 }));
  await client.lease.keepAliveOnce(session.leaseID, { timeoutMs: 60_000 });
  await client.kv.get("exit", { timeoutMs: 60_000 });
}

switch (what) {
  case "use":
    await useEverything();
    client.close();
    break;
  case "close-while-dialling": {
    const waiting = client.kv.get("exit", { timeoutMs: 60_000 }).catch(() => undefined);
    const watcher = client.watch("exit");
    const session = Session.create(client).catch(() => undefined);
    setImmediate(() => client.close());
    await Promise.all([waiting, watcher.next(), session]);
    break;
  }
  case "wait":
    // The server comes later: a process with nothing else to do must wait for it.
    await client.kv.put("exit", "waited");
    client.close();
    break;
  default:
    throw new Error(`unknown: ${what}`);
}
process.stdout.write("done\n");
