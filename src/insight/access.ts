/**
 * May a user read, or write, these keys, and why? The rule is the server's (`src/auth`): the root
 * role may do all; otherwise every key of the span must lie in the union of what the user's roles
 * grant. Here the answer comes with its reason. Runs in the browser too.
 */
import type { KeySpan } from "./key-span.ts";

export interface Grant {
  readonly role: string;
  readonly access: "read" | "write" | "readwrite";
  readonly span: KeySpan;
}

export interface AccessQuestion {
  readonly isAuthEnabled: boolean;
  /** Of the user; undefined when there is no such user. */
  readonly roles: readonly string[] | undefined;
  /** What these roles grant. */
  readonly grants: readonly Grant[];
  readonly access: "read" | "write";
  readonly span: KeySpan;
}

export type AccessAnswer =
  | { readonly allowed: true; readonly because: "authOff" | "root" }
  /** The grants that together hold all keys, in order. */
  | { readonly allowed: true; readonly because: "granted"; readonly by: readonly Grant[] }
  | { readonly allowed: false; readonly because: "noSuchUser" | "noRoles" | "emptyKey" }
  | {
      readonly allowed: false;
      readonly because: "notGranted";
      /** The first key of the span that no grant holds. */
      readonly missing: string;
      /** Grants that hold this key for the other access only. */
      readonly otherAccess: readonly Grant[];
      /** What is granted of the span before the missing key. */
      readonly by: readonly Grant[];
    };

const ROOT_ROLE = "root";

export function explainAccess(question: AccessQuestion): AccessAnswer {
  const { roles, access } = question;
  if (!question.isAuthEnabled) return { allowed: true, because: "authOff" };
  if (roles === undefined) return { allowed: false, because: "noSuchUser" };
  if (roles.includes(ROOT_ROLE)) return { allowed: true, because: "root" };
  if (roles.length === 0) return { allowed: false, because: "noRoles" };
  // No key is empty, so that nothing grants one; the server refuses a span that begins there.
  if (question.span.begin === "") return { allowed: false, because: "emptyKey" };
  const { begin } = question.span;
  // As the server: a span that holds no key is judged by its begin.
  const isEmpty = question.span.end !== "" && question.span.end <= begin;
  const end = isEmpty ? `${begin}\0` : question.span.end;
  const grants = question.grants.filter(({ span }) => span.begin !== "");
  const usable = grants.filter((grant) => grant.access === access || grant.access === "readwrite");
  const by: Grant[] = [];
  for (let reached = begin; ; ) {
    const next = furthest(usable, reached);
    if (next === undefined) {
      const otherAccess = grants.filter(
        (grant) => !usable.includes(grant) && holds(grant.span, reached),
      );
      return { allowed: false, because: "notGranted", missing: reached, otherAccess, by };
    }
    by.push(next);
    reached = next.span.end;
    if (reached === "" || (end !== "" && reached >= end)) {
      return { allowed: true, because: "granted", by };
    }
  }
}

function holds({ begin, end }: KeySpan, key: string): boolean {
  return begin <= key && (end === "" || key < end);
}

/** Of the grants that hold the key, the one that goes on the longest. */
function furthest(grants: readonly Grant[], key: string): Grant | undefined {
  let best: Grant | undefined;
  for (const grant of grants) {
    if (!holds(grant.span, key)) continue;
    const { end } = grant.span;
    if (best === undefined || (best.span.end !== "" && (end === "" || end > best.span.end))) {
      best = grant;
    }
  }
  return best;
}
