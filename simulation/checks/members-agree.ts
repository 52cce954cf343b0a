/**
 * When clients are quiet: every member answers a linearizable read, holds the same history by its
 * hash, the same membership, and has delivered everything to those who watch.
 */
import { AlarmType, HashKVRequest, HashKVResponse } from "../../src/api/gen/rpc.ts";
import { METHOD } from "../../src/api/rpc-table.ts";
import type { Revision } from "../../src/base/ids.ts";
import { ask } from "../clients/kv-client.ts";
import type { Port } from "../clients/port.ts";
import type { Recorder } from "../clients/recorder.ts";
import type { Plan } from "../plan.ts";
import type { Member } from "../world/member.ts";
import type { World } from "../world/world.ts";

/** Leases may still expire, compactions be under way; then it is compared again. */
const ATTEMPTS = 12;
const PAUSE_MS = 800;
const TIMEOUT_MS = 3000;
/** A client of its own in the history. */
const CLIENT_ID = 1001;

interface Clients {
  readonly port: Port;
  readonly recorder: Recorder;
}

interface State {
  readonly hash: number;
  readonly revision: Revision;
  readonly compactRevision: Revision;
  readonly appliedIndex: number;
  readonly members: string;
}

/** The revision up to which all agree and every watch must be complete. */
export async function checkMembersAgree(
  world: World,
  plan: Plan,
  clients: Clients,
): Promise<Revision | undefined> {
  const { scheduler } = world;
  let told = "";
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await scheduler.runUntil(scheduler.nowMs + PAUSE_MS + plan.progressIntervalMs);
    const before = world.active.map((member) => member.server?.store.currentRevision);
    const states = await inWorld(world, Promise.all(world.active.map((m) => stateOf(m, clients))));
    await inWorld(world, Promise.all(world.active.map((member) => readAll(member, clients))));
    const after = world.active.map((member) => member.server?.store.currentRevision);
    told = describe(world, states);
    const [first] = states;
    if (first === undefined || states.includes(undefined)) continue;
    // A lease has expired meanwhile: that is no disagreement.
    if (new Set([...before, ...after]).size > 1) continue;
    if (new Set(states.map((state) => state?.compactRevision)).size > 1) continue;
    const isEqual = states.every(
      (state) => state?.hash === first.hash && state.members === first.members,
    );
    if (!isEqual) {
      world.violated(`members differ: ${told}`);
      return undefined;
    }
    checkAlarms(world);
    return first.revision;
  }
  world.violated(`members do not come to rest: ${told}`);
  return undefined;
}

/** Lets virtual time pass until the promise settles. */
async function inWorld<T>(world: World, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const done = promise.finally(() => {
    isSettled = true;
  });
  await world.scheduler.runUntil(world.scheduler.nowMs + 4 * TIMEOUT_MS, () => isSettled);
  return done;
}

async function readAll(member: Member, { port, recorder }: Clients): Promise<void> {
  const asking = { id: CLIENT_ID, port, recorder, timeoutMs: TIMEOUT_MS };
  await ask(asking, member, { kind: "get", key: "a", end: "z" });
}

async function stateOf(member: Member, { port }: Clients): Promise<State | undefined> {
  const body = HashKVRequest.encode(HashKVRequest.create());
  const result = await port.call(member, METHOD.HashKV, body, TIMEOUT_MS);
  const { server } = member;
  if (result.kind !== "reply" || server === undefined) return undefined;
  const { hash, compactRevision, header } = HashKVResponse.decode(result.body);
  const members = server.cluster.members
    .map(({ id, name, peerURLs, isLearner }) => `${id} ${name} ${peerURLs} ${isLearner}`)
    .sort();
  return {
    hash,
    compactRevision,
    revision: header?.revision ?? 0,
    appliedIndex: server.appliedIndex,
    members: members.join(", "),
  };
}

/** The members' own comparison must not have found anything either. */
function checkAlarms(world: World): void {
  for (const { name, server } of world.active) {
    for (const alarm of server?.alarms.list(AlarmType.CORRUPT) ?? []) {
      world.violated(`${name} has an alarm of type ${alarm.alarm} for ${alarm.memberID}`);
    }
  }
}

function describe(world: World, states: readonly (State | undefined)[]): string {
  return world.active
    .map(({ name }, i) => {
      const state = states[i];
      if (state === undefined) return `${name} does not answer`;
      const { hash, revision, compactRevision, appliedIndex, members } = state;
      return (
        `${name} has hash ${hash} at revision ${revision}, compacted at ${compactRevision}, ` +
        `applied ${appliedIndex}, members ${members}`
      );
    })
    .join("; ");
}
