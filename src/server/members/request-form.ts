/**
 * In which form members write to the log what members of etcd 3.4 read differently.
 *
 * About the cluster version and about themselves: 3.4 stops at the requests that 3.5 introduced for
 * this, 3.7 at those of the v2 store before. So the new form is used, unless somebody says that it
 * runs a version below 3.5.
 *
 * Passwords: 3.4 hashes what the log has, and does not know the field in which 3.5 hands a hash on.
 * It would take a user with a hash for one whose password is empty, and let everybody in.
 */
import { type Cluster, isBefore } from "../../membership/index.ts";
import type { ServerContext } from "../context.ts";
import { pause } from "../consensus/pause.ts";
import { askMemberVersions, type AskVersionsNeeds, type MemberVersion } from "./peer-versions.ts";

export type RequestForm = "v2" | "v3";

const FIRST_VERSION_WITHOUT_V2 = "3.5.0";

/**
 * The members of a new cluster do not start at the same moment: one that does not answer yet is
 * waited for so long, once, and taken for a newer one afterwards.
 */
export const SILENT_MEMBER_PATIENCE_MS = 3_000;
/** Between two questions to a member that did not answer, and how long it has for the answer. */
const ASK_AGAIN_MS = 100;
const ASK_TIMEOUT_MS = 1_000;

interface Needs extends AskVersionsNeeds, Pick<ServerContext, "clock" | "stopSignal"> {
  readonly cluster: Pick<Cluster, "members" | "version">;
}

export class RequestForms {
  readonly #server: Needs;
  readonly #timeoutMs: number;
  #firstAskedMs: number | undefined;

  /** `timeoutMs`: for a member's answer, once the cluster has a version. */
  constructor(server: Needs, timeoutMs: number) {
    this.#server = server;
    this.#timeoutMs = timeoutMs;
  }

  /** For this member's own request, behind a linearizable read: then the members are known. */
  async choose(): Promise<RequestForm> {
    return this.#isSettled() ? "v3" : this.formFor(await this.askOthers());
  }

  /** The form for a request, by what the other members said. */
  formFor(others: readonly MemberVersion[]): RequestForm {
    return !this.#isSettled() && others.some(isOld) ? "v2" : "v3";
  }

  /** Whether every member reads hashes; false also when one that may be old does not say. */
  async allReadHashes(): Promise<boolean> {
    if (this.#isSettled()) return true;
    const others = await this.askOthers();
    return others.every(({ server }) => server !== undefined && !isOld({ server }));
  }

  /** What the others run; waits a little for silent ones while the form depends on it. */
  async askOthers(): Promise<readonly MemberVersion[]> {
    const { clock, stopSignal } = this.#server;
    for (;;) {
      if (this.#isSettled()) return askMemberVersions(this.#server, this.#timeoutMs);
      this.#firstAskedMs ??= clock.nowMs();
      const isLast = clock.nowMs() - this.#firstAskedMs >= SILENT_MEMBER_PATIENCE_MS;
      const level = isLast ? "warn" : "debug";
      const others = await askMemberVersions(this.#server, ASK_TIMEOUT_MS, level);
      const isComplete = others.every(({ server }) => server !== undefined);
      if (isComplete || isLast || others.some(isOld) || stopSignal.aborted) return others;
      await pause(clock, ASK_AGAIN_MS, stopSignal);
    }
  }

  #isSettled(): boolean {
    const { version } = this.#server.cluster;
    return version !== undefined && !isBefore(version, FIRST_VERSION_WITHOUT_V2);
  }
}

function isOld({ server }: Pick<MemberVersion, "server">): boolean {
  return server !== undefined && isBefore(server, FIRST_VERSION_WITHOUT_V2);
}
