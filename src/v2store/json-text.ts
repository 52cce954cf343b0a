/** Strings in JSON as Go writes them: also what HTML and JavaScript would misread is escaped. */
import { goJSON } from "../membership/index.ts";

/** Most keys and values need no escapes; looking is cheaper than writing. */
const PLAIN = /^[ !#-%'-;=?-[\]-~]*$/;

export function jsonText(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : goJSON(text);
}
