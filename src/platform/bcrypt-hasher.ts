/**
 * bcrypt off the event loop. A hash takes some seventy milliseconds of a processor on purpose. It is
 * computed by threads of its own, not on the runtime's pool, which writes the log: a few of them,
 * the others wait in turn, and beyond a bound they are refused.
 *
 * Library and threads are loaded when they are first needed: most members never see a password.
 */
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import {
  HasherBusyError,
  type HashTurn,
  type PasswordHasher,
  PasswordTooLongError,
} from "../env/secrets.ts";
import type { BcryptJob, BcryptReply } from "./bcrypt-worker.ts";
import { HashLanes } from "./hash-lanes.ts";

/** The loop and the disk keep a processor for themselves where there is more than one. */
const MAX_WORKERS = Math.max(1, Math.min(4, availableParallelism() - 1));
/** About twenty seconds of work for one thread at the default cost: who waits longer gives up. */
export const MAX_WAITING_HASHES = 256;
/** bcrypt looks at this many bytes; Go's library refuses longer passwords, so ours does too. */
const MAX_PASSWORD_BYTES = 72;
/** The three versions of the text are the same algorithm here. */
const HASH = /^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$/;

/** Of those who change passwords: administrators, and few. */
const HASH_TURN: HashTurn = { lane: "", admit: () => undefined };

interface Task {
  readonly job: BcryptJob;
  readonly admit: () => void;
  readonly settle: (reply: BcryptReply) => void;
  readonly refuse: (error: unknown) => void;
}

export class BcryptHasher implements PasswordHasher {
  readonly #idle: Worker[] = [];
  readonly #running = new Map<Worker, Task>();
  readonly #waiting = new HashLanes<Task>(MAX_WAITING_HASHES);

  async hash(password: string, cost: number): Promise<string> {
    if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) throw new PasswordTooLongError();
    const reply = await this.#run({ kind: "hash", password, cost }, HASH_TURN);
    if (reply.kind === "hashed") return reply.hash;
    throw new Error(reply.kind === "failed" ? reply.message : "not a hash");
  }

  async verify(password: string, hash: string, turn = HASH_TURN): Promise<boolean> {
    if (!HASH.test(hash)) return false;
    const reply = await this.#run({ kind: "verify", password, hash }, turn);
    if (reply.kind === "verified") return reply.matches;
    throw new Error(reply.kind === "failed" ? reply.message : "not a verdict");
  }

  hashNow(password: string, cost: number): string {
    const bcrypt = createRequire(import.meta.url)("bcryptjs") as typeof import("bcryptjs");
    return goVersion(bcrypt.hashSync(password, cost));
  }

  #run(job: BcryptJob, { lane, admit }: HashTurn): Promise<BcryptReply> {
    return new Promise((settle, refuse) => {
      const sentAway = this.#waiting.add(lane, { job, admit, settle, refuse });
      sentAway?.refuse(new HasherBusyError());
      this.#next();
    });
  }

  #next(): void {
    if (this.#waiting.isEmpty) return;
    const worker = this.#idle.pop() ?? this.#newWorker();
    if (worker === undefined) return;
    const task = this.#nextAdmitted();
    if (task === undefined) {
      this.#idle.push(worker);
      return;
    }
    this.#running.set(worker, task);
    worker.ref();
    worker.postMessage(task.job);
  }

  /** Those who must not be hashed any more leave without one. */
  #nextAdmitted(): Task | undefined {
    for (let task = this.#waiting.take(); task !== undefined; task = this.#waiting.take()) {
      try {
        task.admit();
        return task;
      } catch (error) {
        task.refuse(error);
      }
    }
    return undefined;
  }

  #newWorker(): Worker | undefined {
    if (this.#running.size >= MAX_WORKERS) return undefined;
    const url = new URL(`./bcrypt-worker${extname(import.meta.url)}`, import.meta.url);
    const worker = new Worker(url);
    worker.on("message", (reply: BcryptReply) => {
      worker.unref();
      this.#idle.push(worker);
      this.#settle(worker, reply);
    });
    worker.on("error", (error) => {
      this.#settle(worker, { kind: "failed", message: error.message });
    });
    return worker;
  }

  #settle(worker: Worker, reply: BcryptReply): void {
    const task = this.#running.get(worker);
    this.#running.delete(worker);
    task?.settle(reply);
    this.#next();
  }
}

/** Go writes "2a" where others write "2b"; the bytes of a record must not tell them apart. */
export function goVersion(hash: string): string {
  return hash.replace(/^\$2[by]\$/, "$2a$");
}
