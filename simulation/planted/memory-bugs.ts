/** Bugs of memory that is used again, and of calls that nobody ends. */
import { ByteSlabs } from "../../src/base/byte-slabs.ts";
import { SettledEntries } from "../../src/raft/settled-entries.ts";
import { Proposals } from "../../src/server/log/proposals.ts";
import { KeyValueService } from "../../src/server/services/kv.ts";
import { replaceMethod } from "./patch.ts";

/** Views of slabs are not noted: the memory is used again while somebody has them. */
export function plantUnnotedViews(): () => void {
  return replaceMethod(ByteSlabs.prototype, "lend", () => {
    return function (index) {
      this.locate(index);
    };
  });
}

/** An entry for a follower comes from the slab of another chunk. */
export function plantForgottenEntries(): () => void {
  return replaceMethod(SettledEntries.prototype, "compact", (original) => {
    return function (index) {
      original.call(this, index + 2);
    };
  });
}

/** Writes go into the log in the body that was only lent for the turn. */
export function plantKeptBody(): () => void {
  return replaceMethod(Proposals.prototype, "build", (original) => {
    return function (field, body, identity) {
      return original.call(this, field, body, identity, true);
    };
  });
}

/** A read whose client has gone is forgotten: it counts for ever. */
export function plantForgottenCall(): () => void {
  return replaceMethod(KeyValueService.prototype, "range", (original) => {
    return function (call, who) {
      const fail = call.fail.bind(call);
      call.fail = (code, message) => {
        if (!call.cancelled) fail(code, message);
      };
      original.call(this, call, who);
    };
  });
}
