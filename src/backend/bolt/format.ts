/**
 * The layout of a bbolt file, version 2: page header, meta body, element headers. All numbers are
 * little-endian. Nothing here reads or writes a file.
 *
 * Page header (16 bytes): id u64, flags u16, count u16, overflow u32 (pages that follow this one).
 * Leaf element (16 bytes): flags u32, pos u32, ksize u32, vsize u32.
 * Branch element (16 bytes): pos u32, ksize u32, pgid u64. `pos` counts from the element itself.
 * Meta body (at 16): magic, version, pageSize, flags u32; root pgid, root sequence, freelist pgid,
 * high-water pgid, txid u64; FNV-1a 64 of the 56 bytes before it.
 */

import { fnv1a64 } from "../../base/fnv1a.ts";

export const PAGE_HEADER_BYTES = 16;
export const ELEMENT_BYTES = 16;
export const BUCKET_HEADER_BYTES = 16;

export const BRANCH_PAGE = 0x01;
export const LEAF_PAGE = 0x02;
export const META_PAGE = 0x04;
export const FREELIST_PAGE = 0x10;

/** Leaf element flag: the value is a nested bucket. */
export const BUCKET_ELEMENT = 0x01;

/** The sizes of a page that bbolt can open. */
export const MIN_PAGE_BYTES = 512;
export const MAX_PAGE_BYTES = 65536;
/** What a new file gets: the memory page of the machines that etcd runs on. */
export const DEFAULT_PAGE_BYTES = 4096;

/** bbolt's own limit. */
export const MAX_KEY_BYTES = 32768;
/** Limit of one page with its overflow: the largest Buffer that every supported Node can make. */
export const MAX_PAGE_RUN_BYTES = 0x7fff_0000;
/** Page ids stay below 2^32 so that they index bitmaps: 16 TiB with 4 KiB pages. */
export const MAX_PAGES = 0xffff_ffff;
/** Deeper trees do not come from bbolt: two keys a page already give 2^64 keys. */
export const MAX_TREE_DEPTH = 64;

const META_MAGIC = 0xed0cdaed;
const META_VERSION = 2;
const META_CHECKSUM_AT = PAGE_HEADER_BYTES + 56;
export const META_END = META_CHECKSUM_AT + 8;

/** Marks in `Meta.freelistPgid` that the free pages are not listed in the file. */
export const NO_FREELIST = -1;

export interface Meta {
  readonly pageSize: number;
  readonly rootPgid: number;
  readonly rootSequence: bigint;
  /** NO_FREELIST when not synced. */
  readonly freelistPgid: number;
  /** All pages in use are below it. */
  readonly highWater: number;
  readonly txid: number;
}

export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** May exceed the safe integers: then it is wrong anyway, and compares as huge. */
export function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) + readU32(bytes, at + 4) * 0x1_0000_0000;
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, value >>> 0);
  writeU32(bytes, at + 4, Math.floor(value / 0x1_0000_0000));
}

export function writePageHeader(
  target: Uint8Array,
  id: number,
  flags: number,
  count: number,
  overflow: number,
): void {
  writeU64(target, 0, id);
  writeU16(target, 8, flags);
  writeU16(target, 10, count);
  writeU32(target, 12, overflow);
}

/** A whole meta page. The page's id is the parity of the txid. */
export function encodeMetaPage(meta: Meta, pageId: number = meta.txid % 2): Buffer {
  const page = Buffer.alloc(meta.pageSize);
  writePageHeader(page, pageId, META_PAGE, 0, 0);
  page.writeUInt32LE(META_MAGIC, 16);
  page.writeUInt32LE(META_VERSION, 20);
  page.writeUInt32LE(meta.pageSize, 24);
  writeU64(page, 32, meta.rootPgid);
  page.writeBigUInt64LE(meta.rootSequence, 40);
  if (meta.freelistPgid === NO_FREELIST) page.fill(0xff, 48, 56);
  else writeU64(page, 48, meta.freelistPgid);
  writeU64(page, 56, meta.highWater);
  writeU64(page, 64, meta.txid);
  const checksum = fnv1a64(page, PAGE_HEADER_BYTES, META_CHECKSUM_AT);
  writeU32(page, META_CHECKSUM_AT, checksum.lo);
  writeU32(page, META_CHECKSUM_AT + 4, checksum.hi);
  return page;
}

/** The meta in a page of at least META_END bytes, or the reason why there is none. */
export function decodeMetaPage(page: Buffer): Meta | string {
  if (page.length < META_END) return "meta page is cut short";
  if (readU32(page, 16) !== META_MAGIC) return "not a bbolt file (wrong magic number)";
  const version = readU32(page, 20);
  if (version !== META_VERSION) return `unknown format version ${version}`;
  const checksum = fnv1a64(page, PAGE_HEADER_BYTES, META_CHECKSUM_AT);
  if (
    readU32(page, META_CHECKSUM_AT) !== checksum.lo >>> 0 ||
    readU32(page, META_CHECKSUM_AT + 4) !== checksum.hi >>> 0
  ) {
    return "meta checksum does not match";
  }
  const pageSize = readU32(page, 24);
  if (!isPageSize(pageSize)) return `page size ${pageSize} is not supported`;
  const txid = readU64(page, 64);
  if (!Number.isSafeInteger(txid)) return `transaction id ${txid} is too large`;
  const unlisted = readU32(page, 48) === 0xffff_ffff && readU32(page, 52) === 0xffff_ffff;
  return {
    pageSize,
    rootPgid: readU64(page, 32),
    rootSequence: page.readBigUInt64LE(40),
    freelistPgid: unlisted ? NO_FREELIST : readU64(page, 48),
    highWater: readU64(page, 56),
    txid,
  };
}

function isPageSize(bytes: number): boolean {
  return bytes >= MIN_PAGE_BYTES && bytes <= MAX_PAGE_BYTES && (bytes & (bytes - 1)) === 0;
}
