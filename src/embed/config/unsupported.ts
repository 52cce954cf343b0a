/**
 * Settings that are understood but not yet honoured. A member refuses to start with one of
 * them: a security setting that is silently ignored would be worse than an error.
 *
 * A row leaves this list in the change that implements its feature.
 */
import type { EtcdConfig } from "./config.ts";

interface Row {
  readonly what: string;
  applies(config: EtcdConfig): boolean;
}

const ROWS: readonly Row[] = [
  {
    what: "the v2 API over v3 keys (--experimental-enable-v2v3)",
    applies: (c) => c.enableV2V3 !== "",
  },
];

/** What of this configuration cannot be honoured, in words for an error message. */
export function unsupportedSettings(config: EtcdConfig): string[] {
  return ROWS.filter((row) => row.applies(config)).map((row) => row.what);
}
