/**
 * Services that register under a lease, and clients that follow who is there. An entry vanishes
 * when its process ends, and ten seconds after its process has died or its machine is gone.
 *
 *     node examples/service-registry.js register web 10.0.0.1:8080
 *     node examples/service-registry.js discover web
 */
import { EtcdClient, isErrorKind, Session } from "etcd-ts/client";

// What went wrong in one line; without a server that is "no endpoint is reachable".
process.on("uncaughtException", (error) => {
  console.error(error.message);
  process.exit(1);
});

const endpoints = (process.env.ETCD_ENDPOINTS ?? "http://127.0.0.1:2379").split(",");
const client = new EtcdClient({ endpoints });
const [command, service, address] = process.argv.slice(2);

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => stop.abort());
const stopped = new Promise((resolve) => stop.signal.addEventListener("abort", resolve));

async function register(prefix) {
  while (!stop.signal.aborted) {
    const session = await Session.create(client, { ttl: 10 });
    await client.kv.put(prefix + address, JSON.stringify({ address, pid: process.pid }), {
      lease: session.leaseID,
    });
    console.log(`registered ${address}`);
    // A machine that slept for longer than the TTL has lost its entry: register again.
    const lost = await Promise.race([session.lost, stopped.then(() => undefined)]);
    if (lost === undefined) await session.close();
    else console.log(`lost the registration: ${lost.message}`);
  }
}

async function discover(prefix) {
  const known = new Map();
  const { signal } = stop;
  const { kvs, revision } = await client.kv.get(prefix, { prefix: true, signal });
  for (const kv of kvs) known.set(kv.keyText, kv.json());
  const print = () => {
    console.log(`${service}: ${[...known.values()].map((each) => each.address).join(" ")}`);
  };
  print();
  const watcher = client.watch(prefix, { prefix: true, startRevision: revision + 1, signal });
  for await (const { type, kv } of watcher.events()) {
    if (type === "delete") known.delete(kv.keyText);
    else known.set(kv.keyText, kv.json());
    print();
  }
}

try {
  const prefix = `examples/services/${service}/`;
  if (command === "register" && address !== undefined) {
    await register(prefix);
  } else if (command === "discover" && service !== undefined) {
    await discover(prefix);
  } else {
    console.error("usage: service-registry.js register SERVICE ADDRESS | discover SERVICE");
    process.exitCode = 1;
  }
} catch (error) {
  if (!isErrorKind(error, "aborted")) throw error;
} finally {
  client.close();
}
