/**
 * Asks a member that is cut off for what only a quorum can give. It is asked past the proxies and
 * only after the others have a leader of a later term, so that no answer can be from before.
 */
import { pause, type Cluster } from "./cluster.ts";
import type { Member } from "./member.ts";
import type { Recorder } from "./recorder.ts";

/** Elections that the others may need. */
const ELECTION_WAIT_MS = 20_000;
const PROBE_TIMEOUT_MS = 800;
const PROBES = 3;

export interface MinorityAnswer {
  readonly probes: number;
  /** Descriptions of what it must not have answered. */
  readonly served: readonly string[];
}

export async function probeMinority(
  cluster: Cluster,
  member: Member,
  recorder: Recorder,
): Promise<MinorityAnswer> {
  const others = cluster.others(member);
  const isQuorum = others.length * 2 > cluster.members.length;
  if (!isQuorum) return { probes: 0, served: [] };
  // What it had under way with the others has arrived, or never will.
  await pause(100);
  await cluster.until("the majority has a leader", ELECTION_WAIT_MS, async () => {
    const leader = await cluster.leader(others);
    return leader !== undefined && leader !== member;
  });
  const client = cluster.admin(member);
  const options = { timeoutMs: PROBE_TIMEOUT_MS };
  const served: string[] = [];
  for (let probe = 0; probe < PROBES; probe++) {
    const requests = [
      { kind: "put", key: "minority", value: `${member.name}-${performance.now()}` },
      { kind: "get", key: "minority" },
    ] as const;
    const answers = await Promise.all(
      requests.map((request) => recorder.run(client, -3, member.name, request, options)),
    );
    for (const { outcome, request } of answers) {
      if (outcome.kind === "ok") served.push(`${member.name} alone served a ${request.kind}`);
    }
  }
  return { probes: PROBES * 2, served };
}
