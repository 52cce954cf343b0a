/** Downgrades of the cluster by one minor version, as far as clients ask for them. */
import { EtcdError } from "../../api/errors.ts";
import { DowngradeInfoSetRequest } from "../../api/gen/membership.ts";
import {
  DowngradeRequest,
  DowngradeRequest_DowngradeAction as Action,
  DowngradeResponse,
} from "../../api/gen/rpc.ts";
import { formatVersion, type SemanticVersion } from "../../api/version.ts";
import type { UnaryCall } from "../../env/index.ts";
import {
  isDowngrade,
  mustParseVersion,
  parseTargetVersion,
  shortVersion,
} from "../../membership/index.ts";
import type { Answering, ServerContext } from "../context.ts";
import { type LinearizableReader, readLinearizably } from "../consensus/linearizable-reads.ts";
import { RaftField } from "../log/raft-request.ts";
import { METHOD } from "../../api/rpc-table.ts";
import { failWith } from "./reply.ts";
import type { UnaryRows } from "./rows.ts";

export type DowngradeNeeds = Answering &
  LinearizableReader &
  Pick<ServerContext, "cluster" | "logger" | "propose">;

export class DowngradeService {
  readonly unary: UnaryRows = { [METHOD.Downgrade]: (call) => this.downgrade(call) };
  readonly #server: DowngradeNeeds;

  constructor(server: DowngradeNeeds) {
    this.#server = server;
  }

  downgrade(call: UnaryCall): void {
    const { action, version } = DowngradeRequest.decode(call.body);
    this.#do(action, version).then(
      () => call.reply(this.#answer()),
      (error: unknown) => failWith(call, error),
    );
  }

  async #do(action: Action, version: string): Promise<void> {
    switch (action) {
      case Action.VALIDATE:
        await this.#validate(targetOf(version));
        return;
      case Action.ENABLE:
        await this.#enable(version);
        return;
      case Action.CANCEL:
        await this.#cancel();
        return;
      default:
        throw new EtcdError("unknownMethod");
    }
  }

  /** By what is true now, not by what this member happens to know. */
  async #validate(target: SemanticVersion): Promise<void> {
    const { cluster } = this.#server;
    if (cluster.version === undefined) throw new EtcdError("clusterVersionUnavailable");
    await readLinearizably(this.#server);
    if (!isDowngrade(mustParseVersion(cluster.version), target)) {
      throw new EtcdError("invalidDowngradeTargetVersion");
    }
    if (cluster.downgrade.enabled) throw new EtcdError("downgradeInProcess");
  }

  async #enable(version: string): Promise<void> {
    try {
      const target = targetOf(version);
      await this.#validate(target);
      await this.#set({ enabled: true, ver: formatVersion(target) });
    } catch (error) {
      this.#server.logger.warn("reject downgrade request", { error });
      throw error;
    }
  }

  /** As in etcd 3.6, a cancellation that fails, or finds nothing to cancel, is only logged. */
  async #cancel(): Promise<void> {
    const { cluster, logger } = this.#server;
    if (cluster.version === undefined) throw new EtcdError("clusterVersionUnavailable");
    try {
      await readLinearizably(this.#server);
      if (!cluster.downgrade.enabled) throw new EtcdError("noInflightDowngrade");
      await this.#set({ enabled: false });
    } catch (error) {
      logger.warn("failed to cancel downgrade", { error });
    }
  }

  async #set(info: Partial<DowngradeInfoSetRequest>): Promise<void> {
    const request = DowngradeInfoSetRequest.create(info);
    const body = DowngradeInfoSetRequest.encode(request);
    await this.#server.propose(RaftField.downgradeInfoSet, body);
  }

  #answer(): Uint8Array {
    const { store, term, cluster } = this.#server;
    const header = this.#server.header.message(store.currentRevision, term);
    const version = cluster.version === undefined ? "" : shortVersion(cluster.version);
    return DowngradeResponse.encode(DowngradeResponse.create({ header, version }));
  }
}

/** Throws `wrongDowngradeVersionFormat`. */
function targetOf(text: string): SemanticVersion {
  const target = parseTargetVersion(text);
  if (target === undefined) throw new EtcdError("wrongDowngradeVersionFormat");
  return target;
}
