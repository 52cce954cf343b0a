/** A range in pieces: what `RangeStream` sends, put together to what `Range` would answer. */
import { RangeResponse, RangeStreamResponse } from "../../src/api/gen/rpc.ts";
import { METHOD } from "../../src/api/rpc-table.ts";
import type { Member } from "../../src/testing/world/member.ts";
import type { CallResult, Port } from "./port.ts";

/** Share of the clients that do not read for a while. */
const SLOW_SHARE = 0.3;

export function readStream(
  port: Port,
  member: Member,
  body: Uint8Array,
  timeoutMs: number,
): Promise<CallResult> {
  const { world, random } = port;
  const whole = RangeResponse.create();
  return new Promise((resolve) => {
    const message = (piece: Uint8Array): void => {
      const { rangeResponse } = RangeStreamResponse.decode(piece);
      if (rangeResponse === undefined) return;
      const { header, kvs, more, count } = rangeResponse;
      world.count("range piece");
      whole.kvs.push(...kvs);
      whole.header ??= header;
      if (count > 0) whole.count = count;
      whole.more = more;
    };
    const end = (reason: string): void => {
      timeout.cancel();
      if (reason === "") resolve({ kind: "reply", body: RangeResponse.encode(whole) });
      else if (reason === "connection lost") resolve({ kind: "unknown", reason });
      else resolve({ kind: "failure", code: 0, message: reason });
    };
    const stream = port.open(member, METHOD.RangeStream, { message, end });
    const timeout = world.scheduler.at(timeoutMs, "client", undefined, () => {
      stream?.close();
      resolve({ kind: "unknown", reason: "timeout" });
    });
    if (stream === undefined) {
      timeout.cancel();
      resolve({ kind: "refused" });
      return;
    }
    if (random.chance(SLOW_SHARE)) {
      stream.stall();
      world.scheduler.at(random.between(1, timeoutMs / 2), "client", undefined, () =>
        stream.read(),
      );
    }
    stream.send(body);
  });
}
