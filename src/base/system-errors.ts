/**
 * The words that Go's programs have for a refusal of the system, which people search for and
 * scripts compare. Node's differ in part ("illegal operation on a directory").
 */
import { errorMessage } from "./error-message.ts";

/** By the name of the error number, as Node's errors carry it in `code`. */
const WORDS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "cannot assign requested address",
  EAFNOSUPPORT: "address family not supported by protocol",
  EBUSY: "device or resource busy",
  EDQUOT: "disk quota exceeded",
  EEXIST: "file exists",
  EFBIG: "file too large",
  EINVAL: "invalid argument",
  EIO: "input/output error",
  EISDIR: "is a directory",
  ELOOP: "too many levels of symbolic links",
  EMFILE: "too many open files",
  ENAMETOOLONG: "file name too long",
  ENFILE: "too many open files in system",
  ENODEV: "no such device",
  ENOENT: "no such file or directory",
  ENOMEM: "cannot allocate memory",
  ENOSPC: "no space left on device",
  ENOSYS: "function not implemented",
  ENOTDIR: "not a directory",
  ENOTEMPTY: "directory not empty",
  ENXIO: "no such device or address",
  EPERM: "operation not permitted",
  EROFS: "read-only file system",
  ETXTBSY: "text file busy",
};

/** The error's `code`; "" when it is no refusal of the system. */
export function systemErrorCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : "";
}

/** What Go would say of it, without the name of the call; the error's own text when unknown. */
export function systemErrorText(error: unknown): string {
  const code = systemErrorCode(error);
  const text = errorMessage(error);
  return WORDS[code] ?? /^[A-Z0-9]+: ([^,]+)/.exec(text)?.[1] ?? text;
}
