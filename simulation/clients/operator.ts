/** What an operator does while clients work: compaction, defragmentation, hashes, new leaders. */
import {
  CompactionRequest,
  DefragmentRequest,
  HashKVRequest,
  MoveLeaderRequest,
} from "../../src/api/gen/rpc.ts";
import { METHOD } from "../../src/api/rpc-table.ts";
import type { SeededRandom } from "../../src/env/testing/index.ts";
import type { Member } from "../../src/testing/world/member.ts";
import type { Port } from "./port.ts";
import type { Recorder } from "./recorder.ts";

export interface OperatorOptions {
  readonly port: Port;
  readonly recorder: Recorder;
  readonly random: SeededRandom;
  readonly member: () => Member | undefined;
  readonly pauseMs: { readonly min: number; readonly max: number };
  readonly isOver: () => boolean;
}

const TIMEOUT_MS = 3000;
const MAX_BEHIND = 60;

export async function runOperator(options: OperatorOptions): Promise<void> {
  const { port, random, pauseMs } = options;
  while (!options.isOver()) {
    await port.world.scheduler.sleep(random.between(pauseMs.min, pauseMs.max));
    const member = options.member();
    if (member === undefined) continue;
    const dice = random.below(20);
    if (dice < 13) await compact(options, member);
    else if (dice < 16) await defragment(options, member);
    else if (dice < 18) await hash(options, member);
    else await moveLeader(options);
  }
}

async function compact({ port, random, recorder }: OperatorOptions, member: Member): Promise<void> {
  const behind = random.chance(0.3) ? 0 : random.below(MAX_BEHIND);
  // A deletion at the compact revision itself is a case of its own.
  const atDeletion = recorder.lastDeletion > 0 && random.chance(0.25);
  const revision = atDeletion ? recorder.lastDeletion : recorder.maxRevision - behind;
  if (revision < 1) return;
  recorder.compactions.push({ revision, callTime: recorder.time() });
  const request = CompactionRequest.create({ revision, physical: random.chance(0.3) });
  const body = CompactionRequest.encode(request);
  const result = await port.call(member, METHOD.Compact, body, TIMEOUT_MS);
  port.world.count(`compaction ${result.kind}`);
}

async function defragment({ port }: OperatorOptions, member: Member): Promise<void> {
  const body = DefragmentRequest.encode(DefragmentRequest.create());
  const result = await port.call(member, METHOD.Defragment, body, TIMEOUT_MS);
  port.world.count(`defragment ${result.kind}`);
}

async function hash({ port, recorder }: OperatorOptions, member: Member): Promise<void> {
  const request = HashKVRequest.create({ revision: recorder.maxRevision });
  const body = HashKVRequest.encode(request);
  const result = await port.call(member, METHOD.HashKV, body, TIMEOUT_MS);
  port.world.count(`hash ${result.kind}`);
}

async function moveLeader({ port, random }: OperatorOptions): Promise<void> {
  const { leader } = port.world;
  const others = port.world.active.filter((member) => member !== leader);
  if (leader === undefined || others.length === 0) return;
  const targetID = random.pick(others).server?.memberID;
  if (targetID === undefined) return;
  const body = MoveLeaderRequest.encode(MoveLeaderRequest.create({ targetID }));
  const result = await port.call(leader, METHOD.MoveLeader, body, TIMEOUT_MS);
  port.world.count(`move leader ${result.kind}`);
}
