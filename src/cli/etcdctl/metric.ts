/** Reads one metric of a member from its /metrics page. */
import { errorMessage } from "../../base/error-message.ts";
import type { IncomingMessage } from "node:http";
import type { Pem, TlsOptions } from "../../client/index.ts";

/** The value, or what went wrong. */
export async function fetchMetric(
  endpoint: string,
  name: string,
  tls: TlsOptions | undefined,
): Promise<number | string> {
  const host = /^https?:\/\//.test(endpoint) ? endpoint : `http://${endpoint}`;
  try {
    const page = await fetchText(`${host}/metrics`, tls);
    const line = page.split("\n").find((each) => each.startsWith(`${name} `));
    return line === undefined ? `could not find: ${name}` : Number(line.slice(name.length));
  } catch (error) {
    return `fetch error: ${errorMessage(error)}`;
  }
}

async function fetchText(url: string, tls: TlsOptions | undefined): Promise<string> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    if (url.startsWith("http://")) {
      import("node:http").then(({ get }) => get(url, resolve).once("error", reject), reject);
      return;
    }
    const options = {
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
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  return text;
}

function pem(value: Pem): string | Buffer {
  return typeof value === "string" ? value : Buffer.from(value);
}
