/** Transactions: `if(…).and(…).then(…).else(…).commit()`. */
import { type KeyPrefix, toBuffer } from "./keys.ts";
import { CompareResult, CompareTarget } from "./messages/enums.ts";
import type { ICompare, IRequestOp, ITxnResponse } from "./messages/kv.ts";
import type { ICallOptions } from "./options.ts";
import { type IOperation, oneOf } from "./range-builders.ts";
import type { KVClient } from "./rpc-clients.ts";

export const comparator = {
  "==": CompareResult.Equal,
  "===": CompareResult.Equal,
  ">": CompareResult.Greater,
  "<": CompareResult.Less,
  "!=": CompareResult.NotEqual,
  "!==": CompareResult.NotEqual,
} as const;

/** The member of a comparison that holds what is compared with. */
export const compareTarget = {
  Value: "value",
  Version: "version",
  Create: "create_revision",
  Mod: "mod_revision",
  Lease: "lease",
} as const satisfies Record<keyof typeof CompareTarget, keyof ICompare>;

export class ComparatorBuilder {
  readonly #kv: Pick<KVClient, "txn">;
  readonly #namespace: KeyPrefix;
  readonly #compare: ICompare[] = [];
  #success: readonly Promise<IRequestOp>[] = [];
  #failure: readonly Promise<IRequestOp>[] = [];
  #callOptions: ICallOptions | undefined;

  constructor(kv: Pick<KVClient, "txn">, namespace: KeyPrefix) {
    this.#kv = kv;
    this.#namespace = namespace;
  }

  options(options: ICallOptions | undefined): this {
    this.#callOptions = options;
    return this;
  }

  /** One more condition; all must hold. */
  and(
    key: string | Buffer,
    column: keyof typeof compareTarget,
    cmp: keyof typeof comparator,
    value: string | Buffer | number,
  ): this {
    const member = oneOf(compareTarget, column, "comparison target in client.and(...)");
    this.#compare.push({
      key: this.#namespace.add(toBuffer(key)),
      result: oneOf(comparator, cmp, "comparator in client.and(...)"),
      target: CompareTarget[column],
      [member]: column === "Value" ? toBuffer(value) : value,
    });
    return this;
  }

  /** What to do when all conditions hold; replaces what an earlier call said. */
  // biome-ignore lint/suspicious/noThenProperty: the name in npm `etcd3`.
  then(...clauses: readonly (IRequestOp | IOperation)[]): this {
    this.#success = clauses.map(toOp);
    return this;
  }

  /** What to do otherwise; replaces what an earlier call said. */
  else(...clauses: readonly (IRequestOp | IOperation)[]): this {
    this.#failure = clauses.map(toOp);
    return this;
  }

  async commit(): Promise<ITxnResponse> {
    const [success, failure] = await Promise.all([
      Promise.all(this.#success),
      Promise.all(this.#failure),
    ]);
    return this.#kv.txn({ compare: this.#compare, success, failure }, this.#callOptions);
  }
}

/** Asked at once, as the operation stands now. Its failure is told by `commit`. */
function toOp(clause: IRequestOp | IOperation): Promise<IRequestOp> {
  if (!("op" in clause)) return Promise.resolve(clause);
  const op = clause.op();
  op.catch(() => undefined);
  return op;
}
