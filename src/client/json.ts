/**
 * Answers as JSON. `JSON.stringify` refuses bigints and writes bytes as lists of numbers, so
 * answers say themselves what they look like: names as in the object, 64-bit ids as decimal
 * strings and bytes as base64, as etcd's JSON gateway writes both.
 */

export type JsonObject = Record<string, unknown>;

/** What `toJSON` answers for an object of plain data: its own properties, made fit for JSON. */
export function toJsonObject(value: object): JsonObject {
  const result: JsonObject = {};
  for (const [name, member] of Object.entries(value)) result[name] = toJsonValue(member);
  return result;
}

function toJsonValue(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  }
  return Array.isArray(value) ? value.map(toJsonValue) : toJsonObject(value);
}

/** Not enumerable: an answer has etcd's fields and no others. */
const TO_JSON: PropertyDescriptor = {
  value(this: object): JsonObject {
    return toJsonObject(this);
  },
};

/** Lets `JSON.stringify` take one of etcd's messages. Returns it. */
export function withJSON<T>(message: T): T {
  return Object.defineProperty(message as object, "toJSON", TO_JSON) as T;
}

/** As `withJSON`, for each message inside too: for answers that are small or rare. */
export function withJSONInside<T>(message: T): T {
  for (const member of Object.values(message as object)) {
    for (const part of Array.isArray(member) ? member : [member]) {
      const isMessage = typeof part === "object" && part !== null && !(part instanceof Uint8Array);
      if (isMessage) withJSONInside(part);
    }
  }
  return withJSON(message);
}
