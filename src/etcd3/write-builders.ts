/** Writes and deletions, put together step by step and carried out when they are awaited. */
import { type KeyPrefix, Range, type Rangable, toBuffer } from "./keys.ts";
import type {
  IDeleteRangeRequest,
  IDeleteRangeResponse,
  IKeyValue,
  IPutRequest,
  IPutResponse,
  IRequestOp,
  IResponseHeader,
} from "./messages/kv.ts";
import type { ICallOptions } from "./options.ts";
import { PromiseWrap } from "./promise-like.ts";
import type { IOperation } from "./range-builders.ts";
import type { KVClient } from "./rpc-clients.ts";

export type PutCalls = Pick<KVClient, "put">;
export type DeleteCalls = Pick<KVClient, "deleteRange">;

/** An id, or one that is still to come. */
type LeaseOf = number | string | Promise<string | number>;

export class PutBuilder extends PromiseWrap<IPutResponse> implements IOperation {
  readonly #kv: PutCalls;
  readonly #namespace: KeyPrefix;
  readonly #request: IPutRequest = {};
  #lease: LeaseOf | undefined;
  #callOptions: ICallOptions | undefined;

  constructor(kv: PutCalls, namespace: KeyPrefix, key: string | Buffer) {
    super();
    this.#kv = kv;
    this.#namespace = namespace;
    this.#request.key = toBuffer(key);
  }

  value(value: string | Buffer | number): this {
    this.#request.value = toBuffer(value);
    return this;
  }

  lease(lease: LeaseOf): this {
    // Whoever never carries this out need not hear of a lease that was refused.
    if (typeof lease === "object") lease.catch(() => undefined);
    this.#lease = lease;
    return this;
  }

  /** Keeps the lease that the key has. */
  ignoreLease(): this {
    this.#request.ignore_lease = true;
    return this;
  }

  options(options: ICallOptions | undefined): this {
    this.#callOptions = options;
    return this;
  }

  /** Writes, and answers what was there before. */
  async getPrevious(): Promise<IKeyValue & { header: IResponseHeader }> {
    this.#request.prev_kv = true;
    const { prev_kv: previous, header } = await this.exec();
    return { ...(previous as IKeyValue), header };
  }

  /** Raises the revision of the key and keeps its value. */
  touch(): Promise<IPutResponse> {
    delete this.#request.value;
    this.#request.ignore_value = true;
    return this.exec();
  }

  async exec(): Promise<IPutResponse> {
    return this.#kv.put(await this.#complete(), this.#callOptions);
  }

  async op(): Promise<IRequestOp> {
    return { request_put: await this.#complete() };
  }

  protected createPromise(): Promise<IPutResponse> {
    return this.exec();
  }

  async #complete(): Promise<IPutRequest> {
    if (this.#lease !== undefined) this.#request.lease = await this.#lease;
    return this.#namespace.addTo(this.#request);
  }
}

export class DeleteBuilder extends PromiseWrap<IDeleteRangeResponse> implements IOperation {
  readonly #kv: DeleteCalls;
  readonly #namespace: KeyPrefix;
  readonly #request: IDeleteRangeRequest = {};
  #callOptions: ICallOptions | undefined;

  constructor(kv: DeleteCalls, namespace: KeyPrefix) {
    super();
    this.#kv = kv;
    this.#namespace = namespace;
  }

  key(value: string | Buffer): this {
    this.#request.key = toBuffer(value);
    delete this.#request.range_end;
    return this;
  }

  prefix(value: string | Buffer): this {
    return this.range(Range.prefix(value));
  }

  range(range: Range): this {
    this.#request.key = range.start;
    this.#request.range_end = range.end;
    return this;
  }

  all(): this {
    return this.prefix("");
  }

  inRange(range: Rangable): this {
    return this.range(Range.from(range));
  }

  /** Deletes, and answers what was there before. */
  async getPrevious(): Promise<IKeyValue[]> {
    this.#request.prev_kv = true;
    return (await this.exec()).prev_kvs;
  }

  options(options: ICallOptions | undefined): this {
    this.#callOptions = options;
    return this;
  }

  exec(): Promise<IDeleteRangeResponse> {
    return this.#kv.deleteRange(this.#namespace.addTo(this.#request), this.#callOptions);
  }

  async op(): Promise<IRequestOp> {
    return { request_delete_range: this.#namespace.addTo(this.#request) };
  }

  protected createPromise(): Promise<IDeleteRangeResponse> {
    return this.exec();
  }
}
