/** Methods by path, and the texts for those that do not exist (as grpc-go words them). */

export type MethodKind = "unary" | "serverStream" | "clientStream" | "bidi";

/** The part of a row of `api/rpc-table.ts` that the transport needs. */
export interface MethodRow {
  /** What `Call.method` says. */
  readonly index: number;
  /** "/package.Service/Method". */
  readonly path: string;
  readonly kind: MethodKind;
}

export class MethodTable {
  readonly #byPath: ReadonlyMap<string, MethodRow>;
  readonly #services: ReadonlySet<string>;

  constructor(rows: readonly MethodRow[]) {
    this.#byPath = new Map(rows.map((row) => [row.path, row]));
    this.#services = new Set(rows.map((row) => row.path.slice(1, row.path.lastIndexOf("/"))));
  }

  find(path: string): MethodRow | undefined {
    return this.#byPath.get(path);
  }

  /** Why `find` found nothing. */
  unknownText(path: string): string {
    const slash = path.lastIndexOf("/");
    if (slash <= 0 || !path.startsWith("/"))
      return `malformed method name: ${JSON.stringify(path)}`;
    const service = path.slice(1, slash);
    return this.#services.has(service)
      ? `unknown method ${path.slice(slash + 1)} for service ${service}`
      : `unknown service ${service}`;
  }
}
