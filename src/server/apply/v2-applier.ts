/**
 * Applies requests of the v2 store. Its tree begins at the snapshot, not where the db ends: entries
 * that the db has already are applied to it all the same.
 */
import type { Request } from "../../api/gen/etcdserver.ts";
import type {
  ClusterMemberAttrSetRequest,
  ClusterVersionSetRequest,
} from "../../api/gen/membership.ts";
import { V2Error, type V2Store } from "../../v2store/index.ts";
import type { Counted, ServerContext } from "../context.ts";
import type { TracingCounters } from "../tracing/tracing-metrics.ts";
import { decodeForV2Store } from "../log/entry-request.ts";
import type { Outcome, V2Outcome } from "../log/proposals.ts";
import { RaftField } from "../log/raft-request.ts";

const API_VERSION = "v2";

export type V2ApplierNeeds = Pick<ServerContext, "clock"> &
  Counted<Pick<TracingCounters, "applyDuration">>;

export class V2Applier {
  readonly #server: V2ApplierNeeds;
  readonly #store: V2Store;

  constructor(server: V2ApplierNeeds, store: V2Store) {
    this.#server = server;
    this.#store = store;
  }

  apply(request: Request): Outcome {
    const { clock, counters } = this.#server;
    const startMs = clock.nowMs();
    const v2 = this.#outcome(request);
    const success = String(!(v2 instanceof V2Error));
    const duration = counters.applyDuration.of(API_VERSION, request.Method, success);
    duration.observe((clock.nowMs() - startMs) / 1000);
    return { error: undefined, reply: [], v2 };
  }

  /** Of an entry that the db has. */
  replay(data: Uint8Array): void {
    const { members } = this.#store;
    if (members === undefined) return;
    const decoded = decodeForV2Store(data);
    switch (decoded?.field) {
      case RaftField.v2:
        this.#outcome(decoded.request as Request);
        break;
      case RaftField.clusterVersionSet:
        members.setVersion((decoded.request as ClusterVersionSetRequest).ver);
        break;
      case RaftField.clusterMemberAttrSet: {
        const { memberID, memberAttributes } = decoded.request as ClusterMemberAttrSetRequest;
        const { name = "", clientUrls = [] } = memberAttributes ?? {};
        members.publish(memberID, name, clientUrls);
        break;
      }
    }
  }

  #outcome(request: Request): V2Outcome | undefined {
    try {
      return this.#store.apply(request);
    } catch (error) {
      if (error instanceof V2Error) return error;
      throw error;
    }
  }
}
