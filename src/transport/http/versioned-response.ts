/** An answer in the version of its request: node:http says HTTP/1.1 to everybody. */
import { type IncomingMessage, ServerResponse } from "node:http";

interface StoresHead {
  _storeHeader(statusLine: string, headers: unknown): void;
}

const base = ServerResponse.prototype as unknown as StoresHead;

export class VersionedResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  /** Node's last step with a head. Should it be renamed, answers say HTTP/1.1 again. */
  _storeHeader(statusLine: string, headers: unknown): void {
    const { httpVersionMajor, httpVersionMinor } = this.req;
    const old = httpVersionMajor === 1 && httpVersionMinor === 0;
    base._storeHeader.call(this, old ? statusLine.replace("/1.1", "/1.0") : statusLine, headers);
  }
}
