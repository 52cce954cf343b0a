/**
 * Plain HTTP as the handlers above the transport see it, whichever of HTTP/1.1 and HTTP/2 carried
 * it. Header names are lower case.
 */
export interface HttpRequest {
  readonly method: string;
  /** Path without the query, percent-decoding not applied. */
  readonly path: string;
  /** The query without "?", or "". */
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  /** "ip:port" of the client. */
  readonly remote: string;
  readonly secure: boolean;
  readonly certificateName: string | undefined;
  /** The whole body; rejects with an `HttpBodyTooLarge` before more than `limitBytes` are held. */
  readBody(limitBytes: number): Promise<Uint8Array>;
  /** The body as it arrives. Either this or `readBody`, once. */
  bodyChunks(): AsyncIterable<Uint8Array>;
}

export class HttpBodyTooLarge extends Error {
  constructor(limitBytes: number) {
    super(`http: request body too large (limit ${limitBytes} bytes)`);
    this.name = "HttpBodyTooLarge";
  }
}

export interface HttpResponse {
  /** Once, before any body. Without "content-length" the body is chunked (or HTTP/2 DATA). */
  head(status: number, headers: Readonly<Record<string, string>>): void;
  /** False when the peer reads too slowly; then wait for `onDrain`. */
  write(chunk: Uint8Array | string): boolean;
  end(chunk?: Uint8Array | string): void;
  /** Room for an answer of so many bytes, by what clients have left unread. Missing: always. */
  admits?(bytes: number): boolean;
  /** Cuts the connection (or the HTTP/2 stream) at once: the client sees a broken answer. */
  abort(): void;
  readonly closed: boolean;
  onDrain: (() => void) | undefined;
  /** The client went away before the end. */
  onClose: (() => void) | undefined;
}

export interface HttpHandler {
  handle(request: HttpRequest, response: HttpResponse): void;
}
