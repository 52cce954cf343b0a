/** Damaged and hostile files: refused with the page and the reason, or served from the other meta. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultDisk } from "../env/testing/fault-disk.ts";
import { SeededRandom } from "../env/testing/seeded-random.ts";
import { checkBolt } from "./bolt/check.ts";
import { readU32, readU64, writeU16, writeU32, writeU64 } from "./bolt/format.ts";
import { BackendClosedError, BackendCorruptError } from "./errors.ts";
import { DB_PATH, Model, openOn, readAll, revisionKey } from "./testing/harness.ts";
import { ETCD_BUCKETS, KEY_BUCKET, LEASE_BUCKET, META_BUCKET } from "./types.ts";

const PAGE = 4096;
const FLIPS = Number(process.env.BACKEND_FLIPS ?? 400);

interface Sample {
  readonly content: Buffer;
  readonly last: Model;
  readonly previous: Model;
}

/** A db with a tree of three levels, an overflow page, inline buckets and free pages. */
async function sampleFile(freelistSync: boolean): Promise<Sample> {
  const disk = new FaultDisk();
  const backend = await openOn(disk, { freelistSync });
  const model = new Model();
  const put = (main: number, value: Buffer): void => {
    backend.put(KEY_BUCKET, revisionKey(main), value);
    model.put(KEY_BUCKET, revisionKey(main), value);
  };
  for (let main = 2; main < 300; main++) put(main, Buffer.alloc(400, main));
  put(300, Buffer.alloc(9000, "o"));
  await backend.commit();
  for (let main = 50; main < 150; main++) {
    backend.delete(KEY_BUCKET, revisionKey(main));
    model.delete(KEY_BUCKET, revisionKey(main));
  }
  backend.put(META_BUCKET, Buffer.from("consistent_index"), Buffer.from("\0\0\0\0\0\0\0\x07"));
  model.put(META_BUCKET, Buffer.from("consistent_index"), Buffer.from("\0\0\0\0\0\0\0\x07"));
  await backend.commit();
  const previous = new Model(model);
  put(301, Buffer.from("last"));
  await backend.close();
  const file = Buffer.from(disk.fileContent(DB_PATH));
  return { content: file, last: model, previous };
}

function diskWith(content: Buffer): FaultDisk {
  const disk = new FaultDisk();
  disk.open(DB_PATH, { create: true }).close();
  disk.editFile(DB_PATH, () => Buffer.from(content));
  return disk;
}

/** What happened with the file: refused, or readable as one of the models, or something else. */
async function tryFile(content: Buffer, sample: Sample): Promise<"refused" | "intact" | "other"> {
  const disk = diskWith(content);
  const file = disk.open(DB_PATH);
  await checkBolt(file);
  file.close();
  try {
    const backend = await openOn(disk);
    const isIntact = sample.last.equals(backend) || sample.previous.equals(backend);
    for (const bucket of ETCD_BUCKETS) readAll(backend, bucket);
    backend.put(KEY_BUCKET, revisionKey(1000), Buffer.from("new"));
    backend.delete(KEY_BUCKET, revisionKey(20));
    backend.put(LEASE_BUCKET, Buffer.from("lease"), Buffer.from("new"));
    await backend.commit();
    await backend.close();
    return isIntact ? "intact" : "other";
  } catch (error) {
    if (error instanceof BackendCorruptError) return "refused";
    if (error instanceof BackendClosedError && error.cause instanceof BackendCorruptError) {
      return "refused";
    }
    throw error;
  }
}

for (const freelistSync of [false, true]) {
  test(`any flipped bit is refused or survived without harm (freelist ${freelistSync})`, async () => {
    const sample = await sampleFile(freelistSync);
    const random = new SeededRandom(11);
    const pages = Math.floor(sample.content.length / PAGE);
    let refused = 0;
    for (let flip = 0; flip < FLIPS; flip++) {
      // Headers and element tables are where a flip does most.
      const page = random.chance(0.1) ? random.below(2) : random.below(Math.min(pages, 60));
      const offset = random.chance(0.8) ? random.below(256) : random.below(PAGE);
      const damaged = Buffer.from(sample.content);
      const at = page * PAGE + offset;
      damaged[at] = (damaged[at] as number) ^ (1 << random.below(8));
      const outcome = await tryFile(damaged, sample);
      if (outcome === "refused") refused++;
      if (page < 2) assert.equal(outcome, "intact", `bit in meta page ${page} at ${offset}`);
    }
    assert.ok(refused > 0);
  });
}

