/** What the programs share that measure our server, and with `--vs` another one, in turn. */
import { type ChildProcess, fork } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findRepository } from "../tools/tidy.ts";
import { type GeneratorReply, type LoadJob, type LoadResult, STOP_MESSAGE } from "./load/jobs.ts";
import { dataRoot, type ServerUnderTest } from "./server-process.ts";
import { OURS, usable } from "./servers.ts";
import type { RunningJob } from "./workloads.ts";

const here = dirname(fileURLToPath(import.meta.url));
const root = findRepository(here);

/** For `parseArgs`. */
export const TRIAL_OPTIONS = {
  vs: { type: "string", multiple: true },
  dir: { type: "string" },
} as const;

export interface TrialValues {
  /** Other etcd binaries. */
  readonly vs?: readonly string[] | undefined;
  /** Where data directories are made. */
  readonly dir?: string | undefined;
}

/** This repository's, on the node that runs the program. */
export const OUR_SERVER: ServerUnderTest = {
  label: OURS,
  binary: join(root, "bin", "etcd"),
  env: { ETCD_NODE: process.execPath },
};

/** Measures one server after the other, in a folder that is gone afterwards. One that fails is told. */
export async function inTurn(
  { vs = [], dir }: TrialValues,
  measure: (server: ServerUnderTest, folder: string) => Promise<void>,
): Promise<void> {
  const folder = dataRoot(dir, join(root, "dist", ".bench"));
  const tell = (binary: string, reason: string): void => {
    console.error(`${binary}: ${reason}`);
    process.exitCode = 1;
  };
  const others = usable(vs, process.execPath, ({ binary, reason }) => tell(binary, reason));
  try {
    for (const server of [OUR_SERVER, ...others]) {
      await measure(server, folder).catch((error: Error) => tell(server.label, error.message));
    }
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
