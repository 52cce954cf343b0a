/** One HTTP request of a member to another, without a connection. */
import type { HttpHandler, PeerRequest, PeerResponse } from "../../env/index.ts";

/** Undefined if the connection is cut before the answer is complete. */
export function answerRequest(
  handler: HttpHandler,
  request: PeerRequest,
): Promise<PeerResponse | undefined> {
  return new Promise((resolve) => {
    let status = 0;
    let headers: Readonly<Record<string, string>> = {};
    const parts: Uint8Array[] = [];
    const body = request.body ?? new Uint8Array(0);
    const [path = "", query = ""] = request.path.split("?");
    handler.handle(
      {
        method: request.method,
        path,
        query,
        headers: request.headers ?? {},
        remote: "127.0.0.1:1",
        secure: false,
        certificateName: undefined,
        readBody: async () => body,
        bodyChunks: async function* () {
          yield body;
        },
      },
      {
        head: (code, fields) => {
          status = code;
          headers = fields;
        },
        write: (chunk) => {
          parts.push(Buffer.from(chunk));
          return true;
        },
        end: (chunk) => {
          if (chunk !== undefined) parts.push(Buffer.from(chunk));
          resolve({ status, headers, body: Buffer.concat(parts) });
        },
        abort: () => resolve(undefined),
        closed: false,
        onDrain: undefined,
        onClose: undefined,
      },
    );
  });
}
