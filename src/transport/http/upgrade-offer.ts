/**
 * Requests that offer an upgrade. node:http hands the socket over as soon as it has read such a
 * head: the body, and what comes behind it, is then nobody's. A request whose upgrade is not done
 * goes back to the parser as the bytes that it was, without the offer.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

/** The list in the `Upgrade` field names this protocol (RFC 9110 7.8: names have no case). */
export function offersUpgrade(request: IncomingMessage, protocol: string): boolean {
  const offers = (request.headers.upgrade ?? "").toLowerCase().split(",");
  return offers.some((offer) => offer.trim() === protocol);
}

/** The head of a request as bytes, without `Upgrade`; `Connection` alone means nothing. */
export function headWithoutOffer(request: IncomingMessage): Buffer {
  const { method, url, httpVersion, rawHeaders } = request;
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.toLowerCase() !== "upgrade") head += `${name}: ${rawHeaders[i + 1]}\r\n`;
  }
  return Buffer.from(`${head}\r\n`, "latin1");
}

/**
 * Node 26 goes on parsing: the body of such a request comes through the request itself, and the
 * stream begins behind it. (Its stream is another object when the body had not ended yet.)
 */
export function bodyWasParsed(request: IncomingMessage, stream: Duplex): boolean {
  if (!hasBody(request)) return false;
  return NODE_MAJOR >= 26 || stream !== request.socket || request.readableLength > 0;
}

const NODE_MAJOR = Number.parseInt(process.versions.node, 10);

/** The head announces a body; 0 bytes are none. */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers["content-length"];
  return (
    request.headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0")
  );
}
