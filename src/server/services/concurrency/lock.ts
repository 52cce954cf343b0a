/** The Lock service (v3lockpb): a lock is held by the first in the line below its name. */
import { LockRequest, LockResponse, UnlockRequest, UnlockResponse } from "../../../api/gen/lock.ts";
import { METHOD } from "../../../api/rpc-table.ts";
import { copyBytes } from "../../../base/bytes.ts";
import type { UnaryCall } from "../../../env/index.ts";
import type { UnaryRows } from "../rows.ts";
import type { Delegate } from "./delegate.ts";
import { join, type Place, waitForTurn } from "./line.ts";
import { Session } from "./session.ts";
import type { WaitingCalls } from "./waiting-calls.ts";

const SESSION_EXPIRED = "mutex: session is expired";

export class LockService {
  readonly unary: UnaryRows = {
    [METHOD.Lock]: (call) => this.lock(call),
    [METHOD.Unlock]: (call) => this.unlock(call),
  };
  readonly #calls: WaitingCalls;

  constructor(calls: WaitingCalls) {
    this.#calls = calls;
  }

  lock(call: UnaryCall): void {
    const request = LockRequest.decode(copyBytes(call.body));
    this.#calls.unary(call, async (delegate) => LockResponse.encode(await lock(delegate, request)));
  }

  unlock(call: UnaryCall): void {
    const { key } = UnlockRequest.decode(copyBytes(call.body));
    this.#calls.unary(call, async (delegate) => {
      const { header } = await delegate.delete(key);
      return UnlockResponse.encode(UnlockResponse.create({ header }));
    });
  }
}

async function lock(delegate: Delegate, { name, lease }: LockRequest): Promise<LockResponse> {
  const session = await Session.open(delegate, lease);
  return session.inLine(
    () => join(delegate, name, session.lease),
    async (place) => {
      const { key, isFirst } = place;
      const header = isFirst ? place.header : await heldSince(delegate, name, place);
      return LockResponse.create({ header, key });
    },
  );
}

/** The lease may have ended while we waited. */
async function heldSince(delegate: Delegate, name: Uint8Array, { key, revision }: Place) {
  await waitForTurn(delegate, name, revision);
  const { header, kvs } = await delegate.range({ key });
  if (kvs[0]?.createRevision !== revision) throw new Error(SESSION_EXPIRED);
  return header;
}
