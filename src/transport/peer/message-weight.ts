/** What a waiting message costs in memory, about: cheap to add up, never far below the truth. */
import type { Entry, Message } from "../../api/gen/raft.ts";

const MESSAGE_BYTES = 64;
const ENTRY_BYTES = 32;

export function messageWeight(message: Message): number {
  const { entries } = message;
  let bytes = MESSAGE_BYTES + message.context.length;
  for (let i = 0; i < entries.length; i++) bytes += ENTRY_BYTES + (entries[i] as Entry).data.length;
  return bytes;
}
