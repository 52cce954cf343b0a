/**
 * One of several candidates leads, the others follow. End the leader, and another takes over: at
 * once when it resigns, after ten seconds when it died.
 *
 *     node examples/leader-election.js anna
 */
import { Election, EtcdClient, isErrorKind, op, Session } from "etcd-ts/client";

// What went wrong in one line; without a server that is "no endpoint is reachable".
process.on("uncaughtException", (error) => {
  console.error(error.message);
  process.exit(1);
});

const endpoints = (process.env.ETCD_ENDPOINTS ?? "http://127.0.0.1:2379").split(",");
const client = new EtcdClient({ endpoints });
const [me = `process ${process.pid}`] = process.argv.slice(2);

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => stop.abort());

/** Prints who leads until the signal fires. */
async function follow(election, signal) {
  try {
    for await (const leader of election.observe({ signal })) {
      console.log(`${leader.valueText} leads`);
    }
  } catch (error) {
    if (!isErrorKind(error, "aborted")) throw error;
  }
}

/** Waits to be elected, then leads until the signal fires. */
async function lead(election, signal) {
  await election.campaign(me, { signal });
  console.log(`${me} was elected`);
  // What only the leader may do is done under the condition that it still leads.
  const { succeeded } = await client.kv
    .txn()
    .if(election.isLeader())
    .do(op.put("examples/last-leader", me))
    .commit();
  if (!succeeded) console.log(`${me} has been replaced already`);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

try {
  while (!stop.signal.aborted) {
    const session = await Session.create(client, { ttl: 10, signal: stop.signal });
    const election = new Election(session, "examples/election");
    const ended = AbortSignal.any([stop.signal, session.signal]);
    try {
      await Promise.all([follow(election, ended), lead(election, ended)]);
      if (session.signal.aborted) console.log(`${me} no longer leads: its session was lost`);
    } finally {
      // Gives up the candidacy or the leadership.
      await session.close();
    }
  }
} catch (error) {
  if (!isErrorKind(error, "aborted")) throw error;
} finally {
  client.close();
}
