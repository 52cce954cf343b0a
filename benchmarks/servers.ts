/**
 * The binaries of a run: ours, and the others that are named. Each is asked for its version before
 * anything is measured; one that is missing or is no etcd is told by name, and left out.
 */
import { spawnSync } from "node:child_process";
import type { ServerUnderTest } from "./server-process.ts";

const VERSION_TIMEOUT_MS = 20_000;

export const OURS = "ours";

export type Candidate =
  | { readonly kind: "server"; readonly server: ServerUnderTest }
  | { readonly kind: "unusable"; readonly binary: string; readonly reason: string };

/** A binary besides ours: Go's, or a start script of this project, which runs on `node`. */
export function examine(binary: string, node: string, taken: readonly string[] = []): Candidate {
  const env = { ETCD_NODE: node };
  const { error, status, stdout, stderr } = spawnSync(binary, ["--version"], {
    encoding: "utf8",
    timeout: VERSION_TIMEOUT_MS,
    env: { ...process.env, ...env },
  });
  const unusable = (reason: string): Candidate => ({ kind: "unusable", binary, reason });
  if (error !== undefined) return unusable(error.message);
  const version = /^etcd Version: ([\w.+-]+)$/m.exec(stdout)?.[1];
  if (version === undefined) {
    const [said = ""] = (stdout || stderr).trim().split("\n");
    return unusable(`it is not etcd: --version says "${said}" (status ${status})`);
  }
  const isNode = /^Go Version: node/m.test(stdout);
  const name = isNode ? `${OURS}-${/^Git SHA: (\w+)/m.exec(stdout)?.[1] ?? version}` : version;
  const server = { label: unused(name, taken), binary, env: isNode ? env : {} };
  return { kind: "server", server };
}

/** The name, or one with a number behind it. */
function unused(name: string, taken: readonly string[]): string {
  let label = name;
  for (let i = 2; taken.includes(label); i++) label = `${name}-${i}`;
  return label;
}

/** All that can be measured, in the order given. Each other one goes to `onUnusable`. */
export function usable(
  binaries: readonly string[],
  node: string,
  onUnusable: (candidate: Candidate & { readonly kind: "unusable" }) => void,
): ServerUnderTest[] {
  const servers: ServerUnderTest[] = [];
  for (const binary of binaries) {
    const taken = servers.map(({ label }) => label);
    const candidate = examine(binary, node, taken);
    if (candidate.kind === "server") servers.push(candidate.server);
    else onUnusable(candidate);
  }
  return servers;
}

/** In round 1 the first begins, in round 2 the second: nobody always comes after the same one. */
export function rotated<T>(all: readonly T[], round: number): T[] {
  const from = all.length === 0 ? 0 : (round - 1) % all.length;
  return [...all.slice(from), ...all.slice(0, from)];
}
