import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { HeaderBlock } from "./header-block.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import {
  HeaderTemplate,
  HpackEncoder,
  MODE_INDEX,
  MODE_NEVER,
  MODE_PLAIN,
  OutgoingField,
} from "./hpack-encoder.ts";
import { huffmanDecode, huffmanEncode, huffmanSize } from "./huffman.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

function decode(decoder: HpackDecoder, bytes: Buffer): HeaderBlock | undefined {
  return decoder.decode(bytes, 0, bytes.length);
}

function summary(block: HeaderBlock | undefined) {
  assert.ok(block !== undefined);
  const { method, scheme, path, authority, status, fields } = block;
  const regular = fields.map((field) => `${field.name}: ${field.value}`);
  return [method, scheme, path, authority, status || "", ...regular].filter((part) => part !== "");
}

/** RFC 7541 Appendix C.3 (plain) and C.4 (Huffman): the same requests. */
const REQUESTS = [
  { text: ["GET", "http", "/", "www.example.com"], tableBytes: 57 },
  { text: ["GET", "http", "/", "www.example.com", "cache-control: no-cache"], tableBytes: 110 },
  {
    text: ["GET", "https", "/index.html", "www.example.com", "custom-key: custom-value"],
    tableBytes: 164,
  },
];
const REQUEST_BYTES = {
  "C.3": [
    "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "8286 84be 5808 6e6f 2d63 6163 6865",
    "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
  ],
  "C.4": [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
  ],
};

/** RFC 7541 Appendix C.5 and C.6: responses with a table of 256 bytes that evicts. */
const COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const RESPONSES = [
  {
    text: [
      302,
      "cache-control: private",
      "date: Mon, 21 Oct 2013 20:13:21 GMT",
      "location: https://www.example.com",
    ],
    tableBytes: 222,
  },
  {
    text: [
      307,
      "cache-control: private",
      "date: Mon, 21 Oct 2013 20:13:21 GMT",
      "location: https://www.example.com",
    ],
    tableBytes: 222,
  },
  {
    text: [
      200,
      "cache-control: private",
      "date: Mon, 21 Oct 2013 20:13:22 GMT",
      "location: https://www.example.com",
      "content-encoding: gzip",
      `set-cookie: ${COOKIE}`,
    ],
    tableBytes: 215,
  },
];
const RESPONSE_BYTES = {
  "C.5": [
    "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a" +
      "3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "4803 3330 37c1 c0bf",
    "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04" +
      "677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49" +
      "553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
  ],
  "C.6": [
    "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e" +
      "919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
    "4883 640e ffc1 c0bf",
    "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7" +
      "821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed" +
      "4ee5 b106 3d50 07",
  ],
};

test("the request examples of RFC 7541 C.3 and C.4 decode", () => {
  for (const vectors of Object.values(REQUEST_BYTES)) {
    const decoder = new HpackDecoder();
    vectors.forEach((bytes, i) => {
      assert.deepEqual(summary(decode(decoder, hex(bytes))), REQUESTS[i]?.text);
      assert.equal(decoder.tableBytes, REQUESTS[i]?.tableBytes);
    });
  }
});

test("the response examples of RFC 7541 C.5 and C.6 decode, with eviction", () => {
  for (const vectors of Object.values(RESPONSE_BYTES)) {
    const decoder = new HpackDecoder(16_384, 256);
    vectors.forEach((bytes, i) => {
      assert.deepEqual(summary(decode(decoder, hex(bytes))), RESPONSES[i]?.text);
      assert.equal(decoder.tableBytes, RESPONSES[i]?.tableBytes);
    });
  }
});

test("the single-field examples of RFC 7541 C.2 decode and touch the table as they say", () => {
  const decoder = new HpackDecoder();
  const indexed = hex("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572");
  assert.deepEqual(summary(decode(decoder, indexed)), ["custom-key: custom-header"]);
  assert.equal(decoder.tableBytes, 55);
  const plain = hex("040c 2f73 616d 706c 652f 7061 7468");
  assert.deepEqual(summary(decode(decoder, plain)), ["/sample/path"]);
  const never = hex("1008 7061 7373 776f 7264 0673 6563 7265 74");
  assert.deepEqual(summary(decode(decoder, never)), ["password: secret"]);
  assert.deepEqual(summary(decode(decoder, hex("82"))), ["GET"]);
  assert.equal(decoder.tableBytes, 55);
});

test("the examples of RFC 7541 C.4 are what our encoder writes", () => {
  const encoder = new HpackEncoder();
  const head = (scheme: string, path: string) => [
    new OutgoingField(":method", "GET"),
    new OutgoingField(":scheme", scheme),
    new OutgoingField(":path", path),
    new OutgoingField(":authority", "www.example.com", MODE_INDEX),
  ];
  const blocks = [
    head("http", "/"),
    [...head("http", "/"), new OutgoingField("cache-control", "no-cache", MODE_INDEX)],
    [...head("https", "/index.html"), new OutgoingField("custom-key", "custom-value", MODE_INDEX)],
  ];
  blocks.forEach((fields, i) => {
    const expected = hex(REQUEST_BYTES["C.4"][i] ?? "");
    assert.equal(Buffer.from(encoder.encode(fields)).toString("hex"), expected.toString("hex"));
  });
});

