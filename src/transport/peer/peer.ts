/**
 * One peer: two streams that it reads, two that this member reads, POSTs for the meantime,
 * snapshots, and probes. A remote is somebody who is no peer (yet): it gets POSTs only.
 */
import { type Message, MessageType } from "../../api/gen/raft.ts";
import type { EtcdUrl } from "../../base/etcd-url.ts";
import { formatID, type MemberID } from "../../base/ids.ts";
import type { HttpResponse } from "../../env/http.ts";
import type { DatabaseImage } from "../../env/peers.ts";
import type { FlushQueue } from "../flush-queue.ts";
import { messageName } from "./frame.ts";
import { DROP_REPORT_MS } from "./limits.ts";
import type { PeerContext, PeerDeps } from "./peer-context.ts";
import type { PeerHttp } from "./peer-http.ts";
import { PeerStatus } from "./peer-status.ts";
import { PeerUrls } from "./peer-urls.ts";
import { Pipeline } from "./pipeline.ts";
import { Prober } from "./prober.ts";
import { SnapshotSender } from "./snapshot-sender.ts";
import type { StreamKind } from "./stream-kind.ts";
import { StreamReader } from "./stream-reader.ts";
import { StreamWriter } from "./stream-writer.ts";

function newContext(
  deps: PeerDeps,
  http: PeerHttp,
  id: MemberID,
  peerUrls: readonly EtcdUrl[],
): PeerContext {
  const { meter, logger, clock, node } = deps;
  const idText = formatID(id);
  const localText = formatID(node.memberID);
  let reporting = false;
  return {
    ...deps,
    id,
    idText,
    localText,
    http,
    urls: new PeerUrls(peerUrls),
    status: new PeerStatus({
      id: idText,
      clock,
      logger,
      active: meter.active.of(localText, idText),
      disconnected: meter.disconnected.of(localText, idText),
    }),
    sentBytes: meter.sentBytes.of(idText),
    sentFailures: meter.sentFailures.of(idText),
    receivedBytes: meter.receivedBytes.of(idText),
    reportUnreachable: () => {
      if (reporting) return;
      reporting = true;
      queueMicrotask(() => {
        reporting = false;
        node.reportUnreachable(id);
      });
    },
  };
}

const SENDING_BUFFER_FULL = "dropped internal Raft message since sending buffer is full";

/** To a member that is not known from the log yet, in etcd's words. */
function overloadedText(isActive: boolean): string {
  if (isActive) return `${SENDING_BUFFER_FULL} (overloaded network)`;
  return "dropped Raft message since sending buffer is full (overloaded network)";
}

/** Says that messages are dropped, now and then with how many. */
class DropReport {
  readonly #context: PeerContext;
  readonly #text: (isActive: boolean) => string;
  #lastMs = Number.NEGATIVE_INFINITY;
  #dropped = 0;

  constructor(context: PeerContext, text: (isActive: boolean) => string) {
    this.#context = context;
    this.#text = text;
  }

  dropped(message: Message, channel: string): void {
    const { clock, logger, localText, idText, status, sentFailures } = this.#context;
    sentFailures.add();
    this.#dropped++;
    const nowMs = clock.nowMs();
    if (nowMs - this.#lastMs < DROP_REPORT_MS) return;
    this.#lastMs = nowMs;
    const isActive = status.activeSinceMs !== undefined;
    logger.warn(this.#text(isActive), {
      "message-type": messageName(message.type),
      "local-member-id": localText,
      from: formatID(message.from),
      "remote-peer-id": idText,
      "remote-peer-name": channel,
      "remote-peer-active": isActive,
      "dropped-messages": this.#dropped,
    });
    this.#dropped = 0;
  }
}

export class Peer {
  readonly #context: PeerContext;
  readonly #writers: Readonly<Record<StreamKind, StreamWriter>>;
  readonly #readers: readonly StreamReader[];
  readonly #pipeline: Pipeline;
  readonly #snapshots: SnapshotSender;
  readonly #prober: Prober;
  readonly #drops: DropReport;

  constructor(
    deps: PeerDeps,
    http: PeerHttp,
    id: MemberID,
    urls: readonly EtcdUrl[],
    flushQueue: FlushQueue,
  ) {
    const context = newContext(deps, http, id, urls);
    const { logger, idText, localText } = context;
    logger.info("starting remote peer", { "remote-peer-id": idText });
    this.#context = context;
    this.#pipeline = new Pipeline(context);
    this.#writers = {
      msgapp: new StreamWriter(context, "msgapp", flushQueue),
      message: new StreamWriter(context, "message", flushQueue),
    };
    const writing = { "local-member-id": localText, "remote-peer-id": idText };
    logger.info("started stream writer with remote peer", writing);
    logger.info("started stream writer with remote peer", writing);
    this.#readers = [new StreamReader(context, "msgapp"), new StreamReader(context, "message")];
    this.#snapshots = new SnapshotSender(context);
    this.#prober = new Prober(context);
    this.#drops = new DropReport(context, () => SENDING_BUFFER_FULL);
    logger.info("started remote peer", { "remote-peer-id": idText });
  }

  get activeSinceMs(): number | undefined {
    return this.#context.status.activeSinceMs;
  }

  send(message: Message): void {
    const { msgapp, message: other } = this.#writers;
    let sent: boolean;
    let channel = "pipeline";
    if (message.type === MessageType.MsgApp && msgapp.working) {
      channel = "streamMsgAppV2";
      sent = msgapp.send(message);
    } else if (other.working) {
      channel = "streamMsg";
      sent = other.send(message);
    } else {
      sent = this.#pipeline.send(message);
    }
    if (sent) return;
    this.#context.reportUnreachable();
    this.#drops.dropped(message, channel);
  }

  sendSnapshot(message: Message, image: DatabaseImage): void {
    this.#snapshots.send(message, image);
  }

  /** The peer has dialed a stream, so it is there. */
  attach(kind: StreamKind, response: HttpResponse): void {
    this.#writers[kind].attach(response);
    for (const reader of this.#readers) reader.hurry();
  }

  update(urls: readonly EtcdUrl[]): void {
    this.#context.urls.update(urls);
    for (const reader of this.#readers) reader.hurry();
  }

  tick(): void {
    this.#writers.msgapp.tick();
    this.#writers.message.tick();
    for (const reader of this.#readers) reader.tick();
    this.#snapshots.tick();
  }

  stop(): void {
    const { logger, idText, http, status } = this.#context;
    logger.info("stopping remote peer", { "remote-peer-id": idText });
    this.#writers.msgapp.stop();
    this.#writers.message.stop();
    this.#pipeline.stop();
    this.#snapshots.stop();
    for (const reader of this.#readers) reader.stop();
    this.#prober.stop();
    http.close();
    status.stop();
    logger.info("stopped remote peer", { "remote-peer-id": idText });
  }
}

export class Remote {
  readonly #context: PeerContext;
  readonly #pipeline: Pipeline;
  readonly #drops: DropReport;

  constructor(deps: PeerDeps, http: PeerHttp, id: MemberID, urls: readonly EtcdUrl[]) {
    this.#context = newContext(deps, http, id, urls);
    this.#pipeline = new Pipeline(this.#context);
    this.#drops = new DropReport(this.#context, overloadedText);
  }

  send(message: Message): void {
    if (!this.#pipeline.send(message)) this.#drops.dropped(message, "pipeline");
  }

  stop(): void {
    this.#pipeline.stop();
    this.#context.http.close();
  }
}
