/**
 * Every limit of the transport, named once, with its unit and its reason. A limit that a peer can
 * meet by mistake is generous; a limit that only an attack meets is tight. Limits that an operator
 * may change are the defaults of `ListenerOptions`.
 */

/** RFC 9113 4.2: the size that every endpoint must accept; a larger one only costs memory. */
export const MAX_FRAME_BYTES = 16_384;

/** RFC 9113 6.9.1: a flow-control window never exceeds this many bytes. */
export const MAX_WINDOW_BYTES = 0x7fff_ffff;

/** RFC 9113 6.9.2: windows before any SETTINGS or WINDOW_UPDATE frame. */
export const DEFAULT_WINDOW_BYTES = 65_535;

/** A 1.5 MiB put fits into few round trips; bounds what one stream may send unread. */
export const STREAM_WINDOW_BYTES = 1_048_576;

/** Many streams share it, so it is larger; bounds what one connection may have in flight. */
export const CONNECTION_WINDOW_BYTES = 16_777_216;

/** RFC 7541 4.2: the default table size. A larger table is only memory that a peer controls. */
export const HEADER_TABLE_BYTES = 4_096;

/**
 * Encoded bytes of one header block over HEADERS and CONTINUATION, checked before decoding. Tokens
 * are about 1 KiB. Attack: CONTINUATION flood (CVE-2023-45288, CVE-2024-27983).
 */
export const MAX_HEADER_BLOCK_BYTES = 32_768;

/** CONTINUATION frames of one header block; 32 KiB fit into two frames, so this is generous. */
export const MAX_CONTINUATIONS = 8;

/**
 * Decoded bytes of one header list, 32 added per field (RFC 9113 6.5.2), counted while decoding.
 * Attack: a few bytes that name a large table entry again and again (CVE-2016-6581).
 */
export const MAX_HEADER_LIST_BYTES = 32_768;

/** Streams per connection where etcd's default says 4294967295: memory of calls in progress. */
export const DEFAULT_MAX_CONCURRENT_STREAMS = 8_192;

/** A stream reset by its client so soon, and without an answer, did work that nobody wanted. */
export const RAPID_RESET_AGE_MS = 1_000;

/** Rapid resets (CVE-2023-44487), and resets that peer errors made us send (CVE-2025-8671). */
export const RESET_BURST = 200;
export const RESETS_PER_SECOND = 100;

/** SETTINGS frames; each may touch every stream (CVE-2019-9515). */
export const SETTINGS_BURST = 100;
export const SETTINGS_PER_SECOND = 10;

/** DATA, HEADERS or CONTINUATION frames that carry nothing and end nothing (CVE-2019-9518). */
export const EMPTY_FRAME_BURST = 100;
export const EMPTY_FRAMES_PER_SECOND = 10;

/** PRIORITY, unknown types and unasked acknowledgements: ignored, but not without end. */
export const IGNORED_FRAME_BURST = 10_000;
export const IGNORED_FRAMES_PER_SECOND = 1_000;

/** A DATA frame that carries less than the prefix of a gRPC message, and does not end its stream. */
export const SMALL_DATA_BYTES = 5;
/** An increment that no client needs to announce by itself. Counted beyond two per DATA frame. */
export const SMALL_WINDOW_BYTES = 1_024;
/** Both of them: frames that cost more to read than they bring. */
export const SMALL_FRAME_BURST = 1_000;
export const SMALL_FRAMES_PER_SECOND = 200;

/** Calls answered without their service: unknown methods, malformed heads, deadlines of 0. */
export const REFUSED_CALL_BURST = 2_000;
export const REFUSED_CALLS_PER_SECOND = 200;

/**
 * Work done for one connection before others get a turn: a frame is 1, a request 16, a message of a
 * stream 8. Ten connections that send without pause then hold up an eleventh for 1,280 requests; a
 * turn of fewer requests would sync and flush more often than it needs to.
 */
