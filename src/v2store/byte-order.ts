/** The order in which Go sorts strings: that of their bytes in UTF-8. */
import { compareUtf8 } from "../membership/index.ts";

/** Only where there are surrogates do code units and bytes disagree. */
const SURROGATE = /[\ud800-\udfff]/;

/** Sorts in place. */
export function sortByBytes<T>(items: T[], textOf: (item: T) => string): T[] {
  return items.some((item) => SURROGATE.test(textOf(item)))
    ? items.sort((a, b) => compareUtf8(textOf(a), textOf(b)))
    : items.sort((a, b) => compareUnits(textOf(a), textOf(b)));
}

function compareUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
