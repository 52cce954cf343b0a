/** Refuses a configuration that cannot work; texts as in etcd's raft library. */
import { assert } from "../base/assert.ts";
import { isStorageThread } from "./messages.ts";
import { NO_MEMBER, type RaftConfig } from "./types.ts";

export function checkConfig(config: RaftConfig): void {
  assert(config.id !== NO_MEMBER, "cannot use none as id");
  assert(!isStorageThread(config.id), "cannot use local target as id");
  assert(config.heartbeatTicks > 0, "heartbeat tick must be greater than 0");
  assert(
    config.electionTicks > config.heartbeatTicks,
    "election tick must be greater than heartbeat tick",
  );
  assert(config.maxInflightMsgs > 0, "max inflight messages must be greater than 0");
  assert(
    !config.maxInflightBytes || config.maxInflightBytes >= config.maxSizePerMsgBytes,
    "max inflight bytes must be >= max message size",
  );
  assert(
    config.readOnly !== "leaseBased" || config.checkQuorum === true,
    "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased",
  );
}
