/** Loads on long-lived calls: watchers of one key, and leases that are kept alive. */
import {
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  WatchCreateRequest,
  WatchRequest,
} from "../../src/api/gen/rpc.ts";
import { Histogram } from "./histogram.ts";
import type { KeepAliveJob, LoadResult, WatchJob } from "./jobs.ts";
import { LoadConnection } from "./load-connection.ts";
import { MessageCutter } from "./message-cutter.ts";
import { dataFrame, headersFrame, keyOf, requestTemplates } from "./requests.ts";
import { type WatchNews, scanWatchResponse } from "./watch-scan.ts";

const LEASE_TTL_SECONDS = 3600;
const FIRST_LEASE_ID = 0x1000;

/** Latencies are from the put to the last watcher's event; operations are events. */
export async function runWatch(job: WatchJob): Promise<LoadResult> {
  const histogram = new Histogram();
  const connections: LoadConnection[] = [];
  const put = requestTemplates({ kind: "put", valueBytes: job.valueBytes });
  const keys = job.keys ?? 1;
  let nextKey = 0;
  const { promise: ended, resolve: finish } = withResolvers<Error | undefined>();
  let created = 0;
  let events = 0;
  let pending = 0;
  let errors = 0;
  let sentMs = 0;
  let startMs = 0;
  let isStopped = false;

  const writer = new LoadConnection(job.port, {
    onEnd: (_, status) => {
      if (status !== 0) errors++;
    },
    onClose: finish,
  });
  connections.push(writer);
  const putNext = (): void => {
    if (isStopped) return;
    const key = nextKey++ % keys;
    pending = Math.ceil((job.watchers - key) / keys);
    sentMs = performance.now();
    writer.call(put, key);
  };
  const onResponse = (news: WatchNews, nowMs: number): void => {
    if (news.created && ++created === job.watchers) {
      startMs = nowMs;
      setTimeout(() => finish(undefined), job.seconds * 1000);
      putNext();
    }
    events += news.events;
    pending -= news.events;
    if (news.events > 0 && pending === 0) {
      histogram.record(nowMs - sentMs);
      putNext();
    }
  };
  for (let i = 0; i < job.connections; i++) {
    const watched: number[] = [];
    for (let n = i; n < job.watchers; n += job.connections) watched.push(n % keys);
    connections.push(openWatchers(job.port, watched, onResponse, finish));
  }
  const error = await ended;
  isStopped = true;
  for (const connection of connections) connection.close();
  if (error !== undefined) throw error;
  const seconds = (performance.now() - startMs) / 1000;
  return { operations: events, errors, seconds, latency: histogram.summary() };
}

function openWatchers(
  port: number,
  keys: readonly number[],
  onResponse: (news: WatchNews, nowMs: number) => void,
  onClose: (error: Error) => void,
): LoadConnection {
  const cutter = new MessageCutter((bytes, start, end, nowMs) =>
    onResponse(scanWatchResponse(bytes, start, end), nowMs),
  );
  const connection = new LoadConnection(port, {
    onData: (_, chunk, start, end, nowMs) => cutter.push(chunk, start, end, nowMs),
    onEnd: (_, status) => onClose(new Error(`a watch stream ended with status ${status}`)),
    onClose,
  });
  const stream = connection.open(headersFrame("/etcdserverpb.Watch/Watch"));
  for (const key of keys) {
    const value = WatchCreateRequest.create({ key: keyOf(key) });
    const create = WatchRequest.create({ requestUnion: { case: "createRequest", value } });
    connection.message(stream, dataFrame(WatchRequest.encode(create), false));
  }
  return connection;
}

/** Operations are answered keep-alives. */
export async function runKeepAlive(job: KeepAliveJob): Promise<LoadResult> {
  const histogram = new Histogram();
  const { promise: ended, resolve: finish } = withResolvers<Error | undefined>();
  const connections: LoadConnection[] = [];
  const startMs = performance.now();
  let isStopped = false;
  const onAnswer = (ms: number): boolean => {
    if (!isStopped) histogram.record(ms);
    return !isStopped;
  };
  for (let i = 0; i < job.connections; i++) {
    const ids = Array.from({ length: job.streams }, (_, k) => FIRST_LEASE_ID + i * job.streams + k);
    connections.push(keepLeasesAlive(job.port, ids, onAnswer, finish));
  }
  setTimeout(() => finish(undefined), job.seconds * 1000);
  const error = await ended;
  isStopped = true;
  for (const connection of connections) connection.close();
  if (error !== undefined) throw error;
  const seconds = (performance.now() - startMs) / 1000;
  const latency = histogram.summary();
  return { operations: latency.count, errors: 0, seconds, latency };
}

/** Grants each lease, then keeps it alive on a stream of its own until `onAnswer` says no. */
function keepLeasesAlive(
  port: number,
  ids: readonly number[],
  onAnswer: (ms: number) => boolean,
  onClose: (error: Error) => void,
): LoadConnection {
  /** Leases by the stream of their grant, and what answers on other streams are for. */
  const grants = new Map<number, number>();
  const receivers = new Map<number, MessageCutter>();
  const connection = new LoadConnection(port, {
    onData: (stream, chunk, start, end, nowMs) =>
      receivers.get(stream)?.push(chunk, start, end, nowMs),
    onEnd: (stream, status) => {
      const id = grants.get(stream);
      if (id === undefined || status !== 0) onClose(new Error(`lease call: status ${status}`));
      else keepAlive(id);
    },
    onClose,
  });
  const keepAlive = (id: number): void => {
    const request = LeaseKeepAliveRequest.create({ ID: BigInt(id) });
    const frame = dataFrame(LeaseKeepAliveRequest.encode(request), false);
    const stream = connection.open(headersFrame("/etcdserverpb.Lease/LeaseKeepAlive"));
    let sentMs = performance.now();
    const cutter = new MessageCutter((_bytes, _start, _end, nowMs) => {
      const isWanted = onAnswer(nowMs - sentMs);
      sentMs = nowMs;
      if (isWanted) connection.message(stream, frame);
    });
    receivers.set(stream, cutter);
    connection.message(stream, frame);
  };
  for (const id of ids) {
    const grant = LeaseGrantRequest.create({ ID: BigInt(id), TTL: LEASE_TTL_SECONDS });
    const stream = connection.open(headersFrame("/etcdserverpb.Lease/LeaseGrant"));
    grants.set(stream, id);
    connection.message(stream, dataFrame(LeaseGrantRequest.encode(grant), true));
  }
  return connection;
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
