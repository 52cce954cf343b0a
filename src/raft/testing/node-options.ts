/** Options of the `add-nodes` command: raft settings, and the snapshot that members start from. */
import type { Snapshot } from "../../api/gen/raft.ts";
import { bytesFromUtf8, EMPTY_BYTES } from "../../base/bytes.ts";
import { emptyConfState, newSnapshot } from "../storage.ts";
import type { RaftConfig } from "../types.ts";
import type { TranscriptCommand } from "./datadriven.ts";

type NodeOptions = Omit<RaftConfig, "id" | "storage" | "logger">;

export interface ParsedNodeOptions {
  readonly options: NodeOptions;
  readonly snapshot: Snapshot;
  /** The members start with a configuration, log position or content. */
  readonly bootstrap: boolean;
}

/** Always the smallest timeout: transcripts that depend on another one say so. */
const SHORTEST_TIMEOUT = { below: () => 0, fill: (target: Uint8Array) => target };

export function parseNodeOptions(command: TranscriptCommand): ParsedNodeOptions {
  const options: NodeOptions = {
    electionTicks: 3,
    heartbeatTicks: 1,
    maxSizePerMsgBytes: Number.POSITIVE_INFINITY,
    maxInflightMsgs: 2 ** 31 - 1,
    random: SHORTEST_TIMEOUT,
  };
  const confState = emptyConfState();
  let index = 0;
  let data = EMPTY_BYTES;
  let bootstrap = false;
  for (const { key, values } of command.args.slice(1)) {
    const value = values[0] ?? "";
    switch (key) {
      case "voters":
        confState.voters = values.map(BigInt);
        bootstrap = true;
        break;
      case "learners":
        confState.learners = values.map(BigInt);
        bootstrap = true;
        break;
      case "index":
        index = Number(value);
        options.applied = index;
        bootstrap = true;
        break;
      case "content":
        data = bytesFromUtf8(value);
        bootstrap = true;
        break;
      default:
        setOption(options, key, value);
    }
  }
  const term = bootstrap ? 1 : 0;
  return { options, snapshot: newSnapshot(index, term, confState, data), bootstrap };
}

function setOption(options: NodeOptions, key: string, value: string): void {
  const isTrue = value === "true";
  switch (key) {
    case "inflight":
      options.maxInflightMsgs = Number(value);
      break;
    case "inflight-bytes":
      options.maxInflightBytes = Number(value);
      break;
    case "max-size-per-msg":
      options.maxSizePerMsgBytes = Number(value);
      break;
    case "max-committed-size-per-ready":
      options.maxCommittedSizePerReadyBytes = Number(value);
      break;
    case "max-uncommitted-size":
      options.maxUncommittedSizeBytes = Number(value);
      break;
    case "async-storage-writes":
      options.asyncStorageWrites = isTrue;
      break;
    case "prevote":
      options.preVote = isTrue;
      break;
    case "checkquorum":
      options.checkQuorum = isTrue;
      break;
    case "disable-conf-change-validation":
      options.disableConfChangeValidation = isTrue;
      break;
    case "disable-proposal-forwarding":
      options.disableProposalForwarding = isTrue;
      break;
    case "step-down-on-removal":
      options.stepDownOnRemoval = isTrue;
      break;
    case "read-only":
      options.readOnly = value === "lease-based" ? "leaseBased" : "safe";
      break;
    default:
      throw new Error(`add-nodes: unknown option ${key}`);
  }
}
