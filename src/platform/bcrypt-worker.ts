/** A thread of `bcrypt-hasher.ts`: one job at a time, one reply each. */
import { errorMessage } from "../base/error-message.ts";
import { parentPort } from "node:worker_threads";
import { compareSync, hashSync } from "bcryptjs";
import { goVersion } from "./bcrypt-hasher.ts";

export type BcryptJob =
  | { readonly kind: "hash"; readonly password: string; readonly cost: number }
  | { readonly kind: "verify"; readonly password: string; readonly hash: string };

export type BcryptReply =
  | { readonly kind: "hashed"; readonly hash: string }
  | { readonly kind: "verified"; readonly matches: boolean }
  | { readonly kind: "failed"; readonly message: string };

function run(job: BcryptJob): BcryptReply {
  try {
    if (job.kind === "hash") {
      return { kind: "hashed", hash: goVersion(hashSync(job.password, job.cost)) };
    }
    return { kind: "verified", matches: compareSync(job.password, job.hash) };
  } catch (error) {
    return { kind: "failed", message: errorMessage(error) };
  }
}

parentPort?.on("message", (job: BcryptJob) => parentPort?.postMessage(run(job)));
