/**
 * A client that takes leases, binds keys to them, keeps them alive for a while and lets them go. It
 * knows how long each lease must have lived at least: that is the earliest moment at which the
 * cluster may delete the keys by itself.
 */
import {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
} from "../../src/api/gen/rpc.ts";
import { METHOD } from "../../src/api/rpc-table.ts";
import type { LeaseID } from "../../src/base/ids.ts";
import type { SeededRandom } from "../../src/env/testing/index.ts";
import type { Member } from "../../src/testing/world/member.ts";
import { leaseName } from "./kv-codec.ts";
import { ask } from "./kv-client.ts";
import type { Port, StreamPort } from "./port.ts";
import type { Recorder } from "./recorder.ts";
import type { Requests } from "./requests.ts";

export interface LeaseClientOptions {
  readonly id: number;
  readonly port: Port;
  readonly recorder: Recorder;
  readonly requests: Requests;
  readonly random: SeededRandom;
  readonly member: () => Member | undefined;
  readonly timeoutMs: number;
  /** How much faster than the world the fastest clock of a member may run. */
  readonly maxClockRate: number;
  readonly isOver: () => boolean;
}

interface Held {
  readonly id: LeaseID;
  readonly ttl: number;
  /** When the last grant or renewal that was acknowledged had been sent, in the world's time. */
  sinceMs: number;
}

const TTL_SECONDS = { min: 1, max: 4 };
/** Long enough that a checkpoint before the last renewal says much less than is left. */
const LONG_TTL_SECONDS = { min: 6, max: 10 };
const LONG_SHARE = 0.3;
const KEYS = 3;

export async function runLeaseClient(options: LeaseClientOptions): Promise<void> {
  const { port, random, recorder, requests } = options;
  const { scheduler } = port.world;
  while (!options.isOver()) {
    await scheduler.sleep(random.between(100, 2000));
    const member = options.member();
    if (member === undefined) continue;
    const held = await grant(options, member);
    if (held === undefined) continue;
    const lease = leaseName(held.id);
    const puts = random.between(1, KEYS);
    for (let i = 0; i < puts; i++) {
      const name = random.chance(0.5) ? `l${random.below(KEYS)}` : `k${random.below(KEYS)}`;
      const put = { kind: "put", key: name, value: requests.value(random), lease } as const;
      await ask(options, options.member() ?? member, put);
    }
    await keepAlive(options, held);
    const { maxClockRate } = options;
    if (random.chance(0.2)) {
      await ask(options, options.member() ?? member, { kind: "revoke", lease });
    }
    const livesUntilMs = held.sinceMs + (held.ttl * 1000) / maxClockRate;
    recorder.mayHappen({ kind: "revoke", lease }, livesUntilMs);
  }
}

async function grant(options: LeaseClientOptions, member: Member): Promise<Held | undefined> {
  const { port, random, recorder, timeoutMs, maxClockRate } = options;
  const { scheduler } = port.world;
  const id = BigInt(random.between(1, 2 ** 30)) * 1024n + BigInt(options.id);
  const seconds = random.chance(LONG_SHARE) ? LONG_TTL_SECONDS : TTL_SECONDS;
  const ttl = random.between(seconds.min, seconds.max);
  const sinceMs = scheduler.nowMs;
  const body = LeaseGrantRequest.encode(LeaseGrantRequest.create({ ID: id, TTL: ttl }));
  const result = await port.call(member, METHOD.LeaseGrant, body, timeoutMs);
  port.world.count(`lease grant ${result.kind}`);
  if (result.kind === "reply") {
    return { id, ttl: LeaseGrantResponse.decode(result.body).TTL, sinceMs };
  }
  // It may exist nevertheless, but nobody puts keys on it.
  const livesUntilMs = sinceMs + (ttl * 1000) / maxClockRate;
  recorder.mayHappen({ kind: "revoke", lease: leaseName(id) }, livesUntilMs);
  return undefined;
}

/** Renews for a while at one member after the other. */
async function keepAlive(options: LeaseClientOptions, held: Held): Promise<void> {
  const { port, random } = options;
  const { scheduler } = port.world;
  const request = LeaseKeepAliveRequest.encode(LeaseKeepAliveRequest.create({ ID: held.id }));
  const untilMs = scheduler.nowMs + random.between(0, 8000);
  let stream: StreamPort | undefined;
  let isGone = false;
  const sent: number[] = [];
  while (scheduler.nowMs < untilMs && !isGone && !options.isOver()) {
    if (stream?.isOpen !== true) {
      const member = options.member();
      sent.length = 0;
      stream =
        member === undefined
          ? undefined
          : port.open(member, METHOD.LeaseKeepAlive, {
              message: (body) => {
                const sentMs = sent.shift();
                const { TTL } = LeaseKeepAliveResponse.decode(body);
                port.world.count(TTL > 0 ? "lease renewed" : "lease found gone");
                if (TTL <= 0) isGone = true;
                else if (sentMs !== undefined) held.sinceMs = Math.max(held.sinceMs, sentMs);
              },
              end: () => undefined,
            });
    }
    if (stream?.isOpen === true) {
      sent.push(scheduler.nowMs);
      stream.send(request);
    }
    await scheduler.sleep((held.ttl * 1000) / random.between(2, 4));
  }
  // Answers that are under way still count.
  await scheduler.sleep(50);
  stream?.close();
}
