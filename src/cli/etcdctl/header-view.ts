/** The response header in all formats, and views of answers that hold nothing else to show. */
import { ResponseHeader } from "../../api/gen/rpc.ts";
import type { MessageType } from "../../api/message-type.ts";
import { type JsonValue, messageJson } from "./go-json.ts";
import type { Printer, View } from "./view.ts";

export function headerFields(out: Printer, header: ResponseHeader | undefined): void {
  const { clusterId, memberId, revision, raftTerm } = header ?? ResponseHeader.create();
  out.idField("ClusterID", clusterId);
  out.idField("MemberID", memberId);
  // Answers about members and the like have no revision.
  if (revision > 0) out.field("Revision", revision);
  out.field("RaftTerm", raftTerm);
}

/** The header's members, for answers that Go embeds the header in. */
export function headerJson(header: ResponseHeader | undefined): { [name: string]: JsonValue } {
  return header === undefined ? {} : messageJson(ResponseHeader, header);
}

/** What is common to most answers: JSON and protobuf by the message's descriptor. */
export function messageForms<T>(
  type: MessageType<T>,
  message: T,
): { json: () => JsonValue; protobuf: () => Uint8Array } {
  return { json: () => messageJson(type, message), protobuf: () => type.encode(message) };
}

/** An answer of which only the header is of interest, with its words for people. */
export function plainView<T extends { header: ResponseHeader | undefined }>(
  type: MessageType<T>,
  message: T,
  words: string,
): View {
  return {
    simple: (out) => out.line(words),
    fields: (out) => headerFields(out, message.header),
    ...messageForms(type, message),
  };
}
