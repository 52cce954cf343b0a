/**
 * Entries that another member wants in the log. What cannot be decoded, or not be applied by every
 * member, must not get there: the log keeps it, and a member that meets it while applying stops, at
 * each start again.
 */
import { errorMessage } from "../../base/error-message.ts";
import type { Request } from "../../api/gen/etcdserver.ts";
import { ConfChange, ConfChangeType, type Entry, EntryType } from "../../api/gen/raft.ts";
import { utf8FromBytes } from "../../base/bytes.ts";
import { confChangeContextFromJSON, memberFromJSON } from "../../membership/index.ts";
import { isReservedID } from "../../raft/index.ts";
import { refuseUserData } from "../../v2store/index.ts";
import { decodeEntryRequest } from "../log/entry-request.ts";
import type { ProposedEntry } from "../log/proposals.ts";
import { RaftField } from "../log/raft-request.ts";
import { objectionToRequest } from "./request-objections.ts";

/** What this member takes that others may refuse. */
export interface EntryRules {
  /** Data of users of the v2 API. */
  readonly servesV2: boolean;
}

/** Decodes the entry, which then carries its request. Undefined when it may be appended. */
export function objectionToEntry(entry: Entry, rules: EntryRules): string | undefined {
  try {
    switch (entry.type) {
      case EntryType.EntryNormal:
        return entry.data.length === 0 ? undefined : objectionToNormal(entry, rules);
      case EntryType.EntryConfChange:
        return objectionToConfChange(ConfChange.decode(entry.data));
      default:
        return `entries of type ${entry.type} are not used between members`;
    }
  } catch (error) {
    // Whatever decoders say of foreign bytes.
    return errorMessage(error);
  }
}

function objectionToNormal(entry: ProposedEntry, { servesV2 }: EntryRules): string | undefined {
  const decoded = decodeEntryRequest(entry.data);
  if (decoded.field === RaftField.v2 && !servesV2) refuseUserData(decoded.request as Request);
  const objection = objectionToRequest(decoded.field, decoded.request);
  if (objection === undefined) entry.decoded = decoded;
  return objection;
}

function objectionToConfChange({ type, nodeId, context }: ConfChange): string | undefined {
  if (isReservedID(nodeId)) return "a membership change of no member";
  switch (type) {
    case ConfChangeType.ConfChangeAddNode:
    case ConfChangeType.ConfChangeAddLearnerNode: {
      const { member } = confChangeContextFromJSON(utf8FromBytes(context));
      return member.id === nodeId ? undefined : "a membership change of two members";
    }
    case ConfChangeType.ConfChangeUpdateNode:
      memberFromJSON(utf8FromBytes(context));
      return undefined;
    case ConfChangeType.ConfChangeRemoveNode:
      return undefined;
    default:
      return `unknown conf change type ${type}`;
  }
}
