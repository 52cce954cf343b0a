/** `--auth-token=`: no logins by token; users are known by their certificates alone. */
import { EtcdError } from "../api/errors.ts";
import type { TokenProvider, TokenVerdict } from "./tokens.ts";

export class NoTokens implements TokenProvider {
  enable(): void {}

  disable(): void {}

  invalidateUser(): void {}

  newPrefix(): string {
    return "";
  }

  assign(): string {
    throw new EtcdError("authFailed");
  }

  verify(): TokenVerdict {
    return { kind: "invalid", reason: "this member knows no tokens" };
  }
}
