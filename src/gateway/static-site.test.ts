import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import type { HttpRequest, HttpResponse } from "../env/http.ts";
import type { MountHandler } from "./mounts.ts";
import { staticSiteMounts, type StaticSiteOptions } from "./static-site.ts";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

function siteOf(files: Readonly<Record<string, string | Uint8Array>>) {
  const read = new Map(
    Object.entries(files).map(([name, content]) => [name, Buffer.from(content)]),
  );
  return siteThatReads(() => Promise.resolve(read));
}

function siteThatReads(readFiles: StaticSiteOptions["readFiles"]) {
  const mounts = staticSiteMounts({ prefix: "/d/", readFiles, config: { readOnly: true } });
  const handle: MountHandler = (path, request, response) => {
    const [, serve] = mounts.find(([prefix]) => prefix === path) ?? mounts[1] ?? [];
    serve?.(path, request, response);
  };
  const ask = (path: string, headers: Record<string, string> = {}, method = "GET") =>
    new Promise<Answer>((resolve) => {
      let head = { status: 0, headers: {} as Readonly<Record<string, string>> };
      const response: HttpResponse = {
        closed: false,
        onDrain: undefined,
        onClose: undefined,
        head: (status, given) => {
          head = { status, headers: given };
        },
        write: () => true,
        end: (chunk = "") => resolve({ ...head, body: Buffer.from(chunk as Uint8Array) }),
        abort: () => undefined,
      };
      const request: HttpRequest = {
        ...{ method, path, query: "", headers, remote: "", secure: false },
        certificateName: undefined,
        readBody: async () => new Uint8Array(0),
        bodyChunks: () => (async function* none() {})(),
      };
      handle(path, request, response);
    });
  return { ask };
}

test("without its last slash it leads to itself, also behind a proxy that adds to its path", async () => {
  const { status, headers } = await siteOf({ "index.html": "" }).ask("/d");
  assert.deepEqual([status, headers.location], [307, "d/"]);
});

test("the page is always fresh, what it names by content is kept, and both are compressed", async () => {
  const { ask } = siteOf({ "index.html": "<p>page</p>", "app-1234.js": "run()" });
  const page = await ask("/d/");
  assert.equal(page.status, 200);
  assert.equal(page.body.toString(), "<p>page</p>");
  assert.equal(page.headers["cache-control"], "no-cache");
  const script = await ask("/d/app-1234.js", { "accept-encoding": "gzip, br" });
  assert.equal(script.headers["content-encoding"], "gzip");
  assert.equal(gunzipSync(script.body).toString(), "run()");
  assert.match(script.headers["cache-control"] ?? "", /immutable/);
  assert.equal(script.headers["content-type"], "text/javascript; charset=utf-8");
  const config = await ask("/d/config.json");
  assert.deepEqual(JSON.parse(config.body.toString()), { readOnly: true });
});

test("a file that lies there compressed is sent as it is, and whole to who takes no gzip", async () => {
  const packed = gzipSync("run()");
  const { ask } = siteOf({ "index.html": "", "app-1234.js.gz": packed });
  const script = await ask("/d/app-1234.js", { "accept-encoding": "gzip" });
  assert.deepEqual(script.body, packed);
  assert.equal(script.headers["content-type"], "text/javascript; charset=utf-8");
  assert.equal(script.headers["content-encoding"], "gzip");
  const plain = await ask("/d/app-1234.js");
  assert.equal(plain.body.toString(), "run()");
  assert.equal(plain.headers["content-encoding"], undefined);
});

test("every file comes with the strict policy", async () => {
  const { ask } = siteOf({ "index.html": "", "app-1.css": "" });
  for (const path of ["/d/", "/d/app-1.css", "/d/config.json"]) {
    const { headers } = await ask(path);
    const policy = headers["content-security-policy"] ?? "";
    assert.match(policy, /default-src 'none'.*frame-ancestors 'none'/);
    assert.ok(!policy.includes("unsafe"), policy);
    assert.equal(headers["x-content-type-options"], "nosniff");
  }
});

test("nothing but the files of the folder is served, and by GET alone", async () => {
  const { ask } = siteOf({ "index.html": "" });
  for (const path of ["/d/missing.js", "/d/../secret", "/d/%2e%2e/secret", "/d/__proto__"]) {
    assert.equal((await ask(path)).status, 404, path);
  }
  assert.equal((await ask("/d/", {}, "POST")).status, 405);
});

test("files that could not be read are read again the next time", async () => {
  let isThere = false;
  const { ask } = siteThatReads(async () => {
    if (!isThere) throw new Error("ENOENT");
    return new Map([["index.html", Buffer.from("here")]]);
  });
  assert.equal((await ask("/d/")).status, 500);
  isThere = true;
  assert.equal((await ask("/d/")).body.toString(), "here");
});
