/**
 * When clients are quiet: every member answers a linearizable read, holds the same history by its
 * hash, the same membership, and has delivered everything to those who watch.
 */
import { AlarmType } from "../../src/api/gen/rpc.ts";
import {
  AUTH_BUCKET,
  AUTH_ROLES_BUCKET,
  AUTH_USERS_BUCKET,
  type Reader,
} from "../../src/backend/index.ts";
import { latin1FromBytes } from "../../src/base/bytes.ts";
import type { Revision } from "../../src/base/ids.ts";
import type { KeyValueHash } from "../../src/mvcc/index.ts";
import { ask } from "../clients/kv-client.ts";
import type { Port } from "../clients/port.ts";
import type { Recorder } from "../clients/recorder.ts";
import type { Plan } from "../plan.ts";
import type { Member } from "../../src/testing/world/member.ts";
import type { World } from "../../src/testing/world/world.ts";

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
  /** Users, roles and settings, byte for byte. */
  readonly auth: string;
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
    const states = await inWorld(
      world,
      Promise.all(world.active.map((member) => stateOf(world, member))),
    );
    await inWorld(world, Promise.all(world.active.map((member) => readAll(member, clients))));
    const after = world.active.map((member) => member.server?.store.currentRevision);
    told = describe(world, states);
    const [first] = states;
    if (first === undefined || states.includes(undefined)) continue;
    // A lease has expired meanwhile: that is no disagreement.
    if (new Set([...before, ...after]).size > 1) continue;
    if (new Set(states.map((state) => state?.compactRevision)).size > 1) continue;
    const isEqual = states.every(
      (state) =>
        state?.hash === first.hash && state.members === first.members && state.auth === first.auth,
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

/** Asked of the server itself: a learner answers no such request. */
async function stateOf(world: World, member: Member): Promise<State | undefined> {
  const { life, server } = member;
  if (life === undefined || server === undefined) return undefined;
  const found = await new Promise<KeyValueHash | undefined>((resolve) => {
    world.scheduler.at(TIMEOUT_MS, "give up", undefined, () => resolve(undefined));
    world.scheduler.at(0, "hash", life.actor, () => {
      server.hashByRevision(0).then(resolve, () => resolve(undefined));
    });
  });
  if (found === undefined) return undefined;
  const members = server.cluster.members
    .map(({ id, name, peerURLs, isLearner }) => `${id} ${name} ${peerURLs} ${isLearner}`)
    .sort();
  return {
    hash: found.hash,
    compactRevision: found.compactRevision,
    revision: server.store.currentRevision,
    appliedIndex: server.appliedIndex,
    members: members.join(", "),
    auth: authOf(server.backend),
  };
}

function authOf(reader: Reader): string {
  const records: string[] = [];
  for (const bucket of [AUTH_BUCKET, AUTH_USERS_BUCKET, AUTH_ROLES_BUCKET]) {
    reader.scan(bucket, new Uint8Array(0), undefined, (key, value) => {
      records.push(`${latin1FromBytes(key)}=${Buffer.from(value).toString("hex")}`);
      return true;
    });
  }
  return records.join(" ");
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
      const { hash, revision, compactRevision, appliedIndex, members, auth } = state;
      return (
        `${name} has hash ${hash} at revision ${revision}, compacted at ${compactRevision}, ` +
        `applied ${appliedIndex}, members ${members}, auth ${auth}`
      );
    })
    .join("; ");
}
