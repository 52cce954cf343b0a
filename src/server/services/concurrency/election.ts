/** The Election service (v3electionpb): the first in the line below a name leads. */
import {
  CampaignRequest,
  CampaignResponse,
  type LeaderKey,
  LeaderRequest,
  LeaderResponse,
  ProclaimRequest,
  ProclaimResponse,
  ResignRequest,
  ResignResponse,
} from "../../../api/gen/election.ts";
import type { ResponseHeader } from "../../../api/gen/rpc.ts";
import { METHOD } from "../../../api/rpc-table.ts";
import { copyBytes, equalBytes } from "../../../base/bytes.ts";
import type { StreamCall, UnaryCall } from "../../../env/index.ts";
import { decodeOrEnd } from "../reply.ts";
import type { StreamRows, UnaryRows } from "../rows.ts";
import type { Delegate } from "./delegate.ts";
import { createdAt, firstOf, join, leave, type Place, putOp, waitForTurn } from "./line.ts";
import { observe } from "./observe.ts";
import { Session } from "./session.ts";
import type { WaitingCalls } from "./waiting-calls.ts";

const NOT_LEADER = "election: not leader";
const NO_LEADER = "election: no leader";
const MISSING_LEADER_KEY = '"leader" field must be provided';

export class ElectionService {
  readonly unary: UnaryRows = {
    [METHOD.Campaign]: (call) => this.campaign(call),
    [METHOD.Proclaim]: (call) => this.proclaim(call),
    [METHOD.Leader]: (call) => this.leader(call),
    [METHOD.Resign]: (call) => this.resign(call),
  };
  readonly stream: StreamRows = { [METHOD.Observe]: (call) => this.observe(call) };
  readonly #calls: WaitingCalls;

  constructor(calls: WaitingCalls) {
    this.#calls = calls;
  }

  campaign(call: UnaryCall): void {
    const request = CampaignRequest.decode(copyBytes(call.body));
    this.#calls.unary(call, async (delegate) =>
      CampaignResponse.encode(await campaign(delegate, request)),
    );
  }

  proclaim(call: UnaryCall): void {
    const { leader, value } = ProclaimRequest.decode(copyBytes(call.body));
    this.#calls.unary(call, async (delegate) => {
      if (leader === undefined) throw new Error(MISSING_LEADER_KEY);
      const { lease } = await Session.open(delegate, leader.lease);
      const header = await proclaim(delegate, { ...leader, lease }, value);
      return ProclaimResponse.encode(ProclaimResponse.create({ header }));
    });
  }

  leader(call: UnaryCall): void {
    const { name } = LeaderRequest.decode(copyBytes(call.body));
    this.#calls.unary(call, async (delegate) => {
      const { header, kvs } = await delegate.range(firstOf(name));
      const [kv] = kvs;
      if (kv === undefined) throw new Error(NO_LEADER);
      return LeaderResponse.encode(LeaderResponse.create({ header, kv }));
    });
  }

  resign(call: UnaryCall): void {
    const { leader } = ResignRequest.decode(copyBytes(call.body));
    this.#calls.unary(call, async (delegate) => {
      if (leader === undefined) throw new Error(MISSING_LEADER_KEY);
      const header = await leave(delegate, leader.key, leader.rev);
      return ResignResponse.encode(ResignResponse.create({ header }));
    });
  }

  observe(call: StreamCall): void {
    call.onMessage = (message) => {
      call.onMessage = undefined;
      const end = (code: number, text: string): void => call.finish(code, text);
      const request = decodeOrEnd(LeaderRequest, copyBytes(message), end);
      if (request === undefined) return;
      this.#calls.stream(call, (delegate) =>
        observe(delegate, request.name, (header, kv) => {
          call.send(LeaderResponse.encode(LeaderResponse.create({ header, kv })));
        }),
      );
    };
  }
}

/** A lease that stands in line already gets the new value, at its place. */
async function campaign(
  delegate: Delegate,
  { name, lease, value }: CampaignRequest,
): Promise<CampaignResponse> {
  const session = await Session.open(delegate, lease);
  return session.inLine(
    () => join(delegate, name, session.lease, value),
    async ({ header, key, revision, existing, isFirst }: Place) => {
      const leader = { name, key, rev: revision, lease: session.lease };
      if (existing !== undefined && !equalBytes(existing.value, value)) {
        await proclaim(delegate, leader, value);
      }
      if (!isFirst) await waitForTurn(delegate, name, revision);
      return CampaignResponse.create({ header, leader });
    },
  );
}

async function proclaim(
  delegate: Delegate,
  { key, rev, lease }: LeaderKey,
  value: Uint8Array,
): Promise<ResponseHeader | undefined> {
  const { header, succeeded } = await delegate.txn({
    compare: [createdAt(key, rev)],
    success: [putOp({ key, value, lease })],
  });
  if (!succeeded) throw new Error(NOT_LEADER);
  return header;
}
