/**
 * The consensus core: raft as in the paper and thesis, with etcd's extensions, as a pure function
 * of ticks and messages. It never touches disk, network, clock or state machine; its caller does.
 *
 * The caller's duties, synchronous mode. Whenever `hasReady()`:
 *
 * 1. Take `ready()`.
 * 2. Persist `snapshot`, then `entries` (they replace whatever is stored from their first index
 *    on), then `hardState`, in the log and in the `RaftStorage`; fsync if `mustSync`.
 * 3. Send `messages`, after step 2. (A leader's appends may go out while step 2 is running: they
 *    promise nothing about this member. All other kinds must wait.) A send that fails is reported
 *    by `reportUnreachable`, the end of a MsgSnap by `reportSnapshot`.
 * 4. Restore from `snapshot` and apply `committedEntries`, in order; for membership changes call
 *    `applyConfChange`, or drop them by applying a change whose node ID is 0.
 * 5. Call `advance()`. Only now may `ready()` be called again.
 *
 * And always: `tick()` at even intervals, `step()` for each message from a peer.
 *
 * Asynchronous mode (`asyncStorageWrites`) has no `advance`, and Ready batches may overlap:
 *
 * 1. Take `ready()`. Send its messages at once, by address: to peers over the network, to
 *    APPEND_THREAD and APPLY_THREAD as described below. Read and soft states are as before;
 *    `entries`, `hardState`, `snapshot` and `committedEntries` repeat what the messages say.
 * 2. The append thread takes MsgStorageAppend messages in order: persist `snapshot`, `entries` and,
 *    if any of term, vote and commit is set, these as the hard state. When that is durable, deliver
 *    `responses`: to this node by `step()`, to others over the network. Without responses it need
 *    not be durable.
 * 3. The apply thread takes MsgStorageApply messages in order: apply `entries` (membership changes
 *    as above), then deliver `responses` by `step()`.
 *
 * The two threads may proceed independently; neither may skip, repeat or reorder.
 */
export { type AnyConfChange, confChangeOf } from "./confchange/conf-change.ts";
export { isReservedID, newEntry, newMessage } from "./messages.ts";
export { type BasicStatus, RawNode, type Status } from "./raw-node.ts";
export { emptyConfState, MemoryStorage, newSnapshot } from "./storage.ts";
export type { TrackerConfig } from "./tracker.ts";
export {
  APPEND_THREAD,
  APPLY_THREAD,
  NO_MEMBER,
  type ProposeResult,
  type RaftConfig,
  type RaftError,
  type RaftLogger,
  type RaftLogLevel,
  type RaftStorage,
  type ReadOnlyMode,
  type ReadState,
  type Ready,
  type RoleName,
  type SoftState,
  type StepResult,
} from "./types.ts";
