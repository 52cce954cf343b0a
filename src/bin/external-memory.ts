/**
 * Has V8 count memory outside its heap in the limit at which it collects, instead of collecting the
 * whole heap for every 64 MB of it: values of a megabyte come and go by the dozen.
 */
import { setFlagsFromString } from "node:v8";

/** The one release line of V8 (Node 24) that has the flag; others print a complaint about it. */
const MAJOR_WITH_FLAG = 13;

/** To be called before the heap grows. `v8Version` is as in `process.versions`. */
export function countExternalMemory(v8Version: string): void {
  if (Number.parseInt(v8Version, 10) !== MAJOR_WITH_FLAG) return;
  setFlagsFromString("--external-memory-accounted-in-global-limit");
}
