/**
 * What is done to the members of a launcher and what is known of them: faults, where raft stands,
 * and the timeline. The supervisor asks it what a member is to be told.
 */
import {
  type Faults,
  LAB_VARIABLE,
  type LabOrder,
  type MemberView,
  NO_FAULTS,
  parseReport,
} from "../../../lab/lab-protocol.ts";
import type { ProcessPlan } from "../plan.ts";
import { FaultPlan } from "./fault-plan.ts";
import { Timeline } from "./timeline.ts";

export class ClusterLab {
  readonly timeline: Timeline = new Timeline();
  readonly faults: FaultPlan;
  readonly monotonicMs: () => number;
  readonly #plans: readonly ProcessPlan[];
  readonly #views = new Map<string, MemberView>();
  /** By member ID; a member keeps its own for good. */
  readonly #names = new Map<string, string>();

  constructor(plans: readonly ProcessPlan[], monotonicMs: () => number) {
    this.#plans = plans;
    this.monotonicMs = monotonicMs;
    this.faults = new FaultPlan(
      plans.flatMap(({ name, peerURL }) => (peerURL === undefined ? [] : [{ name, peerURL }])),
    );
  }

  /** For the member's start. */
  environment(name: string): Readonly<Record<string, string>> {
    return { [LAB_VARIABLE]: JSON.stringify(this.#faultsOf(name)) };
  }

  order(name: string): LabOrder {
    return { lab: "faults", faults: this.#faultsOf(name) };
  }

  /** A member said something. */
  heard(name: string, message: unknown): void {
    const report = parseReport(message);
    if (report === undefined) return;
    this.#views.set(name, report.view);
    this.#names.set(report.view.id, name);
    this.timeline.add(name, report.events);
  }

  /** What is known of it ended with it. */
  forget(name: string): void {
    this.#views.delete(name);
  }

  note(name: string, text: string): void {
    this.timeline.note(name, text, this.monotonicMs());
  }

  /** Undefined for a process that tells nothing: another program, or none that runs. */
  viewOf(name: string): MemberView | undefined {
    return this.#views.get(name);
  }

  /** The process of a member ID, or the ID itself. */
  nameOf(id: string): string {
    return this.#names.get(id) ?? id;
  }

  /** Why the network of these processes cannot be touched; undefined when it can. */
  networkProblem(running: readonly string[]): string | undefined {
    const line = this.#plans.find(({ peerURL }) => peerURL === undefined);
    if (line !== undefined) {
      return (
        `${line.name} comes from a Procfile: its network is its own. ` +
        "`etcd-cluster start` without -f starts members that can be cut off"
      );
    }
    const silent = running.find((name) => !this.#isReached(name));
    if (silent === undefined) return undefined;
    return (
      `${silent} has told nothing of itself: the program that --binary names is starting, or its ` +
      "network is its own. Start without --binary; pause and kill work with every member"
    );
  }

  /** A member of this installation begins with its faults. */
  #isReached(name: string): boolean {
    const { command } = this.#plans.find((plan) => plan.name === name) ?? {};
    return (command?.kind === "program" && command.isOwn) || this.#views.has(name);
  }

  #faultsOf(name: string): Faults {
    const isOurs = this.#plans.some((plan) => plan.name === name && plan.peerURL !== undefined);
    return isOurs ? this.faults.faultsOf(name) : NO_FAULTS;
  }
}
