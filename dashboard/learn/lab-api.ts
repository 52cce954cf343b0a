/** What the launcher says of its cluster, and what it can be told to do. */
import type { TimelineEvent } from "../../src/cli/cluster/lab/timeline.ts";
import type { MemberView } from "../../src/lab/lab-protocol.ts";

export interface LabProcess {
  readonly name: string;
  readonly state: { readonly kind: string; readonly status?: string };
  readonly view?: MemberView;
  readonly cutOff: readonly string[];
  readonly delayMs: number;
}

export interface LabLoad {
  readonly reads: "linearizable" | "stale";
  readonly answered: number;
  readonly failed: number;
  readonly unknown: number;
  readonly verdict: { readonly kind: string; readonly text?: string };
  readonly lastError?: string;
}

export interface LabState {
  readonly nowMs: number;
  readonly processes: readonly LabProcess[];
  readonly load?: LabLoad;
  readonly events: readonly TimelineEvent[];
}

export interface LabCommand {
  readonly command: "start" | "kill" | "pause" | "resume" | "partition" | "heal" | "slow" | "load";
  readonly processes: readonly string[];
  readonly delayMs?: number;
  readonly load?: "on" | "stale" | "off";
}

const KEPT_SECRET = "etcd-cluster-secret";

/** From the address the first time, then from this tab. */
export function secretOf(param: string | undefined): string {
  if (param !== undefined && param !== "") sessionStorage.setItem(KEPT_SECRET, param);
  return sessionStorage.getItem(KEPT_SECRET) ?? "";
}

export async function askState(secret: string, after: number): Promise<LabState> {
  return (await asked(secret, `state?after=${after}`, {})) as LabState;
}

/** Rejects with the launcher's words when it refuses. */
export async function tellLauncher(secret: string, command: LabCommand): Promise<void> {
  await asked(secret, "do", { method: "POST", body: JSON.stringify(command) });
}

async function asked(secret: string, path: string, init: RequestInit): Promise<unknown> {
  const headers = { "x-etcd-cluster-secret": secret };
  const url = new URL(`../lab/${path}`, document.baseURI);
  const response = await fetch(url, { ...init, headers, cache: "no-store", credentials: "omit" });
  const answer = (await response.json()) as { readonly error?: string };
  if (!response.ok) throw new Error(answer.error ?? `status ${response.status}`);
  return answer;
}
