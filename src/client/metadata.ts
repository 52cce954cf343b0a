/** Metadata that every call of a client carries besides etcd's own. */
import type { Metadata } from "../transport/client/connection.ts";

/** What the client itself says, or gRPC. */
const RESERVED: ReadonlySet<string> = new Set([
  "token",
  "hasleader",
  "content-type",
  "te",
  "user-agent",
  "connection",
  "host",
]);

/**
 * Undefined when there is none. Throws `TypeError` for names and values that gRPC does not allow:
 * names are lower case, values printable ASCII; those of names in "-bin" are bytes as latin1.
 */
export function checkMetadata(given: Metadata | undefined): Metadata | undefined {
  const entries = Object.entries(given ?? {});
  if (entries.length === 0) return undefined;
  for (const [name, value] of entries) {
    const isName = /^[0-9a-z_.-]+$/.test(name) && !name.startsWith("grpc-");
    if (!isName || RESERVED.has(name)) {
      throw new TypeError(`metadata cannot have the name ${JSON.stringify(name)}`);
    }
    const isValue = name.endsWith("-bin") ? /^[\0-\xff]*$/ : /^[ -~]*$/;
    if (typeof value !== "string" || !isValue.test(value)) {
      throw new TypeError(`the value of the metadata ${JSON.stringify(name)} is not allowed`);
    }
  }
  return Object.fromEntries(entries);
}
