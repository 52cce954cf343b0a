/**
 * Writes `docs/LIMITS.md` from the named constants of the sources: `node dist/tools/limits-page.js`.
 * A test fails when the page and the sources differ.
 *
 * All of `src/transport/limits.ts` and of the peers' limits is on the page. Elsewhere constants also steer what nobody
 * outside can notice, so `SECTIONS` names those that a user or a peer can meet.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findRepository } from "./tidy.ts";

export const LIMITS_PAGE = "docs/LIMITS.md";

interface Source {
  readonly path: string;
  /** All of the file's constants when left out. */
  readonly names?: readonly string[];
}

interface Section {
  readonly title: string;
  readonly sources: readonly Source[];
}

const SECTIONS: readonly Section[] = [
  {
    title: "Connections: HTTP/2, HTTP/1.1, gRPC",
    sources: [
      { path: "src/transport/limits.ts" },
      { path: "src/embed/descriptor-limit.ts", names: ["RESERVED_DESCRIPTORS"] },
      { path: "src/transport/listening-socket.ts", names: ["BACKLOG", "MAX_UNIX_PATH_BYTES"] },
      { path: "src/env/rpc.ts", names: ["GRPC_OVERHEAD_BYTES"] },
    ],
  },
  {
    title: "Proxies",
    sources: [
      { path: "src/proxy/grpc/upstream.ts", names: ["MAX_TOKENS", "MAX_PROXIES_IN_LINE"] },
      { path: "src/proxy/grpc/broadcast.ts", names: ["MAX_FRAGMENT_BYTES"] },
      { path: "src/client/leasing/owned-keys.ts", names: ["MAX_OWNED_KEYS", "MAX_OWNED_BYTES"] },
      { path: "src/proxy/grpc/range-cache.ts", names: ["MAX_CACHED_RANGES", "MAX_CACHED_BYTES"] },
      {
        path: "src/proxy/grpc/watch-streams.ts",
        names: ["CONGESTED_BYTES", "MAX_PROXIED_WATCHES_PER_STREAM"],
      },
      { path: "src/proxy/http/member-urls.ts", names: ["MAX_LIST_BYTES"] },
      { path: "src/proxy/http/request-body.ts", names: ["HELD_BODY_BYTES"] },
      { path: "src/proxy/tcp/tcp-proxy.ts", names: ["DIAL_TIMEOUT_MS"] },
    ],
  },
  {
    title: "TLS",
    sources: [
      {
        path: "src/platform/tls/tls-acceptor.ts",
        names: ["HANDSHAKE_TIMEOUT_MS", "MAX_PENDING_HANDSHAKES", "MAX_SILENT_CONNECTIONS"],
      },
      { path: "src/base/shown-certificates.ts", names: ["MAX_CHAIN"] },
      { path: "src/cli/etcdctl/tls-findings.ts", names: ["MIN_RSA_BITS"] },
    ],
  },
  {
    title: "Authentication",
    sources: [
      {
        path: "src/server/access/login-limiter.ts",
        names: ["FREE_FAILURES_OF_USER", "FREE_FAILURES_OF_ADDRESS", "MAX_REMEMBERED"],
      },
      { path: "src/server/services/admission.ts", names: ["MAX_WAITING_CALLS"] },
      {
        path: "src/platform/bcrypt-hasher.ts",
        names: ["MAX_WAITING_HASHES", "MAX_PASSWORD_BYTES"],
      },
      { path: "src/auth/simple-tokens.ts", names: ["MAX_SIMPLE_TOKENS"] },
      { path: "src/auth/jwt-tokens.ts", names: ["MAX_REMEMBERED_JWTS"] },
      { path: "src/auth/jwt-parse.ts", names: ["MAX_JWT_BYTES"] },
    ],
  },
  {
    title: "Between members",
    sources: [
      { path: "src/transport/peer/limits.ts" },
      {
        path: "src/server/upkeep/lease-renewals.ts",
        names: ["MAX_PARALLEL_RENEWALS", "MAX_ANSWER_BYTES"],
      },
      {
        path: "src/server/inbound/message-objections.ts",
        names: [
          "MAX_TERM_STEP",
          "MAX_FIRST_TERM",
          "MAX_FORWARDED_ENTRY_BYTES",
          "MAX_READ_CONTEXT_BYTES",
        ],
      },
      { path: "src/server/inbound/refusal-report.ts", names: ["REFUSAL_REPORT_MS"] },
      { path: "src/server/members/request-form.ts", names: ["SILENT_MEMBER_PATIENCE_MS"] },
      { path: "src/server/peer-api/http-reply.ts", names: ["MAX_QUESTION_BODY_MS"] },
      { path: "src/server/peer-api/leases-paths.ts", names: ["MAX_LEASE_BODY_BYTES"] },
      { path: "src/server/peer-api/members-paths.ts", names: ["MAX_HASH_BODY_BYTES"] },
    ],
  },
  {
    title: "JSON gateway, WebSocket, debugging",
    sources: [
      { path: "src/gateway/json-reader.ts", names: ["MAX_JSON_DEPTH"] },
      { path: "src/gateway/json-reply.ts", names: ["MAX_JSON_REPLY_MS"] },
      { path: "src/gateway/json-gateway.ts", names: ["JSON_FACTOR", "JSON_EXTRA_BYTES"] },
      {
        path: "src/gateway/websocket.ts",
        names: ["MAX_QUEUED_MESSAGES", "MAX_QUEUED_PONG_BYTES", "MAX_FRAGMENTS"],
      },
      { path: "src/gateway/endpoints/profiler.ts", names: ["MAX_PROFILE_SECONDS"] },
    ],
  },
  {
    title: "The dashboard's questions",
    sources: [
      {
        path: "src/embed/member-questions.ts",
        names: [
          "MAX_MEMBER_QUESTIONS",
          "MAX_MEMBER_ANSWER_BYTES",
          "MAX_MEMBER_QUESTION_BYTES",
          "QUESTION_TIMEOUT_MS",
          "LONG_QUESTION_TIMEOUT_MS",
        ],
      },
      {
        path: "src/server/services/watch.ts",
        names: ["MAX_DESCRIBED_STREAMS", "MAX_DESCRIBED_WATCHES", "MAX_LOOKED_AT_OF_STREAM"],
      },
      {
        path: "src/insight/space.ts",
        names: ["MAX_CHILD_PREFIXES", "MAX_PAGES_WITHOUT_CHILD", "MAX_REQUESTS"],
      },
    ],
  },
  {
    title: "The v2 API",
    sources: [
      { path: "src/v2/form.ts", names: ["MAX_FORM_BYTES"] },
      { path: "src/v2/members.ts", names: ["MAX_MEMBER_BODY_BYTES"] },
      { path: "src/v2/auth-handler.ts", names: ["MAX_AUTH_BODY_BYTES"] },
      { path: "src/v2/key-watch.ts", names: ["MAX_WAITING_EVENTS"] },
      { path: "src/v2store/event-history.ts", names: ["HISTORY_CAPACITY"] },
    ],
  },
  {
    title: "Requests and watches",
    sources: [
      { path: "src/base/wire.ts", names: ["MAX_NESTING"] },
      { path: "src/mvcc/requests/check.ts", names: ["MAX_TXN_DEPTH"] },
      { path: "src/api/message-size.ts" },
      { path: "src/server/services/kv.ts", names: ["KEPT_RESPONSE_BYTES"] },
      {
        path: "src/server/services/watch.ts",
        names: ["MAX_WATCHES_PER_STREAM", "CONGESTED_BYTES"],
      },
      {
        path: "src/mvcc/watch/watchable-store.ts",
        names: ["MAX_BATCH_REVISIONS", "MAX_ROUND_BYTES"],
      },
      { path: "src/server/services/maintenance.ts", names: ["SNAPSHOT_BLOB_BYTES"] },
    ],
  },
  {
    title: "Leases",
    sources: [
      {
        path: "src/lease/lessor.ts",
        names: ["MAX_LEASE_TTL", "LEASE_REVOKES_PER_SECOND", "MAX_CHECKPOINTS_PER_ENTRY"],
      },
      { path: "src/server/services/lease.ts", names: ["MAX_WAITING_RENEWALS"] },
    ],
  },
  {
    title: "The member",
    sources: [
      { path: "src/server/options.ts", names: ["DEFAULT_QUOTA_BYTES"] },
      {
        path: "src/server/consensus/pipeline.ts",
        names: [
          "MAX_WAITING_PROPOSAL_BYTES",
          "MAX_COMMIT_APPLY_GAP",
          "MAX_SIZE_PER_MESSAGE_BYTES",
          "MAX_INFLIGHT_MESSAGES",
        ],
      },
      {
        path: "src/server/consensus/forwarded-proposals.ts",
        names: ["MAX_WAITING_FORWARDED_BYTES"],
      },
      { path: "src/server/members/membership-queue.ts", names: ["MAX_WAITING_CHANGES"] },
      {
        path: "src/server/limits.ts",
        names: ["MAX_SNAPSHOT_REST_MS", "LOG_COMPACTION_STEP_ENTRIES", "MAX_KEPT_LOG_BYTES"],
      },
      { path: "src/mvcc/hash.ts", names: ["MAX_STORED_HASHES"] },
    ],
  },
  {
    title: "Files",
    sources: [
      { path: "src/wal/segment-bytes.ts" },
      { path: "src/wal/segment-reader.ts", names: ["MAX_RECORD_BYTES"] },
      { path: "src/snap/snapshot-files.ts", names: ["MAX_SNAP_BYTES"] },
      {
        path: "src/backend/bolt/format.ts",
        names: ["MAX_KEY_BYTES", "MAX_PAGE_RUN_BYTES", "MAX_PAGES", "MAX_TREE_DEPTH"],
      },
      { path: "src/backend/options.ts", names: ["DEFAULT_BATCH_LIMIT"] },
      { path: "src/backend/commit-pipeline.ts", names: ["CONGESTED_BATCHES"] },
    ],
  },
  {
    title: "Settings and logs",
    sources: [
      { path: "src/embed/config/yaml-file.ts", names: ["MAX_CONFIG_FILE_BYTES"] },
      {
        path: "src/embed/config/verify.ts",
        names: [
          "MAX_ELECTION_TIMEOUT_MS",
          "MIN_HEARTBEATS_PER_ELECTION",
          "MAX_SAMPLES_PER_MILLION",
        ],
      },
      { path: "src/embed/server-options.ts", names: ["MIN_PROGRESS_INTERVAL_MS"] },
      { path: "src/server/tracing/request-text.ts", names: ["MAX_SHOWN_BYTES", "MAX_SHOWN_ITEMS"] },
      { path: "src/server/tracing/slow-requests.ts", names: ["MAX_TRACES_PER_SECOND"] },
      { path: "src/platform/logger-sinks.ts", names: ["MAX_QUEUED_LOG_BYTES"] },
    ],
  },
  {
    title: "Distributed tracing",
    sources: [
      {
        path: "src/spans/span-exporter.ts",
        names: [
          "MAX_QUEUED_SPANS",
          "MAX_BATCH_SPANS",
          "BATCH_DELAY_MS",
          "EXPORT_TIMEOUT_MS",
          "MAX_RETRY_MS",
        ],
      },
      { path: "src/spans/export-report.ts", names: ["REPORT_INTERVAL_MS"] },
      { path: "src/spans/index.ts", names: ["STOP_EXPORT_MS"] },
      { path: "src/spans/grpc-collector.ts", names: ["MAX_COLLECTOR_ANSWER_BYTES"] },
      { path: "src/spans/trace-context.ts", names: ["MAX_STATE_ENTRIES", "MAX_STATE_CHARS"] },
      { path: "src/server/apply/traced-writes.ts", names: ["MAX_COMMIT_LINKS"] },
    ],
  },
  {
    title: "Discovery",
    sources: [
      { path: "src/discovery/http-exchange.ts", names: ["MAX_ANSWER_BYTES", "MAX_HOPS"] },
      { path: "src/discovery/service/limits.ts" },
    ],
  },
  {
    title: "Local clusters (etcd-cluster)",
    sources: [
      { path: "src/cli/cluster/plan.ts", names: ["MAX_PROCESSES", "MAX_MEMBERS"] },
      {
        path: "src/cli/cluster/procfile.ts",
        names: ["MAX_PROCFILE_BYTES", "MAX_COMMAND_CHARACTERS"],
      },
      { path: "src/cli/cluster/line-cutter.ts", names: ["MAX_LINE_BYTES"] },
      { path: "src/cli/cluster/managed-process.ts", names: ["STOP_TIMEOUT_MS"] },
      { path: "src/cli/cluster/recent-lines.ts", names: ["MAX_RECENT_LINES"] },
      { path: "src/cli/cluster/lab/fault-plan.ts", names: ["MAX_DELAY_MS"] },
      { path: "src/cli/cluster/lab/load-window.ts", names: ["MAX_WINDOW_OPERATIONS"] },
      { path: "src/cli/cluster/lab/timeline.ts", names: ["MAX_TIMELINE_EVENTS"] },
      {
        path: "src/cli/cluster/control-protocol.ts",
        names: [
          "MAX_REQUEST_BYTES",
          "MAX_REPLY_BYTES",
          "MAX_CONTROL_CONNECTIONS",
          "REQUEST_TIMEOUT_MS",
        ],
      },
    ],
  },
];

