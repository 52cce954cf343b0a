/**
 * One process of a plan: started, watched, stopped with everything that it has started itself.
 *
 * On POSIX systems each process leads a group of its own, so that a Ctrl-C in the terminal reaches
 * the launcher alone, which then stops all in order, and so that a shell's children are stopped
 * with the shell. On Windows `taskkill /t` does the latter.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import type { Clock } from "../../env/clock.ts";
import { LineCutter } from "./line-cutter.ts";
import type { ProcessPlan } from "./plan.ts";
import { RecentLines } from "./recent-lines.ts";
import type { Screen } from "./screen.ts";

/** A process that was asked to end and has not after so long is killed. */
const STOP_TIMEOUT_MS = 15_000;
/** How long the output of a process is read on when only its children still hold it. */
const LAST_OUTPUT_MS = 1000;

export type ProcessState =
  | { readonly kind: "stopped" }
  | { readonly kind: "running"; readonly pid: number }
  /** Stands still, with all of its connections open. */
  | { readonly kind: "paused"; readonly pid: number }
  | { readonly kind: "stopping"; readonly pid: number }
  /** Ended without being asked to, or killed; `status` for people. */
  | { readonly kind: "ended"; readonly status: string };

export interface ProcessWorld {
  readonly clock: Clock;
  readonly screen: Screen;
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isWindows: boolean;
}

/** What others hear of a process. */
export interface ProcessEvents {
  /** It ended without being asked to. */
  ended(): void;
  /** Started, paused, ended: in words. */
  changed(what: string): void;
  /** What a member says on its channel. */
  said(message: unknown): void;
  /** In the environment of the next start, besides the rest. */
  environment(): Readonly<Record<string, string>>;
}

export class ManagedProcess {
  readonly plan: ProcessPlan;
  readonly recent: RecentLines;
  readonly #world: ProcessWorld;
  readonly #events: ProcessEvents;
  #state: ProcessState = { kind: "stopped" };
  #child: ChildProcess | undefined;
  #isToBeKilled = false;
  /** Settles when the running process has ended and all of its output was shown. Never rejects. */
  #over: Promise<void> = Promise.resolve();

  constructor(plan: ProcessPlan, world: ProcessWorld, events: ProcessEvents) {
    this.plan = plan;
    this.#world = world;
    this.#events = events;
    this.recent = new RecentLines(() => world.clock.wallMs());
  }

  get state(): ProcessState {
    return this.#state;
  }

  get isAlive(): boolean {
    return this.#child !== undefined;
  }

