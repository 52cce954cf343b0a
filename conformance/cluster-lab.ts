/**
 * Scenes of several members that are played twice, by ours and by a reference etcd, and compared.
 * A scene returns what a user saw, by name; ports, ids and times in it are replaced by words, as
 * they differ from run to run.
 *
 *     compare("a member is removed", async (lab) => {
 *       const [first] = await lab.cluster(3);
 *       return { list: await lab.ctl(first, "member", "list") };
 *     });
 *
 * Both sides play at the same time. Everything ends with the scene.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type EtcdKind, EtcdProcess, type ExitInfo, missing, versionOf } from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const ETCDCTL = process.env.ETCDCTL ?? "etcdctl";
const SCENE_TIMEOUT_MS = 3 * PATIENCE_MS;
const POLL_MS = 50;

export interface Place {
  readonly name: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
  readonly dataDir: string;
}

export interface MemberOptions {
  /** Members of `--initial-cluster`. Default: the place itself. */
  readonly initial?: readonly Place[];
  readonly state?: "new" | "existing";
  readonly flags?: readonly string[];
  readonly dataDir?: string;
}

/** What a user saw, by name. */
export type Seen = Readonly<Record<string, unknown>>;

export interface CompareOptions {
  /** What 3.4 says in other words than later ones; ours follows the later ones. */
  readonly unlike34?: readonly string[];
  /** What only ours is asked for. */
  readonly own?: readonly string[];
  /** Looked at besides the comparison. */
  readonly check?: (seen: Seen) => void;
}

/** A test that plays a scene on both sides and compares what was seen. */
export function compare(
  name: string,
  scene: (lab: Lab) => Promise<Seen>,
  options: CompareOptions = {},
): void {
  const skip = missing("ours", "reference");
  test(name, { skip, timeout: SCENE_TIMEOUT_MS }, async () => {
    const play = async (kind: EtcdKind): Promise<Seen> => {
      await using lab = new Lab(kind);
      const seen = await scene(lab);
      return JSON.parse(lab.plain(JSON.stringify(seen))) as Seen;
    };
    const [ours, reference] = await Promise.all([play("ours"), play("reference")]);
    if (process.env.LAB_PRINT === "1") console.log(JSON.stringify({ ours, reference }, null, 1));
    const isOld = versionOf("reference")?.startsWith("3.4.") === true;
    const left = new Set([...(options.own ?? []), ...(isOld ? (options.unlike34 ?? []) : [])]);
    const compared = (seen: Seen): Seen =>
      Object.fromEntries(Object.entries(seen).filter(([key]) => !left.has(key)));
    assert.deepEqual(compared(ours), compared(reference));
    options.check?.(ours);
  });
}

/** The members of one side of a scene. */
export class Lab implements AsyncDisposable {
  readonly kind: EtcdKind;
  readonly directory: string = mkdtempSync(join(tmpdir(), "etcd-lab-"));
  readonly #places: Place[] = [];
  readonly #members: EtcdProcess[] = [];

  constructor(kind: EtcdKind) {
    this.kind = kind;
  }

  /** Their ports ascend in the order of the names, so that sorted lists are alike on both sides. */
  async places(...names: readonly string[]): Promise<Place[]> {
    const ports = (await freePorts(names.length * 2)).sort((a, b) => a - b);
    const places = names.map((name, i) => ({
      name,
      clientUrl: `http://127.0.0.1:${ports[i]}`,
      peerUrl: `http://127.0.0.1:${ports[names.length + i]}`,
      dataDir: join(this.directory, name),
    }));
    this.#places.push(...places);
    return places;
  }

  /** A member at a place, not started yet. */
  member(place: Place, options: MemberOptions = {}): EtcdProcess {
    const initial = (options.initial ?? [place]).map(({ name, peerUrl }) => `${name}=${peerUrl}`);
    const flags = [
      `--initial-cluster=${initial.join(",")}`,
      `--initial-cluster-state=${options.state ?? "new"}`,
      ...(options.flags ?? []),
    ];
    const { name } = place;
    const dataDir = options.dataDir ?? place.dataDir;
    const [client, peer] = [place.clientUrl, place.peerUrl].map((url) => Number(new URL(url).port));
    const member = new EtcdProcess(
      { kind: this.kind, name, dataDir, flags },
      client as number,
      peer as number,
    );
    this.#members.push(member);
    return member;
  }

  /** A new cluster m0, m1 ...; all serve. */
  async cluster(count: number, flags: readonly string[] = []): Promise<EtcdProcess[]> {
    const initial = await this.places(...Array.from({ length: count }, (_, i) => `m${i}`));
    const members = initial.map((place) => this.member(place, { initial, flags }));
    await Promise.all(members.map((member) => member.start()));
    return members;
  }

  /** Starts a member that must not start, and gives the exit and the last words. */
  async refused(place: Place, options: MemberOptions = {}): Promise<string> {
    const member = this.member(place, options);
    member.launch();
    return lastWords(member, await member.exited());
  }

