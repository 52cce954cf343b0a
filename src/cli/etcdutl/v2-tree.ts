/**
 * The tree of the v2 API inside a `.snap` file: keys of users below "/1", users and roles below "/2",
 * the membership below "/0". Everything that is not looked at stays as it is.
 */
import { encodeV2Document, hasV2UserContent, type Member } from "../../membership/index.ts";
import { UtilityError } from "./deps.ts";

interface Node {
  Children?: Record<string, Node> | null;
}

const CLUSTER = "0";

/** The document with `member` as the only member there ever was. Throws `UtilityError`. */
export function withOnlyMember(text: string, member: Member): string {
  const document = parse(text);
  const cluster = childrenOf(document.Root)[CLUSTER];
  const fresh = JSON.parse(
    encodeV2Document({ members: [member], removedIDs: [], version: undefined }),
  );
  const children = childrenOf(cluster);
  const { removed_members: _, ...others } = children;
  const { members } = childrenOf(childrenOf(fresh.Root)[CLUSTER]);
  if (cluster === undefined || members === undefined) throw malformed();
  cluster.Children = { ...others, members };
  return JSON.stringify(document);
}

/** Whether there is anything that users of the v2 API have put there. Throws `UtilityError`. */
export function hasUserContent(text: string): boolean {
  try {
    return hasV2UserContent(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw malformed();
  }
}

function parse(text: string): { Root: Node } {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw malformed();
  }
  if (typeof document !== "object" || document === null || !("Root" in document)) throw malformed();
  return document as { Root: Node };
}

function childrenOf(node: Node | undefined): Record<string, Node> {
  return node?.Children ?? {};
}

function malformed(): UtilityError {
  return new UtilityError("failed to recover v2store from snapshot: it is no v2 store");
}
