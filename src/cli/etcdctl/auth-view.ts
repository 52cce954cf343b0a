/** Views of answers about users and roles. */
import { type Permission, Permission_Type } from "../../api/gen/auth.ts";
import {
  AuthRoleGetResponse,
  AuthRoleListResponse,
  AuthStatusResponse,
  AuthUserGetResponse,
  AuthUserListResponse,
} from "../../api/gen/rpc.ts";
import { equalBytes } from "../../base/bytes.ts";
import { prefixEnd } from "../../client/index.ts";
import { quote } from "../../base/go-quote.ts";
import { headerFields, messageForms } from "./header-view.ts";
import type { Printer, View } from "./view.ts";

const ROOT = "root";
const OPEN_END = Uint8Array.of(0);

const PERMISSION_NAMES: Readonly<Record<number, string>> = {
  [Permission_Type.READ]: "READ",
  [Permission_Type.WRITE]: "WRITE",
  [Permission_Type.READWRITE]: "READWRITE",
};

export function authStatusView(response: AuthStatusResponse): View {
  return {
    simple: (out) => {
      out.line(`Authentication Status: ${response.enabled}`);
      out.line(`AuthRevision: ${response.authRevision}`);
    },
    ...messageForms(AuthStatusResponse, response),
  };
}

export function userView(name: string, response: AuthUserGetResponse): View {
  return {
    simple: (out) => {
      out.line(`User: ${name}`);
      out.line(["Roles:", ...response.roles].join(" "));
    },
    ...messageForms(AuthUserGetResponse, response),
  };
}

export function usersView(response: AuthUserListResponse): View {
  return {
    simple: (out) => {
      for (const user of response.users) out.line(user);
    },
    ...messageForms(AuthUserListResponse, response),
  };
}

export function rolesView(response: AuthRoleListResponse): View {
  return {
    simple: (out) => {
      for (const role of response.roles) out.line(role);
    },
    fields: (out) => {
      headerFields(out, response.header);
      out.line(['"Roles" :', ...response.roles.map((role) => quote(role))].join(" "));
    },
    ...messageForms(AuthRoleListResponse, response),
  };
}

export function roleView(role: string, response: AuthRoleGetResponse): View {
  const { perm } = response;
  return {
    simple: (out) => {
      out.line(`Role ${role}`);
      out.line("KV Read:");
      printRanges(out, role, perm, Permission_Type.READ);
      out.line("KV Write:");
      printRanges(out, role, perm, Permission_Type.WRITE);
    },
    fields: (out) => {
      headerFields(out, response.header);
      for (const { permType, key, rangeEnd } of perm) {
        // Two blanks, as etcd prints it.
        out.field("PermType", ` ${PERMISSION_NAMES[permType] ?? permType}`);
        out.field("Key", quote(key));
        out.field("RangeEnd", quote(rangeEnd));
      }
    },
    ...messageForms(AuthRoleGetResponse, response),
  };
}

function printRanges(
  out: Printer,
  role: string,
  permissions: readonly Permission[],
  type: number,
): void {
  if (role === ROOT && permissions.length === 0) {
    out.line("\t[, <open ended>");
    return;
  }
  for (const { permType, key, rangeEnd } of permissions) {
    if (permType !== type && permType !== Permission_Type.READWRITE) continue;
    out.bytesLine(Buffer.concat([Buffer.from("\t"), rangeText(key, rangeEnd)]));
  }
}

function rangeText(key: Uint8Array, rangeEnd: Uint8Array): Buffer {
  if (rangeEnd.length === 0) return Buffer.from(key);
  const end = equalBytes(rangeEnd, OPEN_END)
    ? [", <open ended>"]
    : [", ", Buffer.from(rangeEnd), ")"];
  const isPrefix = key.length > 0 && equalBytes(prefixEnd(key), rangeEnd);
  const prefix = isPrefix ? [" (prefix ", Buffer.from(key), ")"] : [];
  return Buffer.concat(
    ["[", Buffer.from(key), ...end, ...prefix].map((part) =>
      typeof part === "string" ? Buffer.from(part) : part,
    ),
  );
}