const HEAD = `# Limits

Every limit that a client, a peer, a file or an operator can meet, with its value and its reason. Limits that can be set are
defaults here; the flags are in [settings.md](settings.md) (\`--max-request-bytes\`, \`--max-txn-ops\`,
\`--max-concurrent-streams\`, \`--quota-backend-bytes\`, and more).

This page is made from the sources by \`node dist/tools/limits-page.js\`.
`;

export interface Limit {
  readonly name: string;
  readonly value: string;
  /** The comment above it; that of the constant before when they stand together. */
  readonly meaning: string;
}

/** The numeric constants of a source text, in order. */
export function limitsOf(text: string): Limit[] {
  const limits: Limit[] = [];
  const constant =
    /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^(?:export )?const ([A-Z][A-Z0-9_]*)(?:: \w+)? = ([^;\n]+);/gm;
  let lastEnd = -2;
  for (const match of text.matchAll(constant)) {
    const [whole, comment, name, expression] = match as unknown as [string, string, string, string];
    const value = numberOf(expression);
    const isBesidePrevious = match.index === lastEnd + 1;
    lastEnd = match.index + whole.length;
    if (value === undefined) continue;
    const inherited = isBesidePrevious ? (limits.at(-1)?.meaning ?? "") : "";
    const meaning = comment === undefined ? inherited : plainText(comment);
    limits.push({ name, value: withUnit(name, value), meaning });
  }
  return limits;
}