  /** Does nothing while it runs. */
  start(): void {
    if (this.isAlive) return;
    const child = this.#spawn();
    this.#child = child;
    this.#isToBeKilled = false;
    child.on("message", (message) => this.#events.said(message));
    this.#state = { kind: "running", pid: child.pid ?? 0 };
    if (child.pid !== undefined) this.#note(`started, process ${child.pid}`);
    this.#over = this.#watch(child);
  }

  #spawn(): ChildProcess {
    const { command } = this.plan;
    const { folder, env, isWindows } = this.#world;
    const options = {
      cwd: folder,
      env,
      detached: !isWindows,
      windowsHide: true,
      stdio: ["ignore", "pipe", "pipe"] as ("ignore" | "pipe" | "ipc")[],
    };
    if (command.kind === "line") return spawn(command.line, { ...options, shell: true });
    if (this.plan.peerURL !== undefined) options.stdio.push("ipc");
    const own = { ...env, ...command.env, ...this.#events.environment() };
    return spawn(command.file, command.args, { ...options, env: own });
  }

  /** Says something to a member; nothing when there is no channel. */
  tell(message: object): void {
    const child = this.#child;
    // A member that ends meanwhile hears nothing any more.
    if (child?.connected === true) child.send(message, () => undefined);
  }

  async #watch(child: ChildProcess): Promise<void> {
    const closed = once(child, "close").catch(() => undefined);
    const output = Promise.all([this.#show(child.stdout), this.#show(child.stderr)]);
    const status = await endOf(child);
    await Promise.race([Promise.all([closed, output]), this.#delay(LAST_OUTPUT_MS)]);
    // While somebody holds the pipes the group exists, so its number belongs to nobody else.
    if (child.stdout?.closed === false || child.stderr?.closed === false) {
      // A child of a shell may still be closing its files; a stop gives it its time.
      if (this.#state.kind === "stopping") await Promise.all([closed, output]);
      else this.kill();
    }
    const isAsked = this.#state.kind === "stopping";
    this.#child = undefined;
    if (this.#isToBeKilled && !isAsked) {
      this.#state = { kind: "ended", status: "killed" };
      this.#note("killed");
      return;
    }
    this.#state = isAsked ? { kind: "stopped" } : { kind: "ended", status };
    this.#note(isAsked ? `stopped, ${status}` : status);
    if (!isAsked) this.#events.ended();
  }

  /** Shows what the process writes, no faster than it is read. */
  async #show(stream: Readable | null): Promise<void> {
    if (stream === null) return;
    const { screen } = this.#world;
    const { name } = this.plan;
    const cutter = new LineCutter();
    try {
      for await (const chunk of stream) {
        for (const line of cutter.push(chunk as Buffer)) {
          this.recent.line(line);
          screen.line(name, line);
        }
        await screen.drained();
      }
    } catch {
      // The pipe broke; the process's end is told by itself.
    }
    const rest = cutter.rest();
    if (rest === undefined) return;
    this.recent.line(rest);
    screen.line(name, rest);
  }

  /** Asks it to end, and kills it if it does not. Resolves when it has ended. */
  async stop(): Promise<void> {
    const child = this.#child;
    // What stands still hears nothing.
    this.resume();
    if (child === undefined || this.#state.kind !== "running") return this.#over;
    this.#state = { kind: "stopping", pid: this.#state.pid };
    const patience = this.#world.clock.setTimer(STOP_TIMEOUT_MS, () => {
      this.#note(`does not stop after ${STOP_TIMEOUT_MS / 1000} s and is killed`);
      this.kill();
    });
    this.#signal(child, "SIGTERM");
    await this.#over;
    patience.cancel();
  }

  /** Stops it where it stands: it does nothing and its connections stay open. POSIX only. */
  pause(): void {
    if (this.#child === undefined || this.#state.kind !== "running") return;
    this.#state = { kind: "paused", pid: this.#state.pid };
    this.#signal(this.#child, "SIGSTOP");
    this.#note("paused");
  }

  /** Does nothing for what is not paused. */
  resume(): void {
    if (this.#child === undefined || this.#state.kind !== "paused") return;
    this.#state = { kind: "running", pid: this.#state.pid };
    this.#signal(this.#child, "SIGCONT");
    this.#note("goes on");
  }

  /** Ends it at once because a person wants it so. Resolves when it has ended. */
  killAsked(): Promise<void> {
    this.#isToBeKilled = true;
    this.kill();
    return this.#over;
  }

  /** Ends it and its children at once. A child that has left the group is not waited for. */
  kill(): void {
    const child = this.#child;
    if (child === undefined) return;
    this.#signal(child, "SIGKILL");
    this.#world.clock.setTimer(LAST_OUTPUT_MS, () => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    });
  }

  #signal(child: ChildProcess, signal: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    if (child.pid === undefined) return;
    if (this.#world.isWindows) {
      spawn("taskkill", ["/pid", String(child.pid), "/t", "/f"], { stdio: "ignore" });
      return;
    }
    try {
      process.kill(-child.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  #note(text: string): void {
    this.recent.note(text);
    this.#events.changed(text);
    this.#world.screen.note(this.plan.name, text);
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#world.clock.setTimer(ms, resolve);
    });
  }
}

/** How a process ended, in words; also when it could not be started. */
async function endOf(child: ChildProcess): Promise<string> {
  try {
    await once(child, "exit");
  } catch (error) {
    return `could not be started: ${(error as Error).message}`;
  }
  return child.signalCode === null
    ? `ended with status ${child.exitCode}`
    : `ended by ${child.signalCode}`;
}
