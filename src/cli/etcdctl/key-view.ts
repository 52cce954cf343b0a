/** Views of answers about keys: get, put, del, txn, watch. */
import { Event, Event_EventType, type KeyValue } from "../../api/gen/kv.ts";
import {
  DeleteRangeResponse,
  PutResponse,
  RangeResponse,
  ResponseHeader,
  type ResponseOp,
  TxnResponse,
  WatchResponse,
} from "../../api/gen/rpc.ts";
import { formatLeaseID } from "../../base/go-number.ts";
import { quote } from "../../base/go-quote.ts";
import { messageJson } from "./go-json.ts";
import { headerFields, messageForms } from "./header-view.ts";
import type { Printer, View } from "./view.ts";

function printKeyValue(out: Printer, { key, value }: KeyValue): void {
  const shown = out.hex ? hexBytes : (bytes: Uint8Array) => bytes;
  if (!out.valueOnly) out.bytesLine(shown(key));
  out.bytesLine(shown(value));
}

/** `\x66\x6f`. */
function hexBytes(bytes: Uint8Array): Buffer {
  return Buffer.from(Buffer.from(bytes).toString("hex").replace(/../g, "\\x$&"));
}

function keyValueFields(out: Printer, prefix: string, kv: KeyValue): void {
  out.field(`${prefix}Key`, quote(kv.key));
  out.field(`${prefix}CreateRevision`, kv.createRevision);
  out.field(`${prefix}ModRevision`, kv.modRevision);
  out.field(`${prefix}Version`, kv.version);
  out.field(`${prefix}Value`, quote(kv.value));
  const lease = BigInt.asIntN(64, kv.lease);
  out.field(`${prefix}Lease`, out.hex ? formatLeaseID(lease) : lease);
}

export function getView(response: RangeResponse): View {
  return {
    simple: (out) => {
      for (const kv of response.kvs) printKeyValue(out, kv);
    },
    fields: (out) => {
      headerFields(out, response.header);
      for (const kv of response.kvs) keyValueFields(out, "", kv);
      out.field("More", response.more);
      out.field("Count", response.count);
    },
    ...messageForms(RangeResponse, response),
  };
}

export function putView(response: PutResponse): View {
  const { prevKv } = response;
  return {
    simple: (out) => {
      out.line("OK");
      if (prevKv !== undefined) printKeyValue(out, prevKv);
    },
    fields: (out) => {
      headerFields(out, response.header);
      if (prevKv !== undefined) keyValueFields(out, "Prev", prevKv);
    },
    ...messageForms(PutResponse, response),
  };
}

export function delView(response: DeleteRangeResponse): View {
  return {
    simple: (out) => {
      out.line(String(response.deleted));
      for (const kv of response.prevKvs) printKeyValue(out, kv);
    },
    fields: (out) => {
      headerFields(out, response.header);
      out.field("Deleted", response.deleted);
      for (const kv of response.prevKvs) keyValueFields(out, "Prev", kv);
    },
    ...messageForms(DeleteRangeResponse, response),
  };
}

function operationView({ response }: ResponseOp): View {
  switch (response?.case) {
    case "responseRange":
      return getView(response.value);
    case "responsePut":
      return putView(response.value);
    case "responseDeleteRange":
      return delView(response.value);
    default:
      return { simple: (out) => out.line("unexpected response") };
  }
}

export function txnView(response: TxnResponse): View {
  return {
    simple: (out) => {
      out.line(response.succeeded ? "SUCCESS" : "FAILURE");
      for (const each of response.responses) {
        out.line("");
        operationView(each).simple(out);
      }
    },
    fields: (out) => {
      headerFields(out, response.header);
      out.field("Succeeded", response.succeeded);
      for (const each of response.responses) operationView(each).fields?.(out);
    },
    ...messageForms(TxnResponse, response),
  };
}

export function eventTypeName(event: Event): string {
  return event.type === Event_EventType.DELETE ? "DELETE" : "PUT";
}

/** JSON has the names of Go's client here, not those of the message. */
export function watchView(response: WatchResponse): View {
  const { events } = response;
  return {
    simple: (out) => {
      for (const event of events) {
        out.line(eventTypeName(event));
        if (event.prevKv !== undefined) printKeyValue(out, event.prevKv);
        if (event.kv !== undefined) printKeyValue(out, event.kv);
      }
    },
    fields: (out) => {
      headerFields(out, response.header);
      for (const event of events) {
        out.field("Type", eventTypeName(event));
        if (event.prevKv !== undefined) keyValueFields(out, "Prev", event.prevKv);
        if (event.kv !== undefined) keyValueFields(out, "", event.kv);
      }
    },
    json: () => ({
      Header: messageJson(ResponseHeader, response.header ?? ResponseHeader.create()),
      Events: events.map((event) => messageJson(Event, event)),
      CompactRevision: response.compactRevision,
      Canceled: response.canceled,
      Created: response.created,
    }),
    protobuf: () => WatchResponse.encode(response),
  };
}