function plainText(comment: string): string {
  return comment
    .replaceAll(/\s*\n \* ?/g, " ")
    .replaceAll(/\s+/g, " ")
    .trim();
}

/** Products, powers and shifts of literals; undefined for anything else. */
function numberOf(expression: string): number | undefined {
  const tokens = expression.match(/0x[0-9a-f_]+|[\d_]+|\*\*|<<|[-*+]|\S/g) ?? [];
  const operand = (i: number): number => Number((tokens[i] ?? "").replaceAll("_", ""));
  let value = operand(0);
  for (let i = 1; i < tokens.length; i += 2) {
    const right = operand(i + 1);
    switch (tokens[i]) {
      case "*":
        value *= right;
        break;
      case "**":
        value **= right;
        break;
      case "<<":
        value *= 2 ** right;
        break;
      case "-":
        value -= right;
        break;
      default:
        return undefined;
    }
  }
  return Number.isNaN(value) ? undefined : value;
}

function withUnit(name: string, value: number): string {
  if (name.endsWith("_BYTES")) return bytesText(value);
  if (name.endsWith("_MS"))
    return value % 1000 === 0 ? `${grouped(value / 1000)} s` : `${value} ms`;
  if (name.endsWith("_PER_SECOND")) return `${grouped(value)} per second`;
  if (name.endsWith("_SECONDS") || name.endsWith("_TTL")) return `${grouped(value)} s`;
  return grouped(value);
}

