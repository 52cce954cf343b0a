/**
 * An operator who changes the membership while everything else goes on: adds members, as learners or
 * at once with a vote, on new machines; promotes; removes any, the leader too. Asked about a
 * request that got no answer, the members' own list is believed.
 */
import {
  MemberAddRequest,
  MemberListRequest,
  MemberListResponse,
  MemberPromoteRequest,
  MemberRemoveRequest,
  type Member as MemberRow,
} from "../../src/api/gen/rpc.ts";
import { METHOD } from "../../src/api/rpc-table.ts";
import type { MemberID } from "../../src/base/ids.ts";
import type { SeededRandom } from "../../src/env/testing/index.ts";
import type { Member } from "../../src/testing/world/member.ts";
import type { Port } from "./port.ts";

export interface MembershipOperatorOptions {
  readonly port: Port;
  readonly random: SeededRandom;
  /** The cluster has about this many voting members. */
  readonly size: number;
  readonly isOver: () => boolean;
  /** Sets up a machine for a new member; it is not started. */
  readonly newMember: (name: string, clusterMembers: ReadonlyMap<string, string>) => Member;
}

const PAUSE_MS = { min: 200, max: 3000 };
const TIMEOUT_MS = 2000;
const LIST_RETRY_MS = 100;
const FEWEST_VOTERS = 2;

export class MembershipOperator {
  /** Members whose removal was asked for. */
  readonly removals = new Set<MemberID>();
  readonly #options: MembershipOperatorOptions;
  #added = 0;

  constructor(options: MembershipOperatorOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { port, random, size, isOver } = this.#options;
    while (!isOver()) {
      await port.world.scheduler.sleep(random.between(PAUSE_MS.min, PAUSE_MS.max));
      const rows = await this.#list();
      if (rows === undefined || isOver()) continue;
      const learner = rows.find((row) => row.isLearner);
      if (learner !== undefined && random.chance(0.7)) await this.#promote(learner);
      else if (rows.length < size) await this.#add();
      else if (rows.length > size + 1 || random.chance(0.6)) await this.#remove(rows);
      else await this.#add();
    }
    // Whatever was asked last must be known before the members are compared.
    await this.#reconcile();
  }

  /** The present members as `initial-cluster` of one that joins, by its own URL. */
  async settings(url: string): Promise<ReadonlyMap<string, string> | undefined> {
    // Without a quorum: it may be the new member that is needed for one.
    const rows = await this.#list(false);
    return rows === undefined ? undefined : this.#namesAndURLs(rows, url);
  }

  #namesAndURLs(rows: readonly MemberRow[], url: string): Map<string, string> {
    const { members } = this.#options.port.world;
    return new Map(
      rows.map((row): [string, string] => {
        const rowURL = row.peerURLs[0] ?? "";
        const name = members.find((member) => member.url === rowURL)?.name ?? row.name;
        return [rowURL === url ? nameOf(url) : name, rowURL];
      }),
    );
  }

  async #add(): Promise<void> {
    const { port, random } = this.#options;
    const name = `n${++this.#added}`;
    const url = `http://${name}:2380`;
    const isLearner = random.chance(0.6);
    const request = MemberAddRequest.create({ peerURLs: [url], isLearner });
    const result = await this.#ask(METHOD.MemberAdd, MemberAddRequest.encode(request));
    port.world.count(`member add ${result}`);
    await this.#reconcile();
  }

  async #promote({ ID }: MemberRow): Promise<void> {
    const body = MemberPromoteRequest.encode(MemberPromoteRequest.create({ ID }));
    const result = await this.#ask(METHOD.MemberPromote, body);
    this.#options.port.world.count(`member promote ${result}`);
  }

  async #remove(rows: readonly MemberRow[]): Promise<void> {
    const { port, random } = this.#options;
    // Of two voters none is removed: when the one that goes is the only one that knows it, and has
    // entries that the other has not, nobody can win an election any more (in etcd as well).
    const voters = rows.filter(({ isLearner }) => !isLearner);
    const removable = voters.length > FEWEST_VOTERS ? rows : rows.filter((row) => row.isLearner);
    if (removable.length === 0) return;
    const { ID } = random.pick(removable);
    this.removals.add(ID);
    const body = MemberRemoveRequest.encode(MemberRemoveRequest.create({ ID }));
    const result = await this.#ask(METHOD.MemberRemove, body);
    port.world.count(`member remove ${result}`);
    await this.#reconcile();
  }

  async #ask(method: number, body: Uint8Array): Promise<string> {
    const { port, random } = this.#options;
    const result = await port.call(random.pick(port.world.active), method, body, TIMEOUT_MS);
    return result.kind;
  }

  /** New members get a machine; those that a quorum does not list are not started again. */
  async #reconcile(): Promise<void> {
    const { world } = this.#options.port;
    const known = await this.#list(false);
    if (known !== undefined) this.#setUp(known);
    const rows = await this.#list();
    if (rows === undefined) return;
    for (const member of world.active) {
      if (rows.some(({ peerURLs }) => peerURLs.includes(member.url))) continue;
      member.isRetired = true;
    }
    this.#setUp(rows);
  }

  #setUp(rows: readonly MemberRow[]): void {
    const { world } = this.#options.port;
    for (const { peerURLs } of rows) {
      const url = peerURLs[0] ?? "";
      if (world.members.some((member) => member.url === url)) continue;
      const settings = this.#namesAndURLs(rows, url);
      world.start(this.#options.newMember(nameOf(url), settings));
    }
  }

  /** Asks until a quorum, or any member, has answered; undefined if that takes too long. */
  async #list(linearizable = true): Promise<readonly MemberRow[] | undefined> {
    const { port, random } = this.#options;
    const { scheduler } = port.world;
    const body = MemberListRequest.encode(MemberListRequest.create({ linearizable }));
    const untilMs = scheduler.nowMs + 5 * TIMEOUT_MS;
    while (scheduler.nowMs < untilMs) {
      const member = random.pick(port.world.active);
      const result = await port.call(member, METHOD.MemberList, body, TIMEOUT_MS / 2);
      if (result.kind === "reply") return MemberListResponse.decode(result.body).members;
      await scheduler.sleep(LIST_RETRY_MS);
    }
    return undefined;
  }
}

function nameOf(url: string): string {
  return new URL(url).hostname;
}
