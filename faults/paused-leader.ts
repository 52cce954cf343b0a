/**
 * etcd issue 20418: a leader is paused, the others elect and write, and the old leader wakes up with
 * linearizable reads waiting in its socket. It must not answer them from what it knew.
 */
import { EtcdClient } from "../src/client/index.ts";
import { type Cluster, pause } from "./cluster.ts";
import type { Recorder } from "./recorder.ts";

const TIMEOUT_MS = 30_000;
const WAITING_READS = 20;
const KEY = "paused";

/** One round; the number of reads that the old leader answered. Judged with the history. */
export async function pausedLeader(cluster: Cluster, recorder: Recorder): Promise<number> {
  const old = await cluster.leader();
  if (old === undefined) throw new Error("no leader to pause");
  const others = cluster.others(old);
  const client = new EtcdClient({ endpoints: old.directUrl, maxAttempts: 1 });
  const options = { timeoutMs: TIMEOUT_MS };
  const put = (value: string) => ({ kind: "put", key: KEY, value }) as const;
  const get = { kind: "get", key: KEY } as const;
  try {
    await recorder.run(client, -5, old.name, put("before"), options);
    // The connection stands; what is sent from now on waits in the socket.
    await recorder.run(client, -5, old.name, get, options);
    old.pause();
    await cluster.until("the others have a leader", TIMEOUT_MS, async () => {
      const leader = await cluster.leader(others);
      return leader !== undefined && leader !== old;
    });
    await cluster.until("the others have written", TIMEOUT_MS, async () => {
      const [other] = others;
      const writer = cluster.admin(other);
      const { outcome } = await recorder.run(writer, -6, "others", put("after"), options);
      return outcome.kind === "ok";
    });
    const reads = Array.from({ length: WAITING_READS }, () =>
      recorder.run(client, -5, old.name, get, options),
    );
    await pause(50);
    old.resume();
    const answers = await Promise.all(reads);
    return answers.filter(({ outcome }) => outcome.kind === "ok").length;
  } finally {
    old.resume();
    client.close();
    await cluster.until("all agree on a leader", TIMEOUT_MS, async () => {
      const statuses = await cluster.statuses();
      const leaders = new Set(statuses.map(({ leaderID }) => leaderID));
      return statuses.length === cluster.members.length && leaders.size === 1 && !leaders.has("");
    });
  }
}
