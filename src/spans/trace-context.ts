/** Which trace a call belongs to: the caller's, from its `traceparent` (W3C Trace Context). */

export interface TraceContext {
  /** 16 bytes, not all zero. */
  readonly traceID: Uint8Array;
  /** 8 bytes, not all zero: the caller's span. */
  readonly spanID: Uint8Array;
  /** The caller records its part of the trace. */
  readonly isSampled: boolean;
  /** What tracing systems say to each other; passed on. */
  readonly state: string;
}

const PATTERN = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/s;
const INVALID_VERSION = "ff";
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);
const SAMPLED = 1;
/** Sampled, and "random"; a first version has no others. */
const KNOWN_FLAGS = 3;

/** Entries of one `tracestate`, and the characters that every system must pass on. */
const MAX_STATE_ENTRIES = 32;
const MAX_STATE_CHARS = 512;
const STATE_ENTRY =
  /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** Undefined when there is none, or none that can be understood. */
export function parseTraceContext(
  parent: string | undefined,
  state: string | undefined,
): TraceContext | undefined {
  if (parent === undefined) return undefined;
  const match = PATTERN.exec(parent);
  if (match === null) return undefined;
  const [, version = "", traceID = "", spanID = "", flagsText = "", rest] = match;
  const flags = Number.parseInt(flagsText, 16);
  if (version === INVALID_VERSION || traceID === NO_TRACE || spanID === NO_SPAN) return undefined;
  // What a later version adds is its own business.
  if (version === "00" && (rest !== undefined || flags > KNOWN_FLAGS)) return undefined;
  return {
    traceID: Buffer.from(traceID, "hex"),
    spanID: Buffer.from(spanID, "hex"),
    isSampled: (flags & SAMPLED) !== 0,
    state: checkedState(state),
  };
}

/** A state that breaks the rules is as none; the trace is what it is without. */
function checkedState(state: string | undefined): string {
  if (state === undefined || state.length > MAX_STATE_CHARS) return "";
  const entries = state
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  if (entries.length > MAX_STATE_ENTRIES) return "";
  if (!entries.every((entry) => STATE_ENTRY.test(entry))) return "";
  const keys = new Set(entries.map((entry) => entry.slice(0, entry.indexOf("="))));
  return keys.size === entries.length ? entries.join(",") : "";
}
