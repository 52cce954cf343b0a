/** `HostNames` by the system's resolver: the hosts file, DNS, and what else it is configured for. */
import { lookup } from "node:dns/promises";
import type { HostNames } from "../env/host-names.ts";

export class NodeHostNames implements HostNames {
  async lookup(host: string): Promise<string> {
    // Node resolves the empty name to nothing.
    if (host === "") throw new Error("lookup : no such host");
    try {
      const { address } = await lookup(host, { verbatim: true });
      return address;
    } catch (error) {
      throw new Error(`lookup ${host}: ${reason(error)}`);
    }
  }
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOTFOUND":
      return "no such host";
    case "EAI_AGAIN":
      return "Temporary failure in name resolution";
    default:
      return message;
  }
}
