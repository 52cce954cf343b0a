import assert from "node:assert/strict";
import { test } from "node:test";
import { UserAddOptions } from "../api/gen/auth.ts";
import {
  AlarmResponse,
  AuthUserAddRequest,
  HashKVResponse,
  HashResponse,
  LeaseGrantRequest,
  MemberRemoveRequest,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchResponse,
} from "../api/gen/rpc.ts";
import type { MessageType } from "../api/message-type.ts";
import { decodeJson, parseBase64, parseInteger } from "./json-decode.ts";
import { encodeJson } from "./json-encode.ts";
import { JsonError, MAX_JSON_DEPTH } from "./json-reader.ts";
import { JsonValueSplitter } from "./json-values.ts";

function decode<T>(type: MessageType<T>, json: string | Uint8Array): T {
  return decodeJson(type, typeof json === "string" ? Buffer.from(json) : json);
}

function refusal(type: MessageType<unknown>, json: string | Uint8Array): string {
  try {
    decode(type, json);
  } catch (error) {
    assert.ok(error instanceof JsonError, String(error));
    return error.message;
  }
  return assert.fail(`accepted: ${json}`);
}

const key = Buffer.from("foo");

test("requests decode by proto names and by camel case names", () => {
  for (const json of [
    '{"key":"Zm9v","range_end":"AA==","limit":"7","sort_order":"DESCEND","keys_only":true}',
    ' {"rangeEnd" : "AA==", "limit":7,\n"key":"Zm9v","sortOrder":2,"keysOnly":true} ',
  ]) {
    const expected = { key, rangeEnd: Buffer.from([0]), limit: 7, sortOrder: 2, keysOnly: true };
    assert.deepEqual(
      RangeRequest.encode(decode(RangeRequest, json)),
      RangeRequest.encode(RangeRequest.create(expected)),
    );
  }
});

test("an empty body, white space, an empty object and nulls are the empty message", () => {
  for (const json of ["", " \n", "{}", '{"key":null,"limit":null,"sort_order":null}']) {
    assert.deepEqual(decode(RangeRequest, json), RangeRequest.create());
  }
});

test("what follows the first value is ignored", () => {
  assert.deepEqual(decode(RangeRequest, '{"limit":1} trailing {').limit, 1);
});

test("unknown fields and unknown enum names are dropped, whatever their value", () => {
  const json =
    '{"unknown":{"a":[1,-2.5e+3,"x\\n\\u00e9",{"b":null}],"c":true},"sort_order":"BAD","limit":3}';
  assert.deepEqual(decode(RangeRequest, json), RangeRequest.create({ limit: 3 }));
  assert.deepEqual(decode(LeaseGrantRequest, '{"ttl":100}').TTL, 0, "names are case-sensitive");
  const filters = decode(WatchCreateRequest, '{"filters":["NODELETE","NEW",0]}').filters;
  assert.deepEqual(filters, [1, 0]);
});

test("integers come as numbers or strings, with fraction or exponent if they are whole", () => {
  const table: [string, bigint | undefined][] = [
    ["0", 0n],
    ["-0", 0n],
    ["1", 1n],
    ["-12", -12n],
    ["1.0", 1n],
    ["1e1", 10n],
    ["120e-1", 12n],
    ["0.5e1", 5n],
    ["0e999999999", 0n],
    ["18446744073709551615", 18446744073709551615n],
    ["1.5", undefined],
    ["1e-1", undefined],
    ["1e999999999", undefined],
    ["999999999999999999999", undefined],
    ["+1", undefined],
    ["01", undefined],
    [" 1", undefined],
    ["", undefined],
    ["0x10", undefined],
    ["NaN", undefined],
  ];
  for (const [text, value] of table) assert.equal(parseInteger(text), value, text);
  assert.equal(decode(LeaseGrantRequest, '{"ID":"-5"}').ID, -5n);
  assert.equal(decode(LeaseGrantRequest, '{"ID":9223372036854775807}').ID, 2n ** 63n - 1n);
  assert.equal(
    decode(RangeRequest, '{"limit":"9223372036854775807"}').limit,
    Number.MAX_SAFE_INTEGER,
    "beyond every revision: saturated",
  );
});

