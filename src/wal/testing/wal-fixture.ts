/** What the tests of this folder share: small entries, states, and logs on a fault disk. */
import { Entry, HardState } from "../../api/gen/raft.ts";
import { Snapshot } from "../../api/gen/wal.ts";
import { FaultDisk } from "../../env/testing/fault-disk.ts";
import { MemoryLogger } from "../../env/testing/memory-logger.ts";
import { readLog } from "../read-log.ts";
import { Wal, type WalOptions } from "../wal.ts";

export const DIRECTORY = "/data/member/wal";
export const METADATA: Uint8Array = Buffer.from("0893e2b1d4ea9c10108f9d", "hex");
export const ZERO = { index: 0, term: 0 } as const;

export function entry(index: number, term: number, data: string | Uint8Array): Entry {
  const bytes = typeof data === "string" ? Buffer.from(data, "latin1") : data;
  return Entry.create({ type: 0, term, index, data: bytes });
}

export function entries(first: number, count: number, term = 1, size = 20): Entry[] {
  return Array.from({ length: count }, (_, i) => {
    const index = first + i;
    return entry(index, term, `${index}:`.padEnd(size, "abcdefghij"));
  });
}

export function state(term: number, vote: bigint, commit: number): HardState {
  return HardState.create({ term, vote, commit });
}

export function snapshotRecord(index: number, term: number): Snapshot {
  const confState = {
    voters: [1n],
    learners: [],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
  return Snapshot.create({ index, term, confState });
}

/** An empty disk on which the parent of `DIRECTORY` is durable. */
export function emptyDisk(): FaultDisk {
  const disk = new FaultDisk();
  disk.makeDirectories("/data/member", 0o700);
  disk.syncAll();
  return disk;
}

export function create(
  disk: FaultDisk,
  options: WalOptions = {},
  logger = new MemoryLogger(),
): Wal {
  return Wal.create({ disk, logger }, DIRECTORY, METADATA, { segmentBytes: 4096, ...options });
}

export function open(
  disk: FaultDisk,
  snapshot: { index: number; term: number } = ZERO,
  options: WalOptions = {},
  logger = new MemoryLogger(),
): Wal {
  return Wal.open({ disk, logger }, DIRECTORY, snapshot, { segmentBytes: 4096, ...options });
}

export function read(disk: FaultDisk, snapshot: { index: number; term: number } = ZERO) {
  return readLog({ disk, logger: new MemoryLogger() }, DIRECTORY, snapshot);
}

/** "index/term:data" of each entry. */
export function texts(list: readonly Entry[]): string[] {
  return list.map((e) => `${e.index}/${e.term}:${Buffer.from(e.data).toString("latin1")}`);
}
