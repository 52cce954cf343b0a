/** What the programs share that measure our server, and with `--vs` another one, in turn. */
import { type ChildProcess, fork } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findRepository } from "../tools/tidy.ts";
import { type GeneratorReply, type LoadJob, type LoadResult, STOP_MESSAGE } from "./load/jobs.ts";
import { dataRoot, type ServerUnderTest } from "./server-process.ts";
import type { RunningJob } from "./workloads.ts";

const here = dirname(fileURLToPath(import.meta.url));
const root = findRepository(here);

/** For `parseArgs`. */
export const TRIAL_OPTIONS = { vs: { type: "string" }, dir: { type: "string" } } as const;

export interface TrialValues {
  /** Another etcd binary. */
  readonly vs?: string | undefined;
  /** Where data directories are made. */
  readonly dir?: string | undefined;
}

/** This repository's, on the node that runs the program. */
export const OURS: ServerUnderTest = {
  label: "ours",
  binary: join(root, "bin", "etcd"),
  env: { ETCD_NODE: process.execPath },
};

/** Measures one server after the other, in a folder that is gone afterwards. */
export async function inTurn(
  { vs, dir }: TrialValues,
  measure: (server: ServerUnderTest, folder: string) => Promise<void>,
): Promise<void> {
  const folder = dataRoot(dir, join(root, "dist", ".bench"));
  const servers = [OURS];
  if (vs !== undefined) servers.push({ label: "other", binary: vs, env: {} });
  try {
    for (const server of servers) await measure(server, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A process of its own, so that the load's work never delays another's measurement. */
export class Generator implements RunningJob {
  readonly result: Promise<LoadResult>;
  readonly #child: ChildProcess;

  constructor(job: LoadJob) {
    const child = fork(join(here, "load", "generator.js"), [], {
      execArgv: [],
    });
    this.#child = child;
    this.result = new Promise((resolve, reject) => {
      child.once("message", (reply: GeneratorReply) => {
        if (reply.kind === "done") resolve(reply.result);
        else reject(new Error(`the load generator failed: ${reply.message}`));
      });
      child.once("exit", (code) => reject(new Error(`the load generator ended with ${code}`)));
      child.send(job);
    });
    // Asked for at the latest by `stop`; it may fail before.
    this.result.catch(() => {});
  }

  stop(): Promise<LoadResult> {
    if (this.#child.connected) this.#child.send(STOP_MESSAGE);
    return this.result;
  }
}
