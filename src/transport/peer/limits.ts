/**
 * Every limit between members, named once, with its unit and its reason. Peers are trusted more
 * than clients, but a broken or foreign process on a peer port must not cost a member its memory.
 */

/**
 * A connection that is silent, or takes nothing, is a broken one after this, unless
 * `--raft-read-timeout` and `--raft-write-timeout` say otherwise; etcd's.
 */
export const PEER_IO_TIMEOUT_MS = 5_000;

/** Looks at the connections per read timeout; a loop that stalled counts as one look. */
export const PEER_TICKS_PER_TIMEOUT = 12;

/** A link heartbeat every so many looks: three per timeout, as etcd sends them. */
export const PEER_TICKS_PER_HEARTBEAT = 4;

/** Messages that wait for one stream of a peer; etcd's queue. Beyond it they are dropped. */
export const MAX_QUEUED_PEER_MESSAGES = 4_096;

/** Bytes that wait for one stream of a peer. A message that finds the queue empty always fits. */
export const MAX_QUEUED_PEER_BYTES = 67_108_864;

/** Messages that are encoded together; bounds the copy that a slow stream holds. */
export const PEER_BATCH_BYTES = 1_048_576;

/** What one write gives to the socket, so that a slow peer's progress can be seen. */
export const PEER_WRITE_BYTES = 262_144;

/** One message on a stream or in a POST; etcd's limit. A put is 1.5 MiB by default. */
export const MAX_PEER_MESSAGE_BYTES = 536_870_912;

/** Entries of one MsgApp. A leader fills at most 512 KiB with entries of at least 14 bytes. */
export const MAX_APPEND_ENTRIES = 1_048_576;

/** The message in front of a database: metadata and the members of the v2 store; etcd's limit. */
export const MAX_SNAPSHOT_MESSAGE_BYTES = 67_108_864;

/** POSTs to one peer at the same time, and messages that wait for one; etcd's numbers. */
export const PIPELINE_CONNECTIONS = 4;
export const MAX_PIPELINE_MESSAGES = 64;

/** Bytes that wait for a POST to one peer, those under way included. */
export const MAX_PIPELINE_BYTES = 67_108_864;

/** A POST must be answered within this; a dead host must not hold its messages for minutes. */
export const PIPELINE_TIMEOUT_MS = 10_000;

/** Shortest and longest pause between dials of a stream; etcd's limiter allows ten per second. */
export const MIN_REDIAL_MS = 100;
export const MAX_REDIAL_MS = 1_000;

/** What is read of a stream at a time; as much as the kernel has at hand for a busy one. */
export const STREAM_READ_BYTES = 65_536;

/** The head of a peer's answer; Go's and ours are a quarter of a kilobyte. */
export const MAX_ANSWER_HEAD_BYTES = 16_384;

/** A line between the chunks of an answer: a length of eight digits, and what may follow it. */
export const MAX_CHUNK_LINE_BYTES = 256;

/** A refusal's text; etcd's are shorter than a line. */
export const MAX_REFUSAL_BYTES = 4_096;

/** Database bytes per write of a snapshot. */
export const SNAPSHOT_CHUNK_BYTES = 65_536;

/**
 * A sender rests after so many bytes of a database, so that sending takes no processor from its
 * clients' requests: 60 MB/s at most, half of a gigabit link.
 */
export const SNAPSHOT_BURST_BYTES = 131_072;

/** Length of such a rest: the shortest that a timer knows. */
export const SNAPSHOT_REST_MS = 1;

/** A snapshot that moves no byte for this long is given up by either side. */
export const SNAPSHOT_STALL_TIMEOUT_MS = 60_000;

/** From the last byte of a database to the answer: the receiver syncs its file in between. */
export const SNAPSHOT_ANSWER_TIMEOUT_MS = 300_000;

/** Databases that are received at the same time; a leader sends one to each member. */
export const MAX_INCOMING_SNAPSHOTS = 4;

/** A message in a POST that moves no byte for this long is given up. */
export const PEER_BODY_STALL_TIMEOUT_MS = 30_000;

/** A message in a POST must arrive within this, however it trickles; etcd's limit for a request. */
export const PEER_BODY_TIMEOUT_MS = 300_000;

/** Strangers that are remembered because they sent their peer URLs; a cluster has at most nine. */
export const MAX_REMOTES = 64;

/** Peer URLs of one member. */
export const MAX_PEER_URLS = 32;

/** Distance of probes; shorter than the timeout, so that their connection stays open. */
export const PROBE_INTERVAL_MS = 4_000;

/** A probe that finds a peer unhealthy is logged at most this often, a healthy one measured. */
export const UNHEALTHY_REPORT_MS = 5_000;
export const HEALTHY_REPORT_MS = 30_000;

/** Difference of clocks that is worth a warning. */
export const MAX_CLOCK_DRIFT_MS = 1_000;

/** Lines about dropped messages of one peer are at least this far apart. */
export const DROP_REPORT_MS = 1_000;