  /** Output and exit of etcdctl, asked of one or several members. */
  async ctl(at: ClientUrls, ...args: readonly string[]): Promise<string> {
    const { code, output } = await etcdctl(at, args);
    return `${output}exit ${code}`;
  }

  /** `member list`, whose order differs from run to run, and the names in it. */
  async memberList(at: ClientUrls): Promise<string[]> {
    const { code, output } = await etcdctl(at, ["member", "list"]);
    assert.equal(code, 0, output);
    return output
      .trim()
      .split("\n")
      .map((line) => line.replace(/^[0-9a-f]+, /, ""))
      .sort();
  }

  /** Text without what differs from run to run. */
  plain(text: string): string {
    let plain = text.replaceAll(this.directory, "<dir>");
    for (const { name, clientUrl, peerUrl } of this.#places) {
      plain = plain.replaceAll(new URL(clientUrl).host, `<${name}>`);
      plain = plain.replaceAll(new URL(peerUrl).host, `<${name} peer>`);
    }
    // Names in it are ordered by id; an id is padded with spaces.
    return plain
      .replace(/(ETCD_INITIAL_CLUSTER=\\")([^\\]*)/, (_, head: string, list: string) => {
        return head + list.split(",").sort().join(",");
      })
      .replace(/ *\b[0-9a-f]{13,16}\b/g, (id) => (id.startsWith(" ") ? " <id>" : "<id>"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((member) => member[Symbol.asyncDispose]()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export type ClientUrls = { readonly clientUrl: string } | readonly { readonly clientUrl: string }[];

/** Its own log lines are left out. */
export async function etcdctl(
  at: ClientUrls,
  args: readonly string[],
): Promise<{ readonly code: number; readonly output: string }> {
  const endpoints = [at]
    .flat()
    .map(({ clientUrl }) => clientUrl)
    .join(",");
  const { PATH = "" } = process.env;
  const child = spawn(ETCDCTL, [...args], {
    env: { PATH, ETCDCTL_API: "3", ETCDCTL_ENDPOINTS: endpoints },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number>((resolve) => {
    child.once("close", (status) => resolve(status ?? -1));
  });
  const lines = output
    .split("\n")
    .filter((line) => !/^(\{"level"|\d{4}-\d\d-\d\d |\{"level)/.test(line));
  return { code, output: lines.join("\n") };
}

/** What a person sees who looks why a member does not run. */
export function lastWords(member: EtcdProcess, { code, signal }: ExitInfo): string {
  const line = member.log.findLast(({ level }) => /^(warn|error|fatal|panic)$/.test(level ?? ""));
  const words = line ?? member.log.at(-1);
  const error = words?.error === undefined ? "" : `: ${words.error}`;
  return `exit ${code ?? signal}: ${words?.msg}${error}`;
}

/**
 * What a member said about its own removal, and how it ended. The reference ends with 1 when it
 * notices its own closed listeners first, else with 0, which is chance; `ours` is what it counts as.
 */
export function removalWords(
  member: EtcdProcess,
  { code, signal }: ExitInfo,
  ours: 0 | 1 = 0,
): string[] {
  const lines = member.log.filter(({ level, msg }) => {
    return level === "warn" && /^server error$|data-dir used by this member/.test(msg);
  });
  const words = lines.map(({ msg, error }) => (error === undefined ? msg : `${msg}: ${error}`));
  const isByChance = member.kind === "reference" && (code === 0 || code === 1);
  return [...words, `exit ${isByChance ? ours : (code ?? signal)}`];
}

/** Asks again and again until the answer is true; other answers are part of the complaint. */
export async function until(
  what: string,
  condition: () => unknown,
  timeoutMs: number = PATIENCE_MS,
): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  for (;;) {
    let found: unknown;
    try {
      found = await condition();
    } catch (error) {
      found = error;
    }
    if (found === true) return;
    if (Date.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}; last: ${found}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** The member that leads, as all that run agree. */
export async function leaderOf(members: readonly EtcdProcess[]): Promise<EtcdProcess> {
  let leader: EtcdProcess | undefined;
  await until("all agree on a leader", async () => {
    const running = members.filter((member) => member.running);
    const all = await Promise.all(running.map(statusOf));
    const ids = new Set(all.map((status) => status.leader));
    leader = running.find((_, i) => all[i]?.header.member_id === all[i]?.leader);
    return ids.size === 1 && leader !== undefined;
  });
  assert.ok(leader);
  return leader;
}

export interface Status {
  readonly header: { readonly member_id: string; readonly cluster_id: string };
  readonly leader: string;
  readonly version: string;
}

export async function statusOf(member: { readonly clientUrl: string }): Promise<Status> {
  const response = await fetch(`${member.clientUrl}/v3/maintenance/status`, {
    method: "POST",
    body: "{}",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  return (await response.json()) as Status;
}

/** Its id as etcdctl takes it. */
export async function idOf(member: { readonly clientUrl: string }): Promise<string> {
  return BigInt((await statusOf(member)).header.member_id).toString(16);
}