test("base64 of both alphabets, padded or not, line breaks ignored", () => {
  const table: [string, string | undefined][] = [
    ["", ""],
    ["Zm9v", "666f6f"],
    ["Zg==", "66"],
    ["Zg", "66"],
    ["Zm8=", "666f"],
    ["Zm8", "666f"],
    ["Zm9v\n", "666f6f"],
    ["Zm\r\n9v", "666f6f"],
    ["+/+/", "fbffbf"],
    ["-_-_", "fbffbf"],
    ["-_-", "fbff"],
    ["_+-_", undefined],
    ["Zm9v=", undefined],
    ["Zg=", undefined],
    ["Z===", undefined],
    ["====", undefined],
    ["Z", undefined],
    ["Z!m9v", undefined],
    ["Zm 9v", undefined],
    ["Zg==Zg==", undefined],
    ["Zg\n\n", undefined],
    ["é", undefined],
  ];
  for (const [text, hex] of table) {
    const bytes = parseBase64(text);
    assert.equal(bytes === undefined ? undefined : Buffer.from(bytes).toString("hex"), hex, text);
  }
});

const REFUSALS: readonly [MessageType<unknown>, string, string][] = [
  [RangeRequest, "[]", "proto: syntax error (line 1:1): unexpected token ["],
  [RangeRequest, "null", "proto: syntax error (line 1:1): unexpected token null"],
  [RangeRequest, '"x"', 'proto: syntax error (line 1:1): unexpected token "x"'],
  [RangeRequest, "{", "unexpected EOF"],
  [RangeRequest, '{"key":"Zm9v"', "unexpected EOF"],
  [RangeRequest, '{"key":"Zm9v', "unexpected EOF"],
  [RangeRequest, "garbage", "invalid character 'g' looking for beginning of value"],
  [RangeRequest, "\u00e9", "invalid character '\u00c3' looking for beginning of value"],
  [
    RangeRequest,
    '{"key":"Zm9v",}',
    "invalid character '}' looking for beginning of object key string",
  ],
  [RangeRequest, "{'key':1}", "invalid character '\\'' looking for beginning of object key string"],
  [RangeRequest, '{"key" "x"}', "invalid character '\"' after object key"],
  [RangeRequest, '{"limit":1 "x"}', "invalid character '\"' after object key:value pair"],
  [RangeRequest, '{"limit":01}', "invalid character '1' after object key:value pair"],
  [RangeRequest, '{"limit":1.}', "invalid character '}' after decimal point in numeric literal"],
  [RangeRequest, '{"limit":1e+}', "invalid character '}' in exponent of numeric literal"],
  [RangeRequest, '{"limit":-}', "invalid character '}' in numeric literal"],
  [RangeRequest, '{"limit":NaN}', "invalid character 'N' looking for beginning of value"],
  [RangeRequest, '{"a":[1 2]}', "invalid character '2' after array element"],
  [RangeRequest, '{"a":trux}', "invalid character 'x' in literal true (expecting 'e')"],
  [RangeRequest, '{"a":"\n"}', "invalid character '\\n' in string literal"],
  [RangeRequest, '{"a":"\\x"}', "invalid character 'x' in string escape code"],
  [RangeRequest, '{"a":"\\u00g0"}', "invalid character 'g' in \\u hexadecimal character escape"],
  [RangeRequest, '{"key":12}', "proto: (line 1:8): invalid value for bytes field key: 12"],
  [RangeRequest, '{"key":"Z!"}', 'proto: (line 1:8): invalid value for bytes field key: "Z!"'],
  [
    RangeRequest,
    '{"key":"Zm9v","limit":1.5}',
    "proto: (line 1:23): invalid value for int64 field limit: 1.5",
  ],
  [
    RangeRequest,
    '{\n  "limit": "9223372036854775808"}',
    'proto: (line 2:12): invalid value for int64 field limit: "9223372036854775808"',
  ],
  [
    RangeRequest,
    '{"keys_only":"true"}',
    'proto: (line 1:14): invalid value for bool field keysOnly: "true"',
  ],
  [RangeRequest, '{"limit":{}}', "proto: (line 1:10): invalid value for int64 field limit: {"],
  [
    RangeRequest,
    '{"sort_order":4294967296}',
    "proto: (line 1:15): invalid value for enum field sortOrder: 4294967296",
  ],
  [
    RangeRequest,
    '{"range_end":"AA==","rangeEnd":"AA=="}',
    'proto: (line 1:21): duplicate field "rangeEnd"',
  ],
  [
    TxnRequest,
    '{"compare":[{"key":"Zm9v","target":"VALUE","value":"YmFy","version":"1"}]}',
    'proto: (line 1:59): error parsing "version", ' +
      "oneof etcdserverpb.Compare.target_union is already set",
  ],
  [TxnRequest, '{"compare":{"key":"Zm9v"}}', "proto: syntax error (line 1:12): unexpected token {"],
  [TxnRequest, '{"compare":[null]}', "proto: syntax error (line 1:13): unexpected token null"],
  [AuthUserAddRequest, '{"name":5}', "proto: (line 1:9): invalid value for string field name: 5"],
];

