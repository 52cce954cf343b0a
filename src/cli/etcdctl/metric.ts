/** Reads pages of a member's client listener, such as /metrics. */
import { errorMessage } from "../../base/error-message.ts";
import type { IncomingMessage } from "node:http";
import type { Pem, TlsOptions } from "../../client/index.ts";

/** The value, or what went wrong. */
export async function fetchMetric(
  endpoint: string,
  name: string,
  tls: TlsOptions | undefined,
): Promise<number | string> {
  try {
    const page = await fetchPage(endpoint, "/metrics", tls);
    const line = page.split("\n").find((each) => each.startsWith(`${name} `));
    return line === undefined ? `could not find: ${name}` : Number(line.slice(name.length));
  } catch (error) {
    return `fetch error: ${errorMessage(error)}`;
  }
}

/** Rejects when `signal` ends it, and unless the status is 200. */
export async function fetchPage(
  endpoint: string,
  path: string,
  tls: TlsOptions | undefined,
  signal?: AbortSignal,
): Promise<string> {
  const scheme = tls === undefined ? "http" : "https";
  const url = `${/^https?:\/\//.test(endpoint) ? endpoint : `${scheme}://${endpoint}`}${path}`;
  const shared = signal === undefined ? {} : { signal };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    if (url.startsWith("http://")) {
      import("node:http").then(
        ({ get }) => get(url, shared, resolve).once("error", reject),
        reject,
      );
      return;
    }
    const options = {
      ...shared,
      ...(tls?.cert === undefined ? {} : { cert: pem(tls.cert) }),
      ...(tls?.key === undefined ? {} : { key: pem(tls.key) }),
      rejectUnauthorized: tls?.insecureSkipVerify !== true,
      ...(tls?.ca === undefined
        ? {}
        : { ca: Array.isArray(tls.ca) ? tls.ca.map(pem) : pem(tls.ca as Pem) }),
    };
    import("node:https").then(
      ({ get }) => get(url, options, resolve).once("error", reject),
      reject,
    );
  });
  if (response.statusCode !== 200) {
    response.resume();
    throw new Error(`status ${response.statusCode}`);
  }
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  return text;
}

function pem(value: Pem): string | Buffer {
  return typeof value === "string" ? value : Buffer.from(value);
}