function bytesText(value: number): string {
  const units = [
    [2 ** 30, "GiB"],
    [2 ** 20, "MiB"],
    [2 ** 10, "KiB"],
  ] as const;
  for (const [size, unit] of units) {
    const count = value / size;
    if (count >= 1 && count < 1024 && Number.isInteger(count * 2)) return `${count} ${unit}`;
  }
  return `${grouped(value)} bytes`;
}

function grouped(value: number): string {
  return value.toString().replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
}

/** Throws when a constant of `SECTIONS` has left its file or has no comment. */
export function limitsPage(root: string): string {
  const parts = [HEAD];
  for (const { title, sources } of SECTIONS) {
    parts.push(`## ${title}\n`);
    parts.push("| limit | value | meaning |\n| --- | --- | --- |");
    parts.push(`${sources.flatMap((source) => rowsOf(root, source)).join("\n")}\n`);
  }
  return parts.join("\n");
}

function rowsOf(root: string, { path, names }: Source): string[] {
  const found = limitsOf(readFileSync(join(root, path), "utf8"));
  const wanted = names ?? found.map(({ name }) => name);
  return wanted.map((name) => {
    const limit = found.find((candidate) => candidate.name === name);
    if (limit === undefined) throw new Error(`${path} has no number ${name}`);
    if (limit.meaning === "") throw new Error(`${name} in ${path} has no comment`);
    return `| [\`${name}\`](../${path}) | ${limit.value} | ${limit.meaning.replaceAll("|", "\\|")} |`;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  writeFileSync(join(root, LIMITS_PAGE), limitsPage(root));
}
