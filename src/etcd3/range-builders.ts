/** Reads, put together step by step and carried out when they are awaited. */
import { type KeyPrefix, Range, type Rangable, toBuffer } from "./keys.ts";
import { SortOrder, SortTarget } from "./messages/enums.ts";
import type { IRangeRequest, IRangeResponse, IRequestOp } from "./messages/kv.ts";
import type { ICallOptions } from "./options.ts";
import { PromiseWrap } from "./promise-like.ts";
import type { KVClient } from "./rpc-clients.ts";

/** What can stand in a branch of a transaction. */
export interface IOperation {
  op(): Promise<IRequestOp>;
}

export type RangeCalls = Pick<KVClient, "range">;

export abstract class RangeBuilder<T> extends PromiseWrap<T> implements IOperation {
  protected readonly namespace: KeyPrefix;
  protected readonly request: IRangeRequest = {};
  protected callOptions: ICallOptions | undefined;

  constructor(namespace: KeyPrefix) {
    super();
    this.namespace = namespace;
  }

  /** Reads as of this revision. */
  revision(revision: number | string): this {
    this.request.revision = revision;
    return this;
  }

  /** Lets the member that is asked answer by itself, perhaps with what is old. */
  serializable(serializable: boolean): this {
    this.request.serializable = serializable;
    return this;
  }

  minModRevision(revision: number | string): this {
    this.request.min_mod_revision = revision;
    return this;
  }

  maxModRevision(revision: number | string): this {
    this.request.max_mod_revision = revision;
    return this;
  }

  minCreateRevision(revision: number | string): this {
    this.request.min_create_revision = revision;
    return this;
  }

  maxCreateRevision(revision: number | string): this {
    this.request.max_create_revision = revision;
    return this;
  }

  options(options: ICallOptions | undefined): this {
    this.callOptions = options;
    return this;
  }

  async op(): Promise<IRequestOp> {
    return { request_range: this.namespace.addTo(this.request) };
  }
}

/** Reads one key; awaited by itself, its value as text, or null. */
export class SingleRangeBuilder extends RangeBuilder<string | null> {
  readonly #kv: RangeCalls;

  constructor(kv: RangeCalls, namespace: KeyPrefix, key: string | Buffer) {
    super(namespace);
    this.#kv = kv;
    this.request.key = toBuffer(key);
    this.request.limit = 1;
  }

  /** The value parsed as JSON; null if there is no key. */
  async json(): Promise<unknown> {
    const text = await this.string();
    return text === null ? null : JSON.parse(text);
  }

  async string(encoding: BufferEncoding = "utf8"): Promise<string | null> {
    const value = await this.buffer();
    return value === null ? null : value.toString(encoding);
  }

  async number(): Promise<number | null> {
    const text = await this.string();
    return text === null ? null : Number(text);
  }

  async buffer(): Promise<Buffer | null> {
    const { kvs } = await this.exec();
    return kvs[0]?.value ?? null;
  }

  async exists(): Promise<boolean> {
    this.request.keys_only = true;
    const { count } = await this.exec();
    return count !== "0";
  }

  /** etcd's own answer. The key in it is the whole key. */
  exec(): Promise<IRangeResponse> {
    return this.#kv.range(this.namespace.addTo(this.request), this.callOptions);
  }

  protected createPromise(): Promise<string | null> {
    return this.string();
  }
}

type ByKey<T> = { [key: string]: T };

/** Reads a range of keys, all of them unless told otherwise; awaited by itself, values as text. */
export class MultiRangeBuilder extends RangeBuilder<ByKey<string>> {
  readonly #kv: RangeCalls;

  constructor(kv: RangeCalls, namespace: KeyPrefix) {
    super(namespace);
    this.#kv = kv;
    this.all();
  }

  prefix(value: string | Buffer): this {
    return this.inRange(Range.prefix(value));
  }

  inRange(range: Rangable): this {
    const { start, end } = Range.from(range);
    this.request.key = start;
    this.request.range_end = end;
    return this;
  }

  all(): this {
    return this.prefix("");
  }

  /** Infinity: no limit. */
  limit(count: number): this {
    this.request.limit = Number.isFinite(count) ? count : 0;
    return this;
  }

  sort(target: keyof typeof SortTarget, order: keyof typeof SortOrder): this {
    this.request.sort_target = oneOf(SortTarget, target, "sort target in client.get().sort(...)");
    this.request.sort_order = oneOf(SortOrder, order, "sort order in client.get().sort(...)");
    return this;
  }

  async count(): Promise<number> {
    this.request.count_only = true;
    return Number((await this.exec()).count);
  }

  async keys(encoding: BufferEncoding = "utf8"): Promise<string[]> {
    return (await this.keyBuffers()).map((key) => key.toString(encoding));
  }

  async keyBuffers(): Promise<Buffer[]> {
    this.request.keys_only = true;
    return (await this.exec()).kvs.map(({ key }) => key);
  }

  json(): Promise<ByKey<unknown>> {
    return this.#values((value) => JSON.parse(value.toString()));
  }

  strings(encoding: BufferEncoding = "utf8"): Promise<ByKey<string>> {
    return this.#values((value) => value.toString(encoding));
  }

  numbers(): Promise<ByKey<number>> {
    return this.#values((value) => Number(value.toString()));
  }

  buffers(): Promise<ByKey<Buffer>> {
    return this.#values((value) => value);
  }

  /** etcd's own answer, with keys as the namespace has them. */
  async exec(): Promise<IRangeResponse> {
    const answer = await this.#kv.range(this.namespace.addTo(this.request), this.callOptions);
    for (const kv of answer.kvs) kv.key = this.namespace.strip(kv.key);
    return answer;
  }

  protected createPromise(): Promise<ByKey<string>> {
    return this.strings();
  }

  async #values<T>(read: (value: Buffer) => T): Promise<ByKey<T>> {
    const { kvs } = await this.exec();
    return Object.fromEntries(kvs.map(({ key, value }) => [key.toString(), read(value)]));
  }
}

/** The value of a name, or an error that lists the names. */
export function oneOf<T extends object>(table: T, name: keyof T, where: string): T[keyof T] {
  if (Object.hasOwn(table, name)) return table[name];
  const names = Object.keys(table).join('" "');
  throw new Error(`Unexpected "${String(name)}" in ${where}. Possible values are: "${names}"`);
}
