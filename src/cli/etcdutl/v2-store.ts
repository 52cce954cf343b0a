/** The v2 store's document of a `.snap` file, with the tool's words for one that is none. */
import type { Member } from "../../membership/index.ts";
import * as v2store from "../../v2store/index.ts";
import { UtilityError } from "./deps.ts";

/** The document with `member` as the only member there ever was. Throws `UtilityError`. */
export function withOnlyMember(document: Uint8Array, member: Member): Uint8Array {
  return reading(() => v2store.withOnlyMember(document, member));
}

/** Whether there is anything that users of the v2 API have put there. Throws `UtilityError`. */
export function hasUserContent(document: Uint8Array): boolean {
  return reading(() => v2store.hasUserContent(document));
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UtilityError("failed to recover v2store from snapshot: it is no v2 store");
  }
}
