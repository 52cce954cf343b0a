/** Answers in pieces of every size, and what is no answer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswerError, type AnswerHead, AnswerReader } from "./answer-reader.ts";
import { MAX_ANSWER_HEAD_BYTES, MAX_CHUNK_LINE_BYTES } from "./limits.ts";

interface Read {
  readonly head: AnswerHead | undefined;
  readonly body: string;
  readonly whole: boolean;
  /** What the end of the connection meant. */
  readonly endedWell: boolean;
}

/** Reads the answer in pieces of so many bytes. */
function read(text: string, pieceBytes: number): Read {
  let head: AnswerHead | undefined;
  let body = "";
  let wholes = 0;
  const reader = new AnswerReader({
    onHead: (each) => {
      assert.equal(head, undefined, "one head");
      head = each;
    },
    onBody: (bytes) => {
      assert.ok(bytes.length > 0 && wholes === 0);
      body += bytes.toString("latin1");
    },
    onWhole: () => wholes++,
  });
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    reader.push(bytes.subarray(at, at + pieceBytes));
  }
  const whole = wholes > 0;
  const endedWell = reader.ended();
  assert.ok(wholes <= 1);
  return { head, body, whole, endedWell };
}

const HEAD = "HTTP/1.1 200 OK\r\nX-Etcd-Cluster-ID: c1\r\nx-two: a\r\nX-Two:  b \r\n";
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
const CHUNKS = "5\r\nhello\r\n00a; x=1\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";

test("a chunked answer is read whatever the pieces it comes in", () => {
  const answer = CHUNKED + CHUNKS;
  for (let pieceBytes = 1; pieceBytes <= answer.length; pieceBytes++) {
    const { head, body, whole } = read(answer, pieceBytes);
    assert.equal(head?.status, 200);
    assert.equal(head?.headers["x-etcd-cluster-id"], "c1");
    assert.equal(head?.headers["x-two"], "a, b");
    assert.equal(body, "hello0123456789");
    assert.equal(whole, true);
  }
});

test("an answer that is cut anywhere is not whole", () => {
  const answer = CHUNKED + CHUNKS;
  for (let length = 0; length < answer.length; length++) {
    const { whole, endedWell } = read(answer.slice(0, length), 1_000);
    assert.equal(whole, false, `${length} bytes`);
    assert.equal(endedWell, false, `${length} bytes`);
  }
});

test("what follows a whole answer is not read", () => {
  assert.equal(read(`${CHUNKED + CHUNKS}5\r\nhello\r\n`, 7).body, "hello0123456789");
});

test("answers with a length, without one, and without a body", () => {
  for (const pieceBytes of [1, 3, 1_000]) {
    const sized = read("HTTP/1.1 410 Gone\r\ncontent-length: 4\r\n\r\ngone", pieceBytes);
    assert.deepEqual([sized.head?.status, sized.body, sized.whole], [410, "gone", true]);
    const short = read("HTTP/1.1 410 Gone\r\ncontent-length: 5\r\n\r\ngone", pieceBytes);
    assert.equal(short.endedWell, false);
    const rest = read("HTTP/1.0 404 Not Found\r\n\r\nnot here", pieceBytes);
    assert.deepEqual([rest.body, rest.whole, rest.endedWell], ["not here", false, true]);
    const empty = read("HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n", pieceBytes);
    assert.deepEqual([empty.head?.status, empty.body, empty.whole], [503, "", true]);
    const early = read(`HTTP/1.1 100 Continue\r\n\r\n${CHUNKED}${CHUNKS}`, pieceBytes);
    assert.equal(early.body, "hello0123456789");
  }
});

const MALFORMED: readonly (readonly [string, string])[] = [
  ["another protocol", "SSH-2.0-OpenSSH_9.6\r\n\r\n"],
  ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
  ["a later version", "HTTP/2 200\r\n\r\n"],
  ["a header line without a colon", `${HEAD}rubbish\r\n\r\n`],
  ["a folded header line", `${HEAD} folded: yes\r\n\r\n`],
  ["another coding", `${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  ["a coding and a length", `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n`],
  ["a negative length", `${HEAD}Content-Length: -3\r\n\r\n`],
  ["two lengths", `${HEAD}Content-Length: 3\r\nContent-Length: 4\r\n\r\n`],
  ["a chunk without a length", `${CHUNKED}\r\nhello`],
  ["a chunk with a negative length", `${CHUNKED}-5\r\nhello`],
  ["a chunk longer than its length", `${CHUNKED}2\r\nhello\r\n`],
  ["a chunk of more bytes than can be counted", `${CHUNKED}ffffffffffffffff\r\n`],
  ["a head that does not end", `${HEAD}X: ${"x".repeat(MAX_ANSWER_HEAD_BYTES)}`],
  ["an extension that does not end", `${CHUNKED}5;${"x".repeat(MAX_CHUNK_LINE_BYTES)}`],
  ["zeros that do not end", `${CHUNKED}${"0".repeat(MAX_CHUNK_LINE_BYTES + 1)}`],
  ["a trailer that does not end", `${CHUNKED}0\r\n${"x".repeat(MAX_CHUNK_LINE_BYTES + 1)}`],
];

test("what is no answer is refused", () => {
  for (const [what, text] of MALFORMED) {
    for (const pieceBytes of [1, 100_000]) {
      assert.throws(() => read(text, pieceBytes), AnswerError, what);
    }
  }
});