test("with one meta page destroyed the other one serves", async () => {
  const sample = await sampleFile(false);
  const metas = [0, 1].map((slot) => readU64(sample.content, slot * PAGE + 64));
  const newest = (metas[0] as number) > (metas[1] as number) ? 0 : 1;
  for (const slot of [0, 1]) {
    const damaged = Buffer.from(sample.content);
    damaged.fill(0xaa, slot * PAGE, (slot + 1) * PAGE);
    const backend = await openOn(diskWith(damaged), { ensureBuckets: [] });
    (slot === newest ? sample.previous : sample.last).assertEquals(backend);
    await backend.close();
  }
});

test("a file without a valid meta page is refused and not overwritten", async () => {
  const sample = await sampleFile(false);
  const damaged = Buffer.from(sample.content);
  damaged.fill(0, 0, 2 * PAGE);
  const disk = diskWith(damaged);
  await assert.rejects(openOn(disk), { code: "EDBCORRUPT", message: /neither meta page is valid/ });
  assert.ok(damaged.equals(disk.fileContent(DB_PATH)));
  const text = diskWith(Buffer.from("this is no database"));
  await assert.rejects(openOn(text), { code: "EDBCORRUPT" });
});

test("a file cut short is refused", async () => {
  const sample = await sampleFile(false);
  const highWater = readU64(sample.content, 56);
  for (const pages of [2, 3, Math.floor(highWater / 2), highWater - 1]) {
    const disk = diskWith(sample.content.subarray(0, pages * PAGE));
    await assert.rejects(openOn(disk), { code: "EDBCORRUPT" }, `${pages} pages`);
  }
});

/** The branch page that is the root of the key bucket. */
function keyRoot(content: Buffer): number {
  for (let id = 2; id * PAGE < content.length; id++) {
    if (readU64(content, id * PAGE) !== id || content[id * PAGE + 8] !== 1) continue;
    return id;
  }
  return assert.fail("no branch page");
}

async function refusal(content: Buffer): Promise<BackendCorruptError> {
  const disk = diskWith(content);
  const file = disk.open(DB_PATH);
  const report = await checkBolt(file);
  file.close();
  assert.notDeepEqual(report.errors, []);
  const error: unknown = await openOn(disk).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof BackendCorruptError, "opens");
  return error;
}

test("a cycle in the tree is refused", async () => {
  const { content } = await sampleFile(false);
  const branches: number[] = [];
  for (let id = 2; (id + 1) * PAGE <= content.length; id++) {
    if (readU64(content, id * PAGE) === id && content[id * PAGE + 8] === 1) branches.push(id);
  }
  for (const id of branches) writeU64(content, id * PAGE + 16 + 8, id);
  assert.match((await refusal(content)).reason, /in use twice/);
});

test("a child, overflow, count or element outside of its bounds is refused with the page", async () => {
  const { content } = await sampleFile(false);
  // The newest root: its meta has the higher txid.
  const slot = readU64(content, 64) > readU64(content, PAGE + 64) ? 0 : 1;
  const root = readU64(content, slot * PAGE + 32);
  const at = root * PAGE;
  const damage: [string, RegExp, (copy: Buffer) => void][] = [
    ["flags", /flags 0x10/, (copy) => writeU16(copy, at + 8, 0x10)],
    ["id", /says that it is page 77/, (copy) => writeU64(copy, at, 77)],
    ["overflow", /overflow/, (copy) => writeU32(copy, at + 12, 0xffff_fff0)],
    ["count", /elements do not fit/, (copy) => writeU16(copy, at + 10, 0xffff)],
    ["pos", /outside of the page/, (copy) => writeU32(copy, at + 16 + 4, 0x7fff_ffff)],
    ["ksize", /outside of the page/, (copy) => writeU32(copy, at + 16 + 8, 0xffff_ffff)],
    ["vsize", /outside of the page/, (copy) => writeU32(copy, at + 16 + 12, 0xffff_ffff)],
    ["empty key", /empty key/, (copy) => writeU32(copy, at + 16 + 8, 0)],
    [
      "order",
      /not above/,
      (copy) => copy.fill(0xff, at + 16 + readU32(copy, at + 20), at + 17 + readU32(copy, at + 20)),
    ],
  ];
  for (const [what, reason, apply] of damage) {
    const copy = Buffer.from(content);
    apply(copy);
    const error = await refusal(copy);
    assert.equal(error.pageId, root, what);
    assert.match(error.reason, reason, what);
  }
  const branch = Buffer.from(content);
  writeU64(branch, keyRoot(branch) * PAGE + 16 + 8, 1_000_000);
  const file = diskWith(branch).open(DB_PATH);
  await checkBolt(file);
});

test("a freelist that names a page in use is refused", async () => {
  const { content } = await sampleFile(true);
  const slot = readU64(content, 64) > readU64(content, PAGE + 64) ? 0 : 1;
  const root = readU64(content, slot * PAGE + 32);
  const freelist = readU64(content, slot * PAGE + 48) * PAGE;
  writeU64(content, freelist + 16, root);
  const error = await refusal(content);
  assert.match(error.reason, /freelist/);
});
