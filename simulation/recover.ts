/**
 * After the last fault is undone: within ten election timeouts a leader is there, every member
 * takes writes and has caught up.
 */
import { ask } from "./clients/kv-client.ts";
import type { Port } from "./clients/port.ts";
import type { Recorder } from "./clients/recorder.ts";
import type { Plan } from "./plan.ts";
import type { Member } from "../src/testing/world/member.ts";
import type { World } from "../src/testing/world/world.ts";

/** Election timeouts that healing may take. */
const LIMIT_TIMEOUTS = 10;
/**
 * A member that joins asks questions that others may answer only with a leader, each for a request
 * timeout of some six seconds; and where it has a vote, there may be no leader before it runs.
 */
const JOINING_MS = 15_000;
const RETRY_MS = 50;
const WRITE_TIMEOUT_MS = 400;
/** A client of its own in the history. */
const CLIENT_ID = 1000;

/** False, with a violation, if the cluster does not come back. */
export async function recover(
  world: World,
  plan: Plan,
  clients: { readonly port: Port; readonly recorder: Recorder },
): Promise<boolean> {
  const { scheduler } = world;
  const electionMs = plan.electionTicks * plan.heartbeatIntervalMs;
  const isJoining = world.active.some(({ hasServed }) => !hasServed);
  const limitMs = LIMIT_TIMEOUTS * electionMs + (isJoining ? JOINING_MS : 0);
  const untilMs = scheduler.nowMs + limitMs;
  const written = new Set<Member>();
  let isOver = false;
  const write = async (member: Member): Promise<void> => {
    while (!isOver && !written.has(member) && !member.isRetired) {
      const value = `${clients.recorder.nextID()}`;
      const put = { kind: "put", key: `last/${member.name}`, value } as const;
      const asking = { ...clients, id: CLIENT_ID, timeoutMs: WRITE_TIMEOUT_MS };
      if ((await ask(asking, member, put)) !== undefined) written.add(member);
      else await scheduler.sleep(RETRY_MS);
    }
  };
  const asked = new Set<Member>();
  const isBack = () => {
    for (const member of world.active) {
      if (asked.has(member)) continue;
      asked.add(member);
      void write(member);
    }
    const leader = world.leader?.server;
    if (leader === undefined) return false;
    return world.active.every(
      (member) =>
        (written.has(member) || member.server?.cluster.local?.isLearner === true) &&
        (member.server?.appliedIndex ?? 0) >= leader.committedIndex,
    );
  };
  const ok = await scheduler.runUntil(untilMs, isBack);
  isOver = true;
  if (!ok) world.violated(`not back within ${limitMs} ms after the last fault: ${state(world)}`);
  return ok;
}

function state(world: World): string {
  return world.active
    .map(({ name, server, life }) => {
      if (life === undefined) return `${name} is down`;
      if (server === undefined) return `${name} starts`;
      const { term, committedIndex, appliedIndex, isLeader } = server;
      const role = isLeader ? "leads" : "follows";
      return `${name} ${role} in term ${term} at ${appliedIndex} of ${committedIndex}`;
    })
    .join("; ");
}
