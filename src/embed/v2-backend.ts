/** A member as the HTTP of the v2 API sees it. */
import { EtcdError } from "../api/errors.ts";
import type { MemberID } from "../base/ids.ts";
import type { Clock } from "../env/clock.ts";
import type { Logger } from "../env/logger.ts";
import type { Metrics } from "../env/metrics.ts";
import type { PasswordHasher } from "../env/secrets.ts";
import { computeMemberID } from "../membership/index.ts";
import { type EtcdServer, LoginLimiter, MembershipChanges } from "../server/index.ts";
import type { PeerStatistics } from "./peer-statistics.ts";
import type { V2Backend, V2Keys, V2Members } from "../v2/index.ts";

export interface V2BackendDeps {
  readonly server: EtcdServer;
  readonly keys: V2Keys;
  /** Does what a request asks for that changes keys. */
  readonly propose: V2Backend["propose"];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly passwords: PasswordHasher;
  readonly clientCertAuth: boolean;
  readonly statistics: PeerStatistics;
  readonly draining: AbortSignal;
}

export function v2BackendOf(deps: V2BackendDeps): V2Backend {
  const { server, keys, propose, clock, logger, metrics, passwords } = deps;
  const { clientCertAuth, statistics, draining } = deps;
  return {
    clusterID: server.clusterID,
    memberID: server.memberID,
    get raftIndex() {
      return server.committedIndex;
    },
    get raftTerm() {
      return server.term;
    },
    get isLeader() {
      return server.isLeader;
    },
    keys,
    members: membersOf(server, clock),
    propose,
    passwords,
    logins: new LoginLimiter(clock),
    metrics,
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs(),
    stats: {
      self: () => statistics.self(server.options.name, server.memberID, server.leader),
      leader: () =>
        server.isLeader ? statistics.leader(server.memberID, peersOf(server)) : undefined,
    },
    clientCertAuth,
    draining,
    logger,
  };
}

function peersOf({ cluster, memberID }: EtcdServer): MemberID[] {
  return cluster.members.map(({ id }) => id).filter((id) => id !== memberID);
}

/** Nobody waits on a stream that could be cut: an answer is always possible. */
const ASKER = { cancelled: false };

function membersOf(server: EtcdServer, clock: Clock): V2Members {
  const { cluster } = server;
  const changes = new MembershipChanges(server);
  return {
    list: () => cluster.members,
    leader: () => cluster.member(server.leader),
    isRemoved: (id) => cluster.isRemoved(id),
    add: async (peerURLs) => {
      refuseUnknown(server);
      const id = computeMemberID(peerURLs, "", clock.wallMs() / 1000);
      const member = { id, peerURLs, isLearner: false, name: "", clientURLs: [] };
      await changes.add(member, ASKER);
      return member;
    },
    remove: async (id) => {
      refuseUnknown(server);
      await changes.remove(id, ASKER);
    },
    update: async (id, peerURLs) => {
      refuseUnknown(server);
      await changes.update(id, peerURLs, ASKER);
    },
  };
}

/** Users of the v2 API are none of the v3 API, whose administrators alone may do this. */
function refuseUnknown({ auth }: EtcdServer): void {
  if (auth.store.enabled) throw new EtcdError("userEmpty");
}
