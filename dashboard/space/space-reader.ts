/** How the survey of space asks a member: small ranges, as the member has them. */
import type { SpaceReader } from "../../src/insight/space.ts";
import type { KeySpan } from "../../src/insight/key-span.ts";
import { latin1 } from "../api/bytes.ts";
import type { EtcdApi } from "../api/etcd-api.ts";
import { type RangeJson, rangeAnswerOf } from "../api/kv.ts";

export function spaceReader(api: EtcdApi, signal: AbortSignal): SpaceReader {
  const ask = async ({ begin, end }: KeySpan, more: object) => {
    const body = {
      key: btoa(begin === "" ? "\0" : begin),
      range_end: btoa(end === "" ? "\0" : end),
      // Figures need no agreement of the cluster.
      serializable: true,
      ...more,
    };
    return rangeAnswerOf(await api.call<RangeJson>("v3/kv/range", body, { signal }));
  };
  return {
    count: async (span) => (await ask(span, { count_only: true })).count,
    page: async (span, limit, keysOnly) => {
      const { kvs } = await ask(span, { limit: String(limit), keys_only: keysOnly });
      return kvs.map(({ key, value, version }) => {
        return { key: latin1(key), valueBytes: value.length, version };
      });
    },
  };
}
