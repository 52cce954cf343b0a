import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Message, MessageType } from "../../api/gen/raft.ts";
import { AppendDecoder, AppendEncoder } from "./append-codec.ts";
import { PeerStreamError, type StreamDecoder } from "./frame.ts";
import { MAX_APPEND_ENTRIES, MAX_PEER_MESSAGE_BYTES } from "./limits.ts";
import { MessageDecoder, MessageEncoder } from "./message-codec.ts";
import { append, message } from "./testing/peer-world.ts";

const A = 0xan;
const B = 0xbn;

/** All messages of a decoder that is fed these chunks. */
function decodeAll(decoder: StreamDecoder, chunks: readonly Uint8Array[]): Message[] {
  const found: Message[] = [];
  for (const chunk of chunks) {
    decoder.push(Buffer.from(chunk));
    for (;;) {
      const next = decoder.next();
      if (next === undefined) break;
      found.push(next);
    }
  }
  return found;
}

function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return [...chunks, bytes.subarray(at)];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Type, to, from, term, logTerm, index, entries, commit and the rest, as proto2 writes them. */
const SMALL = "0803100b180a2003280330053a0908001003180622016140025000580068 00".replace(" ", "");

test("a message is its length in 8 bytes and itself; the heartbeat is an empty one", () => {
  const small = append(A, B, 5, []);
  small.entries.push({ type: 0, term: 3, index: 6, data: Buffer.from("a") });
  small.commit = 2;
  const bytes = new MessageEncoder().encode([small]);
  assert.equal(hex(bytes), `000000000000001f${SMALL}`);
  assert.equal(
    hex(new MessageEncoder().heartbeat),
    "0000000000000014" + "0808100018002000280030004000500058006800",
  );
});

test("what continues the log is entries and commit alone, anything else is whole", () => {
  const encoder = new AppendEncoder();
  const first = append(A, B, 5, []);
  first.entries.push({ type: 0, term: 3, index: 6, data: Buffer.from("a") });
  first.commit = 2;
  const next = append(A, B, 6, []);
  next.entries.push({ type: 1, term: 3, index: 7, data: Buffer.from("bc") });
  next.entries.push({ type: 0, term: 3, index: 8, data: Buffer.alloc(0) });
  next.commit = 7;
  const gap = append(A, B, 20, []);
  const expected = [
    `02000000000000001f${SMALL}`,
    "010000000000000002" +
      "000000000000000a0801100318072202" +
      "6263" +
      "00000000000000080800100318082200" +
      "0000000000000007",
  ];
  assert.equal(hex(encoder.encode([first, next])), expected.join(""));
  assert.equal(encoder.encode([gap])[0], 2, "a gap");
  assert.equal(encoder.encode([append(A, B, 20, [1])])[0], 1, "no gap");
  const newTerm = { ...append(A, B, 21, [1]), term: 4 };
  assert.equal(encoder.encode([newTerm])[0], 2, "another term");
  assert.equal(hex(encoder.heartbeat), "00");
});

