/** Views of answers about leases. */
import {
  type LeaseGrantResponse,
  type LeaseKeepAliveResponse,
  type LeaseLeasesResponse,
  LeaseRevokeResponse,
  type LeaseTimeToLiveResponse,
  ResponseHeader,
} from "../../api/gen/rpc.ts";
import type { LeaseID } from "../../base/ids.ts";
import { formatLeaseID } from "../../base/go-number.ts";
import { quote } from "../../base/go-quote.ts";
import { headerFields, headerJson, plainView } from "./header-view.ts";
import type { Printer, View } from "./view.ts";

function leaseField(out: Printer, id: LeaseID): void {
  out.field("ID", out.hex ? formatLeaseID(id) : BigInt.asIntN(64, id));
}

/** Go's client embeds the header in these answers, and protobuf output is the header alone. */
function headerBytes(header: ResponseHeader | undefined): Uint8Array {
  return ResponseHeader.encode(header ?? ResponseHeader.create());
}

export function grantView(response: LeaseGrantResponse): View {
  const { ID, TTL, header } = response;
  return {
    simple: (out) => out.line(`lease ${formatLeaseID(ID)} granted with TTL(${TTL}s)`),
    fields: (out) => renewalFields(out, response),
    json: () => ({ ...headerJson(header), ID: BigInt.asIntN(64, ID), TTL, Error: response.error }),
    protobuf: () => headerBytes(header),
  };
}

export function revokeView(id: LeaseID, response: LeaseRevokeResponse): View {
  return plainView(LeaseRevokeResponse, response, `lease ${formatLeaseID(id)} revoked`);
}

function renewalFields(
  out: Printer,
  { header, ID, TTL }: LeaseGrantResponse | LeaseKeepAliveResponse,
): void {
  headerFields(out, header);
  leaseField(out, ID);
  out.field("TTL", TTL);
}

export function keepAliveView(response: LeaseKeepAliveResponse): View {
  const { ID, TTL, header } = response;
  return {
    simple: (out) => out.line(`lease ${formatLeaseID(ID)} keepalived with TTL(${TTL})`),
    fields: (out) => renewalFields(out, response),
    json: () => ({ ...headerJson(header), ID: BigInt.asIntN(64, ID), TTL }),
    protobuf: () => headerBytes(header),
  };
}

export function timeToLiveView(response: LeaseTimeToLiveResponse, withKeys: boolean): View {
  const { ID, TTL, grantedTTL, keys, header } = response;
  return {
    simple: (out) => {
      if (grantedTTL === 0 && TTL === -1) {
        out.line(`lease ${formatLeaseID(ID)} already expired`);
        return;
      }
      const text = `lease ${formatLeaseID(ID)} granted with TTL(${grantedTTL}s), remaining(${TTL}s)`;
      if (!withKeys) {
        out.line(text);
        return;
      }
      const joined = keys.flatMap((key, i) => (i === 0 ? [key] : [Buffer.from(" "), key]));
      out.bytesLine(
        Buffer.concat([Buffer.from(`${text}, attached keys([`), ...joined, Buffer.from("])")]),
      );
    },
    fields: (out) => {
      headerFields(out, header);
      leaseField(out, ID);
      out.field("TTL", TTL);
      out.field("GrantedTTL", grantedTTL);
      for (const key of keys) out.field("Key", quote(key));
    },
    json: () => ({
      ...headerJson(header),
      id: BigInt.asIntN(64, ID),
      ttl: TTL,
      "granted-ttl": grantedTTL,
      keys: keys.length === 0 ? null : keys,
    }),
    protobuf: () => headerBytes(header),
  };
}

export function leasesView({ header, leases }: LeaseLeasesResponse): View {
  return {
    simple: (out) => {
      out.line(`found ${leases.length} leases`);
      for (const { ID } of leases) out.line(formatLeaseID(ID));
    },
    fields: (out) => {
      headerFields(out, header);
      for (const { ID } of leases) leaseField(out, ID);
    },
    json: () => ({
      ...headerJson(header),
      leases: leases.map(({ ID }) => ({ id: BigInt.asIntN(64, ID) })),
    }),
    protobuf: () => headerBytes(header),
  };
}
