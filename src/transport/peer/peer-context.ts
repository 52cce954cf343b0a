/** What the parts of one peer share. */
import type { Message } from "../../api/gen/raft.ts";
import type { MemberID } from "../../base/ids.ts";
import type { Clock } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import type { Counter } from "../../env/metrics.ts";
import type { PeerNode } from "../../env/peers.ts";
import type { Random } from "../../env/random.ts";
import type { NetworkMeter } from "./peer-meter.ts";
import type { PeerHttp } from "./peer-http.ts";
import type { PeerStatus } from "./peer-status.ts";
import type { PeerUrls } from "./peer-urls.ts";

export interface PeerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly meter: NetworkMeter;
  /** Looks at a stream that takes nothing before it is lost. */
  readonly writeTimeoutTicks: number;
  readonly node: PeerNode;
  /** Hands a message to the node, if it may have it. */
  deliver(message: Message, from: MemberID): void;
}

export interface PeerContext extends PeerDeps {
  readonly id: MemberID;
  /** In hexadecimal, for logs and labels. */
  readonly idText: string;
  readonly localText: string;
  readonly urls: PeerUrls;
  readonly status: PeerStatus;
  readonly http: PeerHttp;
  readonly sentBytes: Counter;
  readonly sentFailures: Counter;
  readonly receivedBytes: Counter;
  /** Tells the node, in a turn of its own: senders of messages are never called back at once. */
  reportUnreachable(): void;
}
