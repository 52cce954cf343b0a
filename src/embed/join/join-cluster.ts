/**
 * Joining a running cluster in one step: ask it, add this member as a learner, start, and take a
 * vote when the data are here. `etcd join` is this with a command line around it.
 *
 * Each step may be the last before a crash. Whoever comes again goes on from there: a member that
 * was added and has no data starts, one that has data and no vote is promoted.
 */
import { errorMessage } from "../../base/error-message.ts";
import { formatID, type MemberID } from "../../base/ids.ts";
import { type EtcdClient, EtcdClientError, type EtcdClientOptions } from "../../client/index.ts";
import type { Clock } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import { sleep } from "../../env/sleep.ts";
import { readAuthorities, readKeyPair } from "../../platform/index.ts";
import type { EtcdConfig } from "../config/index.ts";
import { initialClusterFor, type JoinPlan, planJoin } from "./join-plan.ts";
import { ownIdentity } from "./own-identity.ts";
import { askCluster, clientOf, explain, type RunningCluster } from "./running-cluster.ts";

export interface JoinRequest {
  /** Client URL of a running member. */
  readonly url: string;
  readonly config: EtcdConfig;
  /** "name:password"; "" for none. */
  readonly user: string;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A member counts as healthy when it has been connected for 5 s: after that nothing changes. */
const HEALTH_WAIT_MS = 15_000;
const ASK_AGAIN_MS = 1000;

export type JoinRefusal = { readonly problem: string; readonly advice: string };

export interface PreparedJoin {
  /** Undefined when it did not answer, which must not keep a member with data from its start. */
  readonly cluster: RunningCluster | undefined;
  readonly plan: Exclude<JoinPlan, { readonly kind: "refused" }>;
  readonly client: EtcdClient;
}

/** Looks at both sides and changes nothing. Who gets a `client` closes it. */
export async function prepareJoin(request: JoinRequest): Promise<PreparedJoin | JoinRefusal> {
  const { config, url, logger } = request;
  let client: EtcdClient;
  try {
    client = clientOf(url, clientOptions(request));
  } catch (error) {
    const problem = errorMessage(error);
    return { problem, advice: "give the client URL of a running member and readable TLS files" };
  }
  const identity = ownIdentity(config, logger);
  const answer = await askCluster(client, { linearizable: identity === undefined });
  if (answer.kind === "refused") {
    if (identity !== undefined) {
      const plan = { kind: "restart", memberID: identity.memberID, hasVote: undefined } as const;
      return { cluster: undefined, plan, client };
    }
    client.close();
    return answer;
  }
  const { cluster } = answer;
  const { name, dataDir } = config;
  const peerURLs = config.initialAdvertisePeerUrls.map(({ href }) => href);
  const self = { name, dataDir, peerURLs, identity };
  const plan = planJoin(self, cluster);
  if (plan.kind === "refused") {
    client.close();
    return plan;
  }
  return { cluster, plan, client };
}

export interface Admitted {
  readonly memberID: MemberID;
  /** To be started with. */
  readonly config: EtcdConfig;
  /** Undefined: it is not known. */
  readonly hasVote: boolean | undefined;
}

/** Adds the member where that is still to do. */
export async function admit(
  { plan, cluster, client }: PreparedJoin,
  { config, url, clock }: JoinRequest,
): Promise<Admitted | JoinRefusal> {
  if (plan.kind === "restart") {
    const { memberID, hasVote } = plan;
    return { memberID, config, hasVote };
  }
  const known = (cluster?.members ?? []).map(({ id: ID, peerURLs }) => ({ ID, peerURLs }));
  if (plan.kind === "resume") {
    const { id, isLearner } = plan.member;
    return { memberID: id, config: configFor(config, id, known), hasVote: !isLearner };
  }
  const endMs = clock.nowMs() + HEALTH_WAIT_MS;
  for (;;) {
    try {
      const urls = config.initialAdvertisePeerUrls.map(({ href }) => href);
      const { member, members } = await client.cluster.memberAdd(urls, { isLearner: true });
      const memberID = member?.ID ?? 0n;
      return { memberID, config: configFor(config, memberID, members), hasVote: false };
    } catch (error) {
      if (!(error instanceof EtcdClientError)) throw error;
      if (error.kind !== "unhealthy" || clock.nowMs() > endMs) return explain(error, url);
    }
    await sleep(clock, ASK_AGAIN_MS);
  }
}

function configFor(
  config: EtcdConfig,
  memberID: MemberID,
  members: Parameters<typeof initialClusterFor>[2],
): EtcdConfig {
  return {
    ...config,
    initialClusterState: "existing",
    initialCluster: initialClusterFor(config.name, memberID, members),
    discovery: "",
    discoverySrv: "",
    discoveryToken: "",
    discoveryEndpoints: [],
  };
}

/** The member's own files for clients are those by which it asks the cluster. */
function clientOptions({ config, user }: JoinRequest): EtcdClientOptions {
  const { trustedCaFile, certFile, keyFile, clientCertFile, clientKeyFile } = config;
  const [cert, key] = clientCertFile === "" ? [certFile, keyFile] : [clientCertFile, clientKeyFile];
  const pair = cert === "" ? undefined : readKeyPair(cert, key);
  const [username = "", ...password] = user.split(":");
  const hasTls = pair !== undefined || trustedCaFile !== "";
  return {
    ...(hasTls && {
      tls: {
        ...(pair && { cert: pair.cert, key: pair.key }),
        ...(trustedCaFile !== "" && { ca: readAuthorities(trustedCaFile) }),
      },
    }),
    ...(username !== "" && { credentials: { username, password: password.join(":") } }),
  };
}

/** What `--dry-run` prints. */
export function describePlan({ cluster, plan }: PreparedJoin, config: EtcdConfig): string {
  const urls = config.initialAdvertisePeerUrls.map(({ href }) => href).join(",");
  const members = (cluster?.members ?? []).map(({ id, name, peerURLs, health, isLearner }) => {
    const state = "version" in health ? `answers, version ${health.version}` : health.problem;
    const marks = [id === cluster?.leader ? ", leads" : "", isLearner ? ", no vote" : ""].join("");
    return `  ${formatID(id)} ${name === "" ? "(unstarted)" : name} ${peerURLs.join(",")}: ${state}${marks}`;
  });
  const steps: Readonly<Record<PreparedJoin["plan"]["kind"], string>> = {
    add: `would add ${config.name} at ${urls} as a learner, start it in ${config.dataDir}, and give it a vote when it has caught up`,
    resume: `would start ${config.name} at ${urls}, which was added before, in ${config.dataDir}, and give it a vote when it has caught up`,
    restart: `would start ${config.name} again with its data in ${config.dataDir}`,
  };
  const head =
    cluster === undefined
      ? "the cluster does not answer"
      : `cluster ${formatID(cluster.id)} with ${cluster.members.length} members`;
  return [head, ...members, steps[plan.kind], "nothing was changed", ""].join("\n");
}
