/** The two streams that each member dials at each other member. */
import type { MemberID } from "../../base/ids.ts";
import { AppendDecoder, AppendEncoder } from "./append-codec.ts";
import type { StreamDecoder, StreamEncoder } from "./frame.ts";
import { MessageDecoder, MessageEncoder } from "./message-codec.ts";

export type StreamKind = "msgapp" | "message";

/** As etcd's log names them. */
export const STREAM_NAMES: Readonly<Record<StreamKind, string>> = {
  msgapp: "stream MsgApp v2",
  message: "stream Message",
};

export const STREAM_PREFIX = "/raft/stream";

export function newEncoder(kind: StreamKind): StreamEncoder {
  return kind === "msgapp" ? new AppendEncoder() : new MessageEncoder();
}

export function newDecoder(kind: StreamKind, local: MemberID, remote: MemberID): StreamDecoder {
  return kind === "msgapp" ? new AppendDecoder(local, remote) : new MessageDecoder();
}
