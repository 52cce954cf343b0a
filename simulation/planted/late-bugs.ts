/** Bugs of what was made fast later: quick reads, pieces, slices, direct writes, checkpoints. */
import { Lessor } from "../../src/lease/index.ts";
import { StagedWrite } from "../../src/mvcc/staged-write.ts";
import { WatchStream } from "../../src/mvcc/watch/watch-stream.ts";
import { MemoryStorage } from "../../src/raft/index.ts";
import { KeyValueService } from "../../src/server/services/kv.ts";
import { RangeStreamService } from "../../src/server/services/range-stream.ts";
import { RecordEncoder } from "../../src/wal/record.ts";
import { replaceMethod } from "./patch.ts";

const SERIALIZABLE_FIELD = Buffer.from([0x38, 1]);
const GET_BYTES = 4;

/** A get of one key does not ask whether this member still knows the newest. */
export function plantUnaskedGet(): () => void {
  return replaceMethod(KeyValueService.prototype, "range", (original) => {
    return function (call, who) {
      const isPlain = call.body.length === GET_BYTES;
      const body = isPlain ? Buffer.concat([call.body, SERIALIZABLE_FIELD]) : call.body;
      Object.defineProperty(call, "body", { value: body });
      original.call(this, call, who);
    };
  });
}

/** The second piece of a streamed range is lost. */
export function plantLostPiece(): () => void {
  return replaceMethod(RangeStreamService.prototype, "rangeStream", (original) => {
    return function (call, who) {
      const send = call.send.bind(call);
      let pieces = 0;
      call.send = (...parts) => {
        if (++pieces !== 2) send(...parts);
      };
      original.call(this, call, who);
    };
  });
}

/** Keys of a write that is half made are counted. */
export function plantHalfCounted(): () => void {
  return replaceMethod(StagedWrite.prototype, "correction", () => () => 0);
}

/** A batch that begins within a block forgets what the block had before. */
export function plantForgottenLead(): () => void {
  return replaceMethod(RecordEncoder.prototype, "reset", (original) => {
    return function (crc, lead) {
      original.call(
        this,
        crc,
        lead?.map(() => 0),
      );
    };
  });
}

/** A checkpoint says less than is left. */
export function plantShortCheckpoint(): () => void {
  return replaceMethod(Lessor.prototype, "takeDueCheckpoints", (original) => {
    return function (nowMs) {
      return original.call(this, nowMs).map((due) => ({ ...due, remainingTTL: 1 }));
    };
  });
}

/** Entries that are not applied yet are cut off with those that take too much room. */
export function plantEagerCompaction(): () => void {
  return replaceMethod(MemoryStorage.prototype, "lastBeyond", (original) => {
    return function (maxBytes, last) {
      return original.call(this, maxBytes, last + 2);
    };
  });
}

/** A watch that was cancelled goes on. */
export function plantUndeadWatch(): () => void {
  return replaceMethod(WatchStream.prototype, "cancel", () => () => true);
}