const messages = fc.array(
  fc.record({
    index: fc.nat(20),
    term: fc.integer({ min: 1, max: 3 }),
    logTerm: fc.integer({ min: 1, max: 3 }),
    commit: fc.nat(2 ** 40),
    sizes: fc.array(fc.nat(400), { maxLength: 6 }),
    follows: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
);

test("both streams give back what went in, however it is cut", () => {
  fc.assert(
    fc.property(messages, fc.array(fc.nat(700), { maxLength: 30 }), (rows, lengths) => {
      let end = 0;
      let endTerm = 0;
      const sent = rows.map(({ index, term, logTerm, commit, sizes, follows }) => {
        const next = append(A, B, follows ? end : index, sizes);
        next.term = follows && endTerm > 0 ? endTerm : term;
        next.logTerm = follows && endTerm > 0 ? endTerm : logTerm;
        next.commit = commit;
        end = next.index + sizes.length;
        endTerm = next.term;
        return next;
      });
      const half = Math.floor(sent.length / 2);
      for (const [encoder, decoder] of [
        [new AppendEncoder(), new AppendDecoder(B, A)],
        [new MessageEncoder(), new MessageDecoder()],
      ] as const) {
        const bytes = Buffer.concat([
          encoder.heartbeat,
          encoder.encode(sent.slice(0, half)),
          encoder.heartbeat,
          encoder.encode(sent.slice(half)),
          encoder.heartbeat,
        ]);
        assert.deepEqual(decodeAll(decoder, cut(bytes, lengths)), sent);
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("a stream that breaks off anywhere gives the messages before, and no part of one", () => {
  const sent = [append(A, B, 5, [3, 4]), append(A, B, 7, [1]), append(A, B, 8, [])];
  const appendBytes = new AppendEncoder().encode(sent);
  const messageBytes = new MessageEncoder().encode(sent);
  for (const [bytes, decoderOf] of [
    [appendBytes, () => new AppendDecoder(B, A)],
    [messageBytes, () => new MessageDecoder()],
  ] as const) {
    let before = 0;
    for (let length = 0; length <= bytes.length; length++) {
      const got = decodeAll(decoderOf(), [bytes.subarray(0, length)]);
      assert.ok(got.length >= before);
      assert.deepEqual(got, sent.slice(0, got.length));
      before = got.length;
    }
    assert.equal(before, sent.length);
  }
});

test("rubbish ends in an error of the stream, never in another one", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isAppend) => {
      const decoder = isAppend ? new AppendDecoder(B, A) : new MessageDecoder();
      try {
        decodeAll(decoder, [bytes]);
      } catch (error) {
        assert.ok(error instanceof PeerStreamError, String(error));
      }
    }),
    { seed: 2, numRuns: 2_000 },
  );
});

test("lengths and counts beyond the limits are refused as soon as they are read", () => {
  const length = (value: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(value);
    return bytes;
  };
  const refused = (decoder: StreamDecoder, bytes: Uint8Array, text: RegExp): void => {
    assert.throws(
      () => decodeAll(decoder, [bytes]),
      (error: Error) => error instanceof PeerStreamError && text.test(error.message),
    );
  };
  const tooLong = length(BigInt(MAX_PEER_MESSAGE_BYTES) + 1n);
  refused(new MessageDecoder(), tooLong, /message size of 536870913 exceeds/);
  refused(new MessageDecoder(), length(2n ** 64n - 1n), /message size of Infinity exceeds/);
  refused(new MessageDecoder(100), length(101n), /message size of 101 exceeds/);
  const whole = (rest: Buffer): Buffer => Buffer.concat([Buffer.of(2), rest]);
  refused(new AppendDecoder(B, A), whole(tooLong), /message size/);
  const entries = (...rest: Buffer[]): Buffer => Buffer.concat([Buffer.of(1), ...rest]);
  const tooMany = length(BigInt(MAX_APPEND_ENTRIES) + 1n);
  refused(new AppendDecoder(B, A), entries(tooMany), /count of entries/);
  refused(new AppendDecoder(B, A), entries(length(1n), tooLong), /entry size/);
  const limited = new AppendDecoder(B, A, 400);
  const encoder = new AppendEncoder();
  const small = Array.from({ length: 50 }, (_, i) => append(A, B, i, [100]));
  assert.equal(decodeAll(limited, [encoder.encode(small)]).length, 50, "a limit per message");
  const large = encoder.encode([append(A, B, 50, [150, 150, 150])]);
  refused(limited, large, /entry size of \d+ exceeds/);
  refused(new AppendDecoder(B, A), Buffer.of(3), /failed to parse type 3 in msgappv2 stream/);
});

test("a small entry among many other messages does not keep their memory", () => {
  const noise = Array.from({ length: 1_000 }, (_, i) =>
    message({ type: MessageType.MsgHeartbeatResp, from: A, to: B, term: i }),
  );
  const proposal = message({ type: MessageType.MsgProp, from: A, to: B });
  proposal.entries = [{ type: 0, term: 0, index: 0, data: Buffer.from("proposal") }];
  const bytes = new MessageEncoder().encode([...noise, proposal, ...noise]);
  const got = decodeAll(new MessageDecoder(), [bytes])[1_000];
  const data = got?.entries[0]?.data as Uint8Array;
  assert.equal(Buffer.from(data).toString(), "proposal");
  assert.ok(data.buffer.byteLength <= 8_192, `${data.buffer.byteLength} bytes are held`);
});
