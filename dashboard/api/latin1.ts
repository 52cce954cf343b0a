/** Keys as latin1 strings, a code unit for each byte, as `src/insight` has them. */
import { shownText } from "./bytes.ts";

/** As all keys are shown. */
export function shownLatin1(text: string): string {
  return shownText(Uint8Array.from(text, (char) => char.charCodeAt(0)));
}
