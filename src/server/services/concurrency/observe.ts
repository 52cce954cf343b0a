/**
 * Follows an election: tells who leads and what it proclaims, each value of one leader in order.
 * Leaders that came and went before anybody looked are passed over.
 */
import { EtcdError } from "../../../api/errors.ts";
import { Event_EventType, type KeyValue } from "../../../api/gen/kv.ts";
import type { ResponseHeader } from "../../../api/gen/rpc.ts";
import type { Revision } from "../../../base/ids.ts";
import type { Delegate } from "./delegate.ts";
import { firstOf, lineOf } from "./line.ts";

type Tell = (header: ResponseHeader | undefined, kv: KeyValue) => void;

interface Leader {
  readonly header: ResponseHeader | undefined;
  readonly kv: KeyValue;
  /** Where its next values are looked for. */
  readonly next: Revision;
}

/** Never resolves; rejects when the call ends or the caller may not look. */
export async function observe(delegate: Delegate, name: Uint8Array, tell: Tell): Promise<never> {
  for (;;) {
    try {
      const { header, kv, next } = await findLeader(delegate, name);
      tell(header, kv);
      await followLeader(delegate, kv.key, next, tell);
    } catch (error) {
      // What happened meanwhile is forgotten: look again.
      if (!(error instanceof EtcdError && error.kind === "compacted")) throw error;
    }
  }
}

async function findLeader(delegate: Delegate, name: Uint8Array): Promise<Leader> {
  const { header, kvs } = await delegate.range(firstOf(name));
  const [kv] = kvs;
  const next = (header?.revision ?? 0) + 1;
  if (kv !== undefined) return { header, kv, next };
  return delegate.watch({ ...lineOf(name), startRevision: next }, (response) => {
    const put = response.events.find(({ type }) => type === Event_EventType.PUT)?.kv;
    if (put === undefined) return undefined;
    const since = response.header && { ...response.header, revision: put.modRevision };
    return { header: since, kv: put, next: put.modRevision + 1 };
  });
}

/** Until its key is deleted. */
function followLeader(
  delegate: Delegate,
  key: Uint8Array,
  startRevision: Revision,
  tell: Tell,
): Promise<true> {
  return delegate.watch({ key, startRevision }, ({ header, events }) => {
    for (const { type, kv } of events) {
      if (type === Event_EventType.DELETE) return true;
      if (kv !== undefined) tell(header, kv);
    }
    return undefined;
  });
}
