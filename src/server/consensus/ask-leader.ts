/**
 * Work that only the leader can do, asked for at any member: done here when this member leads, else
 * forwarded over the peers' HTTP API, and tried again until there is an answer or no time is left.
 */
import { EtcdError } from "../../api/errors.ts";
import { type MemberID, formatID } from "../../base/ids.ts";
import { PeerRequestError } from "../../env/index.ts";
import type { Member } from "../../membership/index.ts";
import type { ServerContext } from "../context.ts";
import { requestTimeoutMs } from "../options.ts";
import { pause } from "./pause.ts";

/** Between two rounds, so that a connection that fails at once is not hammered. */
const RETRY_PAUSE_MS = 50;

/** Both may reject with the final answer, and give undefined when it is worth to try again. */
export interface LeaderWork<T> {
  /** This member leads. */
  readonly here: () => Promise<T | undefined>;
  /** Asks the leader at one of its peer URLs; `PeerRequestError` means to try again. */
  readonly there: (url: string, timeoutMs: number) => Promise<T | undefined>;
}

export type AskLeaderNeeds = RequestTimeNeeds &
  Pick<ServerContext, "cluster" | "leader" | "logger" | "memberID" | "stopSignal">;

export type RequestTimeNeeds = Pick<ServerContext, "clock" | "options">;

/**
 * Rejects with `timeout` at the deadline, with `noLeader` when no leader was found until then, with
 * `stopped`, or with what the work rejects with.
 */
export async function askLeader<T>(
  server: AskLeaderNeeds,
  work: LeaderWork<T>,
  deadlineMs: number = requestDeadlineMs(server),
): Promise<T> {
  const { clock, stopSignal, logger } = server;
  while (clock.nowMs() < deadlineMs) {
    const leader = await waitForLeader(server, deadlineMs);
    if (leader.id === server.memberID) {
      const answer = await work.here();
      if (answer !== undefined) return answer;
    } else {
      for (const url of leader.peerURLs) {
        const timeoutMs = deadlineMs - clock.nowMs();
        if (timeoutMs <= 0) break;
        try {
          const answer = await work.there(url, timeoutMs);
          if (answer !== undefined) return answer;
        } catch (error) {
          if (!(error instanceof PeerRequestError)) throw error;
          logger.debug("failed to ask the leader", { leader: formatID(leader.id), url, error });
        }
      }
    }
    await pause(clock, RETRY_PAUSE_MS, stopSignal);
  }
  throw new EtcdError("timeout");
}

/** When a request that comes now has had its time. */
export function requestDeadlineMs({ clock, options }: RequestTimeNeeds): number {
  return clock.nowMs() + requestTimeoutMs(options);
}

async function waitForLeader(server: AskLeaderNeeds, deadlineMs: number): Promise<Member> {
  const { clock, stopSignal, options } = server;
  const electionMs = options.electionTicks * options.heartbeatIntervalMs;
  for (;;) {
    if (stopSignal.aborted) throw new EtcdError("stopped");
    const leader = memberToAsk(server, server.leader);
    if (leader !== undefined) return leader;
    const leftMs = deadlineMs - clock.nowMs();
    if (leftMs <= 0) throw new EtcdError("noLeader");
    await pause(clock, Math.min(electionMs, leftMs), stopSignal);
  }
}

function memberToAsk({ cluster }: AskLeaderNeeds, id: MemberID): Member | undefined {
  const member = cluster.member(id);
  if (member !== undefined && member.peerURLs.length === 0) throw new EtcdError("noLeader");
  return member;
}