test("integers keep to the range of their kind", () => {
  const id = (value: string): bigint => decode(MemberRemoveRequest, `{"ID":${value}}`).ID;
  assert.equal(id("18446744073709551615"), 2n ** 64n - 1n);
  for (const value of ["-1", "18446744073709551616", '"-1"']) {
    assert.equal(
      refusal(MemberRemoveRequest, `{"ID":${value}}`),
      `proto: (line 1:7): invalid value for uint64 field ID: ${value}`,
    );
  }
  assert.match(refusal(LeaseGrantRequest, '{"ID":9223372036854775808}'), /int64 field ID/);
  assert.match(refusal(LeaseGrantRequest, '{"ID":"-9223372036854775809"}'), /int64 field ID/);
  assert.match(refusal(HashResponse, '{"hash":4294967296}'), /uint32 field hash/);
  assert.match(refusal(HashResponse, '{"hash":-1}'), /uint32 field hash/);
});

test("refusals are worded as etcd's gateway words them", () => {
  for (const [type, json, message] of REFUSALS) assert.equal(refusal(type, json), message, json);
});

test("text must be UTF-8 and surrogates must pair", () => {
  const bad = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
  assert.match(refusal(AuthUserAddRequest, bad), /invalid UTF-8/);
  for (const unpaired of ["\\ud800", "\\udc00", "\\ud83d\\u0041", "\\ud83dx"]) {
    assert.match(refusal(AuthUserAddRequest, `{"name":"${unpaired}"}`), /invalid surrogate pair/);
  }
  assert.equal(decode(AuthUserAddRequest, '{"name":"\\ud83d\\ude00\\/\\b"}').name, "\u{1f600}/\b");
});