const MALFORMED: readonly (readonly [what: string, bytes: string])[] = [
  ["index 0", "80"],
  ["an index beyond the tables", "ff 80 01"],
  ["an integer that never ends", "ff ff ff ff ff ff ff ff ff 7f"],
  ["an integer cut off", "ff 80"],
  ["a literal cut off after its name", "40 01 61"],
  ["a string longer than the block", "40 0a 61"],
  ["a string of 2^28 bytes", "40 7f ff ff ff 7f 61"],
  ["EOS inside a Huffman string", "40 84 ff ff ff ff 01 61"],
  ["Huffman padding of 8 bits", "40 82 1f ff 01 61"],
  ["Huffman padding with zeros", "40 81 18 01 61"],
  ["a table size above the setting", "3f e2 1f"],
  ["a table size update after a field", "82 20"],
];

for (const [what, bytes] of MALFORMED) {
  test(`a block with ${what} is malformed`, () => {
    assert.equal(decode(new HpackDecoder(), hex(bytes)), undefined);
  });
}

test("a table size update empties the table, and a field larger than the table does too", () => {
  const decoder = new HpackDecoder();
  decode(decoder, hex("4001 6101 62"));
  assert.equal(decoder.tableBytes, 34);
  decode(decoder, hex("20 3f e1 1f 82"));
  assert.equal(decoder.tableBytes, 0);
  decode(decoder, hex("4001 6101 62"));
  const large = Buffer.concat([hex("4001 61 7f a1 1f"), Buffer.alloc(4_128, "x")]);
  assert.notEqual(decode(decoder, large), undefined);
  assert.equal(decoder.tableBytes, 0);
});

test("a bomb of references to one large entry is cut off at the list limit", () => {
  const decoder = new HpackDecoder(16_384);
  const entry = Buffer.concat([hex("4001 61 7f b9 1e"), Buffer.alloc(4_024 - 8, "x")]);
  const bomb = Buffer.concat([entry, Buffer.alloc(12_000, 0xbe)]);
  const block = decode(decoder, bomb);
  assert.equal(block?.tooLarge, true);
  assert.ok((block?.fields.length ?? 0) <= 4);
});

test("a repeated block gives the same object, until the table changes", () => {
  const decoder = new HpackDecoder();
  decode(decoder, hex("4001 6101 62"));
  const first = decode(decoder, hex("82be"));
  assert.equal(decode(decoder, hex("82be")), first);
  decode(decoder, hex("4001 6101 63"));
  const second = decode(decoder, hex("82be"));
  assert.notEqual(second, first);
  assert.deepEqual(summary(second), ["GET", "a: c"]);
});

test("any bytes survive Huffman coding", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = Buffer.from(bytes).toString("latin1");
      const coded = Buffer.alloc(bytes.length * 4 + 8);
      const end = huffmanEncode(text, coded, 0);
      assert.equal(end, huffmanSize(text));
      const decoded = Buffer.alloc(bytes.length);
      assert.equal(huffmanDecode(coded, 0, end, decoded), bytes.length);
      assert.ok(decoded.equals(Buffer.from(bytes)));
    }),
  );
});

test("a template follows the table: what was cached before an insertion is not sent after it", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const template = new HeaderTemplate([new OutgoingField("a", "1", MODE_INDEX)]);
  const other = [new OutgoingField("b", "2", MODE_INDEX)];
  const read = (bytes: Uint8Array) => summary(decode(decoder, Buffer.from(bytes)));
  for (let i = 0; i < 3; i++) assert.deepEqual(read(encoder.encodeTemplate(template)), ["a: 1"]);
  assert.deepEqual(read(encoder.encode(other)), ["b: 2"]);
  assert.deepEqual(read(encoder.encodeTemplate(template)), ["a: 1"]);
  const extra = new OutgoingField("c", "3");
  assert.deepEqual(read(encoder.encodeTemplateAnd(template, extra)), ["a: 1", "c: 3"]);
  encoder.setMaxTableBytes(0);
  assert.deepEqual(read(encoder.encodeTemplateAnd(template, extra)), ["a: 1", "c: 3"]);
  assert.equal(decoder.tableBytes, 0);
});

const field = fc
  .record({
    name: fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/),
    value: fc.stringMatching(/^[!-~]{0,40}$/),
    mode: fc.constantFrom(MODE_INDEX, MODE_PLAIN, MODE_NEVER),
  })
  .map(({ name, value, mode }) => new OutgoingField(name, value, mode));

test("what the encoder writes the decoder reads, over many blocks and table sizes", () => {
  const blocks = fc.array(
    fc.record({
      fields: fc.array(field, { maxLength: 12 }),
      tableBytes: fc.option(fc.integer({ min: 0, max: 5_000 })),
      asTemplate: fc.boolean(),
    }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(blocks, (sequence) => {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder(1_000_000);
      for (const { fields, tableBytes, asTemplate } of sequence) {
        if (tableBytes !== null) encoder.setMaxTableBytes(tableBytes);
        const template = new HeaderTemplate(fields);
        for (let i = 0; i < 3; i++) {
          const bytes = asTemplate ? encoder.encodeTemplate(template) : encoder.encode(fields);
          const block = decode(decoder, Buffer.from(bytes));
          const expected = fields.map(({ name, value }) => `${name}: ${value}`);
          assert.deepEqual(
            block?.fields.map(({ name, value }) => `${name}: ${value}`),
            expected,
          );
        }
      }
    }),
  );
});

test("random bytes never throw in the decoder", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (blocks) => {
      const decoder = new HpackDecoder();
      for (const bytes of blocks) {
        decode(decoder, Buffer.from(bytes));
        assert.ok(decoder.tableBytes <= 4_096);
      }
    }),
    { numRuns: 500 },
  );
});