export const TURN_COST = 2_048;
export const REQUEST_COST = 16;
export const MESSAGE_COST = 8;

/** Acknowledgements and resets waiting for a socket that does not drain (CVE-2019-9512, 9514). */
export const MAX_QUEUED_CONTROL_FRAMES = 4_096;

/** DATA moves from stream queues to the socket while less than this waits there. */
export const OUTPUT_HIGH_WATER_BYTES = 262_144;

/**
 * Of an answer that is written where it leaves from, so much leaves in one turn of the loop; what
 * is then left is made whole if it is no more than this.
 */
export const DIRECT_BODY_BYTES = 1_048_576;

/** With more than this unsent behind a full socket, the peer's requests are no longer read. */
export const READ_PAUSE_BYTES = 1_048_576;

/**
 * Unsent bytes of one connection beyond which a further answer is replaced by RESOURCE_EXHAUSTED.
 * One answer of any size that the total below has room for is allowed. Attack: large answers asked
 * for behind a closed window (CVE-2019-9511, 9517).
 */
export const MAX_QUEUED_OUTPUT_BYTES = 67_108_864;

/**
 * The same over all connections of a listener, an answer being counted before it is queued: many
 * slow readers together must not exhaust memory. Connections that have little queued are still
 * answered. Large ranges count with what they hold, not with what they will send.
 */
export const MAX_TOTAL_QUEUED_OUTPUT_BYTES = 1_073_741_824;
/** What a connection may have queued even when the listener's total is spent. */
export const FAIR_QUEUED_OUTPUT_BYTES = 1_048_576;

/** A large range that a client takes so long for is given up: it pins a revision of the store. */
export const MAX_REPLY_MS = 600_000;

/** `StreamCall.onDrain` fires when a stream's queue falls below this, having been at or above it. */
export const STREAM_LOW_WATER_BYTES = 65_536;

/** Request bytes of one connection held in messages that are not complete yet. */
export const MAX_PARTIAL_REQUEST_BYTES = 67_108_864;

/** Preface and first SETTINGS, and each header block, must be complete within this. */
export const PREFACE_TIMEOUT_MS = 10_000;
export const HEADER_BLOCK_TIMEOUT_MS = 10_000;

/** A peer that owes us reading (see `STALLED_OUTPUT_BYTES`) and takes nothing for this long. */
export const IDLE_WRITE_TIMEOUT_MS = 60_000;

/** Stalled output that matters: a paused watcher holds less and may stay as long as it likes. */
export const STALLED_OUTPUT_BYTES = 1_048_576;

/** gRPC keepalive enforcement, as grpc-go: pings that come too early before GOAWAY. */
export const MAX_PING_STRIKES = 2;
/** Ping distance that is allowed while no stream is open. */
export const PING_WITHOUT_STREAM_MS = 2 * 3_600_000;
/** What grpc-go takes when no minimum time is configured. */
export const DEFAULT_KEEPALIVE_MIN_TIME_MS = 300_000;

/** etcd's default request limit (1.5 MiB). */
export const DEFAULT_MAX_REQUEST_BYTES = 1_572_864;

/** HTTP/1.1: request line and headers. */
export const MAX_HTTP1_HEADER_BYTES = 16_384;
export const HTTP1_HEADERS_TIMEOUT_MS = 10_000;
export const HTTP1_REQUEST_TIMEOUT_MS = 300_000;

/** Request body bytes of a plain HTTP exchange that wait for their reader. */
export const HTTP_BODY_BUFFER_BYTES = 262_144;

/** Between the two GOAWAY frames of a graceful stop (RFC 9113 6.8). */
export const DRAIN_PING_TIMEOUT_MS = 1_000;

/** How often a connection looks at its timeouts. */
export const HOUSEKEEPING_INTERVAL_MS = 500;

/** A piece of a chunked HTTP/1.1 body that is copied next to its framing; larger ones are not. */
export const MAX_FRAMED_BYTES = 8_192;