test("keys that mean something to JavaScript mean nothing here", () => {
  const json =
    '{"__proto__":{"limit":5,"polluted":1},"constructor":{"prototype":{"polluted":1}},' +
    '"toString":1,"hasOwnProperty":2,"sort_order":"constructor"}';
  assert.deepEqual(decode(RangeRequest, json), RangeRequest.create());
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test("nesting is limited, in known and in unknown fields", () => {
  const nested = (depth: number): string => `${'{"x":'.repeat(depth)}1${"}".repeat(depth)}`;
  decode(RangeRequest, nested(MAX_JSON_DEPTH));
  assert.match(refusal(RangeRequest, nested(MAX_JSON_DEPTH + 1)), /exceeded max depth/);
  assert.match(refusal(RangeRequest, `{"x":${"[".repeat(1_000_000)}`), /exceeded max depth/);
  const txn = (depth: number): string =>
    `${'{"success":[{"request_txn":'.repeat(depth)}{}${"}]}".repeat(depth)}`;
  const deep = decode(TxnRequest, txn(129));
  assert.deepEqual(decode(TxnRequest, txn(129)), TxnRequest.decode(TxnRequest.encode(deep)));
  assert.match(refusal(TxnRequest, txn(200)), /exceeded max depth/);
});

test("a long value is decoded in linear time", () => {
  const value = Buffer.alloc(3_000_000, 0xa5);
  const json = `{"key":"${value.toString("base64")}","unknown":"${"\\n".repeat(500_000)}"}`;
  assert.deepEqual(Buffer.from(decode(RangeRequest, json).key), value);
});

test("a transaction with all kinds of operations decodes into its oneofs", () => {
  const json =
    '{"compare":[{"key":"Zm9v","result":"NOT_EQUAL","target":"LEASE","lease":"0"}],' +
    '"success":[{"requestRange":{"key":"Zm9v"}},{"request_put":{"key":"Zm9v","value":"YmFy"}},{}],' +
    '"failure":[{"request_delete_range":{"key":"Zm9v"}},{"request_txn":{}},{"request_put":null}]}';
  const txn = decode(TxnRequest, json);
  assert.equal(txn.compare[0]?.result, 3);
  assert.deepEqual(txn.compare[0]?.targetUnion, { case: "lease", value: 0n });
  assert.deepEqual(
    [...txn.success, ...txn.failure].map((op) => op.request?.case),
    ["requestRange", "requestPut", undefined, "requestDeleteRange", "requestTxn", undefined],
  );
});

const header = { clusterId: 3010366179864640369n, memberId: 16511083867029304646n };

test("responses are written as etcd's gateway writes them", () => {
  const response = RangeResponse.create({
    header: { ...header, revision: 2, raftTerm: 2 },
    kvs: [
      {
        key,
        createRevision: 2,
        modRevision: 2,
        version: 1,
        value: Buffer.from([0xfb, 0xff]),
        lease: -1n,
      },
    ],
    count: 1,
  });
  assert.equal(
    encodeJson(RangeResponse, response),
    '{"header":{"cluster_id":"3010366179864640369","member_id":"16511083867029304646",' +
      '"revision":"2","raft_term":"2"},"kvs":[{"key":"Zm9v","create_revision":"2",' +
      '"mod_revision":"2","version":"1","value":"+/8=","lease":"-1"}],"count":"1"}',
  );
});

test("enums are names, 32-bit numbers plain, unknown enum values numbers, booleans bare", () => {
  assert.equal(
    encodeJson(AlarmResponse, {
      header: undefined,
      alarms: [
        { memberID: 5n, alarm: 1 },
        { memberID: 0n, alarm: 0 },
        { memberID: 1n, alarm: 77 },
      ],
    }),
    '{"alarms":[{"memberID":"5","alarm":"NOSPACE"},{},{"memberID":"1","alarm":77}]}',
  );
  assert.equal(
    encodeJson(HashKVResponse, HashKVResponse.create({ hash: 3305255506, compactRevision: -1 })),
    '{"hash":3305255506,"compact_revision":"-1"}',
  );
  assert.equal(encodeJson(UserAddOptions, { noPassword: true }), '{"no_password":true}');
});

test("present messages and chosen members of a oneof are written even when empty", () => {
  const response = TxnResponse.create({
    succeeded: true,
    responses: [
      { response: { case: "responsePut", value: { header: undefined, prevKv: undefined } } },
      { response: undefined },
    ],
  });
  assert.equal(
    encodeJson(TxnResponse, response),
    '{"succeeded":true,"responses":[{"response_put":{}},{}]}',
  );
});

test("strings are escaped; in streams also for HTML, as Go does there", () => {
  const response = WatchResponse.create({ cancelReason: 'a<b>&"\\\n\u0001\u2028é' });
  assert.equal(
    encodeJson(WatchResponse, response),
    '{"cancel_reason":"a<b>&\\"\\\\\\n\\u0001\u2028é"}',
  );
  assert.equal(
    encodeJson(WatchResponse, response, true),
    '{"cancel_reason":"a\\u003cb\\u003e\\u0026\\"\\\\\\n\\u0001\\u2028é"}',
  );
});

test("a stream is cut into its values, wherever the chunks end", () => {
  const stream = ' {"a":"}\\"{"}\n[1,[2]]{"b":{}}17 "x\\\\" ';
  const expected = ['{"a":"}\\"{"}', "[1,[2]]", '{"b":{}}', "17 ", '"x\\\\"'];
  for (let size = 1; size <= stream.length; size++) {
    const splitter = new JsonValueSplitter(1000);
    const values: string[] = [];
    for (let at = 0; at < stream.length; at += size) {
      const chunk = Buffer.from(stream.slice(at, at + size));
      for (const value of splitter.push(chunk)) values.push(Buffer.from(value).toString());
      chunk.fill(0);
    }
    assert.equal(splitter.end(), undefined);
    assert.deepEqual(values, expected);
  }
});

test("an unfinished value comes out at the end, an endless one is refused", () => {
  const splitter = new JsonValueSplitter(10);
  assert.deepEqual(splitter.push(Buffer.from('{"a"')), []);
  assert.equal(Buffer.from(splitter.end() ?? []).toString(), '{"a"');
  splitter.push(Buffer.from('{"a":"'));
  assert.throws(() => splitter.push(Buffer.from("aaaaa")), /larger than max \(10 bytes\)/);
});
