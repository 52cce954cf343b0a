/**
 * A folder of built web pages under a prefix: small, read once when it is first asked for, and kept
 * with its compressed form, in which a file may lie there already (`NAME.gz`). What a page may do is
 * said by the strictest policy that it can live with: nothing from elsewhere, nothing inline, no
 * text turned into elements.
 */
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { HttpRequest, HttpResponse } from "../env/http.ts";
import { allowOnlyGet, type Headers, sendError, sendNotFound, sendRedirect } from "./http-text.ts";
import type { Mount, MountHandler } from "./mounts.ts";

const INDEX = "index.html";
/** What the pages ask for to learn how they are meant to be. */
const CONFIG = "config.json";

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
};

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const SAFETY: Headers = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

interface SiteFile {
  readonly plain: Uint8Array;
  readonly compressed: Uint8Array;
  readonly headers: Headers;
}

type SiteFiles = ReadonlyMap<string, SiteFile>;

export interface StaticSiteOptions {
  /** Where it is served, such as "/dashboard/". */
  readonly prefix: string;
  /** Reads index.html and, beside it, files whose names change with their content. */
  readonly readFiles: () => Promise<ReadonlyMap<string, Uint8Array>>;
  /** Served as `config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** Serves the site to whoever comes: it holds nothing that is secret. */
export function staticSiteMounts({
  prefix,
  readFiles,
  config,
}: StaticSiteOptions): readonly Mount[] {
  const root = prefix.slice(0, -1);
  // Relative: a proxy may serve it below another path.
  const fromHere = prefix.slice(root.lastIndexOf("/") + 1);
  const redirect: MountHandler = (_, request, response) =>
    sendRedirect(request, response, fromHere);
  return [
    [root, redirect],
    [prefix, siteHandler(prefix, readFiles, config)],
  ];
}

function siteHandler(
  prefix: string,
  readFiles: StaticSiteOptions["readFiles"],
  config: StaticSiteOptions["config"],
): MountHandler {
  const configFile = Buffer.from(JSON.stringify(config));
  let files: Promise<SiteFiles> | undefined;
  return (path, request, response) => {
    if (!allowOnlyGet(request, response)) return;
    files ??= readFiles().then((read) => prepare(read, configFile));
    files.then(
      (all) => {
        const file = all.get(path.slice(prefix.length) || INDEX);
        if (file === undefined) sendNotFound(request, response);
        else sendFile(request, response, file);
      },
      (error: unknown) => {
        // It may be there the next time: an installation under way.
        files = undefined;
        sendError(request, response, 500, `cannot read the pages: ${String(error)}`);
      },
    );
  };
}

async function prepare(
  files: ReadonlyMap<string, Uint8Array>,
  config: Uint8Array,
): Promise<SiteFiles> {
  const all = [...files, [CONFIG, config] as const].map(async ([name, content]) => {
    if (!name.endsWith(PACKED))
      return [name, siteFile(name, content, await pack(content))] as const;
    const own = name.slice(0, -PACKED.length);
    return [own, siteFile(own, await unpack(content), content)] as const;
  });
  return new Map(await Promise.all(all));
}

const PACKED = ".gz";
const pack = promisify<Uint8Array, Buffer>(gzip);
const unpack = promisify<Uint8Array, Buffer>(gunzip);

function siteFile(name: string, plain: Uint8Array, compressed: Uint8Array): SiteFile {
  const type = TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream";
  const isNamedByContent = name !== INDEX && name !== CONFIG;
  const cache = isNamedByContent ? "public, max-age=31536000, immutable" : "no-cache";
  const headers = {
    ...SAFETY,
    "content-type": type,
    "cache-control": cache,
    vary: "Accept-Encoding",
  };
  return { plain, compressed, headers };
}

function sendFile(request: HttpRequest, response: HttpResponse, file: SiteFile): void {
  if (response.closed) return;
  const takesGzip = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
  const body = takesGzip ? file.compressed : file.plain;
  const encoding: Headers = takesGzip ? { "content-encoding": "gzip" } : {};
  response.head(200, { ...file.headers, ...encoding, "content-length": String(body.length) });
  response.end(body);
}
