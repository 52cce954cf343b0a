/** Random requests of the v2 API from a seed, and their answers in a form that can be compared. */
import { SeededRandom } from "../src/env/testing/index.ts";

export interface V2Request {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** A form; undefined sends no body. */
  readonly body?: string | undefined;
}

const NAMES = ["a", "b", "c", "_h", "d e", "ü", "x<y>"];
const VALUES = ["", "1", "2", "a&b", "<x>", "ü", "line\nbreak", "x".repeat(300)];
/** How far back waits look, in events. */
const MAX_AGE = 60;
const ODD_PARAMETERS = [
  "recursive=maybe",
  "sorted=2",
  "prevIndex=x",
  "prevIndex=-1",
  "prevIndex=18446744073709551615",
  "waitIndex=1.5",
  "ttl=abc",
  "ttl=-1",
  "prevValue=",
  "prevExist=perhaps",
  "refresh=true",
  "refresh=nope",
  "wait=true",
  "dir=yes",
  "noValueOnSuccess=x",
  "value=%zz",
  "a;b",
  "quorum=tr",
  "stream=1x",
];

export class V2Requests {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /**
   * `index`: where the store is, for comparisons that sometimes hold and waits for what has been; 0
   * if that is not known, and nothing waits.
   */
  next(index: number): V2Request {
    if (this.#isOneIn(25)) return this.#odd();
    switch (this.#random.below(12)) {
      case 0:
      case 1:
        return { method: "GET", path: this.#path(), query: this.#listing() };
      case 2:
        return { method: "GET", path: this.#path(), query: `quorum=true&${this.#listing()}` };
      case 3:
        return { method: "DELETE", path: this.#path(), query: this.#deletion(index) };
      case 4:
        return { method: "POST", path: this.#path(), query: "", body: this.#content(index, false) };
      case 5:
        return { method: "HEAD", path: this.#path(), query: this.#listing() };
      case 6:
        if (index > MAX_AGE) return this.#past(index);
        return { method: "GET", path: this.#path(), query: this.#listing() };
      default: {
        const query = this.#isOneIn(2) ? "" : this.#content(index, true);
        const body = query === "" || this.#isOneIn(3) ? this.#content(index, true) : undefined;
        return { method: "PUT", path: this.#path(), query, body };
      }
    }
  }

  /** Something of the past, so that the answer comes at once. */
  #past(index: number): V2Request {
    const since = Math.max(1, index - this.#random.below(MAX_AGE));
    const recursive = this.#isOneIn(2) ? "&recursive=true" : "";
    return {
      method: "GET",
      path: "/",
      query: `wait=true&recursive=true&waitIndex=${since}${recursive}`,
    };
  }

  #odd(): V2Request {
    const method = this.#oneOf(["GET", "PUT", "POST", "DELETE", "PATCH"]);
    const odd = this.#oneOf(ODD_PARAMETERS);
    // A wait without a past would not end.
    const query = method === "GET" && odd === "wait=true" ? "wait=maybe" : odd;
    return { method, path: this.#path(), query, body: method === "PUT" ? "value=1" : undefined };
  }

  #path(): string {
    const depth = this.#oneOf([0, 1, 1, 1, 2, 2, 2, 3]);
    let path = "";
    for (let i = 0; i < depth; i++) path += `/${encodeURIComponent(this.#oneOf(NAMES))}`;
    return this.#isOneIn(20) ? `${path}/` : path;
  }

  /** What is not sorted comes in any order, which the comparison undoes. */
  #listing(): string {
    return [this.#oneOf(["", "recursive=true"]), this.#oneOf(["", "sorted=true"])]
      .filter((part) => part !== "")
      .join("&");
  }

  #content(index: number, isPut: boolean): string {
    const parts: string[] = [];
    if (this.#isOneIn(8)) parts.push("dir=true");
    else if (!this.#isOneIn(12)) parts.push(`value=${encodeURIComponent(this.#oneOf(VALUES))}`);
    if (this.#isOneIn(4)) parts.push(this.#oneOf(["ttl=1000", "ttl=100000", "ttl="]));
    if (this.#isOneIn(10)) parts.push("noValueOnSuccess=true");
    if (!isPut) return parts.join("&");
    if (this.#isOneIn(4)) parts.push(this.#oneOf(["prevExist=true", "prevExist=false"]));
    if (this.#isOneIn(6)) parts.push(...this.#comparison(index));
    if (this.#isOneIn(12)) parts.push("refresh=true&ttl=500");
    return parts.join("&");
  }

  #deletion(index: number): string {
    const parts = [this.#oneOf(["", "dir=true", "recursive=true", "recursive=true&dir=true"])];
    if (this.#isOneIn(4)) parts.push(...this.#comparison(index));
    return parts.filter((part) => part !== "").join("&");
  }

  #comparison(index: number): string[] {
    const value = `prevValue=${encodeURIComponent(this.#oneOf(VALUES.slice(1)))}`;
    const since = `prevIndex=${Math.max(0, index - this.#random.below(6))}`;
    return this.#oneOf([[value], [since], [value, since]]);
  }

  #oneOf<T>(items: readonly T[]): T {
    return items[this.#random.below(items.length)] as T;
  }

  #isOneIn(count: number): boolean {
    return this.#random.below(count) === 0;
  }
}

/** Status, headers that say something, and body: without what time alone decides. */
export async function answerOf(clientUrl: string, request: V2Request): Promise<string> {
  const { method, path, query, body } = request;
  const url = `${clientUrl}/v2/keys${path}${query === "" ? "" : `?${query}`}`;
  const headers = body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" };
  const response = await fetch(url, { method, headers, body: body ?? null });
  const shown = ["content-type", "x-etcd-index", "allow"].map(
    (name) => `${name}: ${response.headers.get(name)}`,
  );
  const text = await response.text();
  return [`${response.status}`, ...shown, timeless(text)].join("\n");
}

/** Times are masked, and listings sorted. What is no JSON stays as it is. */
export function timeless(text: string): string {
  if (!text.startsWith("{")) return text;
  const isAsGoWrites = text.replace(/"expiration":"[^"]*","ttl":-?\d+/g, '"expiration":"…"');
  if (!text.includes('"nodes"')) return isAsGoWrites;
  return JSON.stringify(sorted(JSON.parse(isAsGoWrites)));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    const texts = value.map((item) => [JSON.stringify(sorted(item)), sorted(item)] as const);
    return texts.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, sorted(item)]));
}
