/**
 * Requests that the gateway comparison sends to both members, one after the other on fresh data,
 * so that revisions agree.
 */

export interface GatewayCase {
  readonly name: string;
  readonly path: string;
  /** Default POST with a body, else GET. */
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Read only this many lines of an endless answer. */
  readonly lines?: number;
}

function post(name: string, path: string, body = "{}"): GatewayCase {
  return { name, path, body };
}

const RANGE = "/v3/kv/range";
const FOO = '"key":"Zm9v"';

export const GATEWAY_CASES: readonly GatewayCase[] = [
  post("put", "/v3/kv/put", `{${FOO},"value":"YmFy"}`),
  post("put with the previous value", "/v3/kv/put", `{${FOO},"value":"YmF6","prev_kv":true}`),
  post("put without key", "/v3/kv/put"),
  post("put on an unknown lease", "/v3/kv/put", `{${FOO},"lease":"123"}`),
  post("range", RANGE, `{${FOO}}`),
  post("range by camel case and enum number", RANGE, `{${FOO},"rangeEnd":"AA==","sortTarget":3}`),
  post("range by enum names", RANGE, `{${FOO},"sort_order":"DESCEND","sort_target":"VALUE"}`),
  post("range of a past revision", RANGE, `{${FOO},"revision":"2"}`),
  post("range of a future revision", RANGE, `{${FOO},"revision":"99"}`),
  post("range of nothing", RANGE, '{"key":"bm9uZQ=="}'),
  post("range with an empty body", RANGE, ""),
  post("range with a null key", RANGE, '{"key":null}'),
  post("range with text behind the value", RANGE, `{${FOO}} trailing`),
  post("range with a field twice", RANGE, `{${FOO},${FOO}}`),
  post("range with an unknown field", RANGE, `{${FOO},"unknown":{"a":[1,2]}}`),
  post("range with unpadded base64", RANGE, '{"key":"Zm8"}'),
  post("range with URL-safe base64", RANGE, '{"key":"__-_"}'),
  post("range with bad base64", RANGE, '{"key":"Z!m9v"}'),
  post("range with a number as key", RANGE, '{"key":12}'),
  post("range with a fraction as limit", RANGE, `{${FOO},"limit":1.5}`),
  post("range with a whole float as limit", RANGE, `{${FOO},"limit":1.0}`),
  post("range with a limit beyond int64", RANGE, `{${FOO},"limit":"9223372036854775808"}`),
  post("range with a string as bool", RANGE, `{${FOO},"keys_only":"true"}`),
  post("range with an unknown enum name", RANGE, `{${FOO},"sort_order":"BAD"}`),
  post("range with an unknown enum number", RANGE, `{${FOO},"sort_order":99}`),
  post("range with an array as body", RANGE, "[]"),
  post("range with null as body", RANGE, "null"),
  post("range with an unfinished body", RANGE, "{"),
  post("range with a trailing comma", RANGE, `{${FOO},}`),
  post("range with garbage", RANGE, "garbage"),
  post("delete", "/v3/kv/deleterange", `{${FOO},"prev_kv":true}`),
  post("delete of nothing", "/v3/kv/deleterange", `{${FOO}}`),
  post(
    "transaction",
    "/v3/kv/txn",
    `{"compare":[{${FOO},"target":"VERSION","version":"0"}],` +
      `"success":[{"requestPut":{${FOO},"value":"YQ=="}},{"request_range":{${FOO}}}]}`,
  ),
  post(
    "transaction that fails",
    "/v3/kv/txn",
    `{"compare":[{${FOO},"target":"VALUE","value":"Yg=="}],` +
      `"failure":[{"request_delete_range":{"key":"eA=="}}]}`,
  ),
  post("transaction with an object for a list", "/v3/kv/txn", `{"compare":{${FOO}}}`),
  post(
    "transaction with a duplicate key",
    "/v3/kv/txn",
    `{"success":[{"request_put":{${FOO}}},{"request_put":{${FOO}}}]}`,
  ),
  post("compaction of the future", "/v3/kv/compaction", '{"revision":"1000"}'),
  post("compaction", "/v3/kv/compaction", '{"revision":"3","physical":true}'),
  post("range of a compacted revision", RANGE, `{${FOO},"revision":"2"}`),
  post("lease grant", "/v3/lease/grant", '{"TTL":"1000","ID":"77"}'),
  post("lease grant again", "/v3/lease/grant", '{"TTL":"1000","ID":"77"}'),
  post("lease grant with too long a time", "/v3/lease/grant", '{"TTL":"9000000001"}'),
  post("put on a lease", "/v3/kv/put", `{"key":"bA==","value":"bA==","lease":77}`),
  post("lease list", "/v3/lease/leases"),
  post("lease list at its old path", "/v3/kv/lease/leases"),
  post("lease keep-alive", "/v3/lease/keepalive", '{"ID":"77"}'),
  post("lease keep-alive of an unknown lease", "/v3/lease/keepalive", '{"ID":"5"}'),
  post("time to live of an unknown lease", "/v3/kv/lease/timetolive", '{"ID":"5"}'),
  post("lease revoke at its old path", "/v3/kv/lease/revoke", '{"ID":77}'),
  post("lease revoke again", "/v3/lease/revoke", '{"ID":77}'),
  {
    ...post(
      "watch from a past revision",
      "/v3/watch",
      `{"create_request":{${FOO},"start_revision":"4"}}`,
    ),
    lines: 2,
  },
  {
    ...post(
      "watch from a compacted revision",
      "/v3/watch",
      `{"create_request":{${FOO},"start_revision":"1"}}`,
    ),
    lines: 2,
  },
  {
    ...post("watch with malformed JSON behind", "/v3/watch", `{"create_request":{${FOO}}} {bad}`),
    lines: 1,
  },
  post("lease keep-alive with malformed JSON", "/v3/lease/keepalive", "{bad"),
  post("alarm list", "/v3/maintenance/alarm"),
  post("transfer to an unknown member", "/v3/maintenance/transfer-leadership", '{"targetID":"5"}'),
  post("v3beta", "/v3beta/kv/range", `{${FOO},"count_only":true}`),
  post("unknown path below /v3", "/v3/nope"),
  post("path with a slash too many", `${RANGE}/`),
  { name: "GET of a method", path: RANGE },
  { name: "PUT of a method", path: RANGE, method: "PUT", body: "{}" },
  { name: "OPTIONS", path: RANGE, method: "OPTIONS" },
  { name: "bad timeout", path: RANGE, body: "{}", headers: { "grpc-timeout": "bad" } },
  { name: "good timeout", path: RANGE, body: `{${FOO}}`, headers: { "grpc-timeout": "5S" } },
  { name: "other content type", path: RANGE, body: `{${FOO}}`, headers: { accept: "text/html" } },
  { name: "/version", path: "/version" },
  { name: "/version by POST", path: "/version", method: "POST" },
  { name: "/health", path: "/health" },
  { name: "/health of this member only", path: "/health?serializable=true&exclude=NOSPACE" },
  { name: "/health by POST", path: "/health", method: "POST" },
  { name: "/livez", path: "/livez" },
  { name: "/livez in words", path: "/livez?verbose" },
  { name: "/readyz", path: "/readyz" },
  { name: "/readyz without some checks", path: "/readyz?exclude=data_corruption&exclude=nope" },
  { name: "one check of /readyz", path: "/readyz/data_corruption?verbose" },
  { name: "an unknown check", path: "/livez/nope" },
  { name: "/metrics by HEAD", path: "/metrics", method: "HEAD" },
  { name: "/debug/vars by POST", path: "/debug/vars", method: "POST" },
  { name: "unknown path", path: "/nope" },
  { name: "the v2 API", path: "/v2/keys" },
];
