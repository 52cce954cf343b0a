/**
 * A program that is told when its configuration changes, and misses no change: not while it
 * reads, not while its connection is down.
 *
 *     node examples/configuration.js watch
 *     node examples/configuration.js set log-level debug
 *     node examples/configuration.js unset log-level
 */
import { EtcdClient, isErrorKind } from "etcd-ts/client";

const PREFIX = "examples/config/";
// What went wrong in one line; without a server that is "no endpoint is reachable".
process.on("uncaughtException", (error) => {
  console.error(error.message);
  process.exit(1);
});

const endpoints = (process.env.ETCD_ENDPOINTS ?? "http://127.0.0.1:2379").split(",");
const client = new EtcdClient({ endpoints });
const [command, name, value] = process.argv.slice(2);

/** Keeps `config` up to date until the signal fires. */
async function follow(config, onChange, signal) {
  for (;;) {
    // First the state, then everything that happened after the revision of that state.
    const { kvs, revision } = await client.kv.get(PREFIX, { prefix: true, signal });
    config.clear();
    for (const kv of kvs) config.set(kv.keyText.slice(PREFIX.length), kv.valueText);
    onChange("read");
    try {
      const watcher = client.watch(PREFIX, { prefix: true, startRevision: revision + 1, signal });
      for await (const { events } of watcher) {
        for (const { type, kv } of events) {
          const key = kv.keyText.slice(PREFIX.length);
          if (type === "delete") config.delete(key);
          else config.set(key, kv.valueText);
        }
        onChange("changed");
      }
      return;
    } catch (error) {
      // We were away for so long that the history is gone: read the state again.
      if (!isErrorKind(error, "compacted")) throw error;
    }
  }
}

switch (command) {
  case "set":
    await client.kv.put(PREFIX + name, value ?? "");
    break;
  case "unset":
    await client.kv.delete(PREFIX + name);
    break;
  case "watch": {
    const stop = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => stop.abort());
    const config = new Map();
    const print = (what) => console.log(what, JSON.stringify(Object.fromEntries(config)));
    await follow(config, print, stop.signal).catch((error) => {
      if (!isErrorKind(error, "aborted")) throw error;
    });
    break;
  }
  default:
    console.error("usage: configuration.js watch | set NAME VALUE | unset NAME");
    process.exitCode = 1;
}
client.close();
