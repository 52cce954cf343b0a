/**
 * What the calls of one client have in common: its address, its certificate, and the metadata that
 * services ask for. It crosses to the main thread once, and calls name it by a number.
 */
import { assert } from "../../src/base/assert.ts";
import type { Call } from "../../src/env/rpc.ts";
import type { Link } from "./link.ts";
import { type RecordReader, TO_MAIN } from "./records.ts";

/** All that a service of a member asks for; another key is an error, not an absent value. */
const KEYS: readonly string[] = [
  "token",
  "authorization",
  "hasleader",
  "client-api-version",
  "traceparent",
  "tracestate",
];

/** Callers that are remembered: both sides forget all of them when one more comes. */
const MAX_CALLERS = 4_096;

interface KnownCaller {
  readonly id: number;
  readonly values: readonly (string | undefined)[];
}

/** On the thread of connections. */
export class CallerIDs {
  readonly #link: Link;
  readonly #known = new Map<string, KnownCaller>();
  #next = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Tells the main thread of a caller that it does not know. */
  idOf(call: Call): number {
    const known = this.#known.get(call.remote);
    if (known !== undefined && isSame(known.values, call)) return known.id;
    return this.#tell(call);
  }

  #tell(call: Call): number {
    const { out } = this.#link;
    if (this.#next === MAX_CALLERS) {
      this.#known.clear();
      this.#next = 0;
      out.begin(TO_MAIN.forgetCallers, 0);
    }
    const id = this.#next++;
    const values = [call.certificateName, ...KEYS.map((key) => call.metadata(key))];
    this.#known.set(call.remote, { id, values });
    out.begin(TO_MAIN.caller, id);
    out.text(call.remote);
    for (const value of values) {
      out.u32(value === undefined ? 0 : 1);
      if (value !== undefined) out.text(value);
    }
    return id;
  }
}

function isSame(values: readonly (string | undefined)[], call: Call): boolean {
  if (values[0] !== call.certificateName) return false;
  for (let i = 0; i < KEYS.length; i++) {
    if (values[i + 1] !== call.metadata(KEYS[i] as string)) return false;
  }
  return true;
}

/** On the main thread. */
export class Caller {
  readonly remote: string;
  readonly certificateName: string | undefined;
  readonly #values: (string | undefined)[] = [];

  constructor(record: RecordReader) {
    this.remote = record.text();
    const optional = (): string | undefined => (record.u32() === 0 ? undefined : record.text());
    this.certificateName = optional();
    for (let i = 0; i < KEYS.length; i++) this.#values.push(optional());
  }

  metadata(key: string): string | undefined {
    const at = KEYS.indexOf(key);
    assert(at >= 0, `metadata ${key} does not cross threads`);
    return this.#values[at];
  }
}
