/**
 * The few system calls that Node does not offer: `flock`, open-file-description locks, `fallocate`,
 * unix datagram sockets and ports that several processes share, through koffi. koffi is loaded on
 * first use, so that programs that never lock a file do not pay for it (about 14 ms).
 *
 * Linux on 64-bit machines is the full-featured platform. Elsewhere:
 * - macOS and the BSDs: `flock` is used for both kinds of lock (as etcd does), and there is nothing
 *   of the rest.
 * - Windows: nothing of all this.
 */
import { createRequire } from "node:module";
import { isIP } from "node:net";

/** The outcome of a call that can be refused: 0, or the system's error name such as "ENOSPC". */
export type CallResult = 0 | string;

export interface SystemCalls {
  /** `flock(LOCK_EX | LOCK_NB)`. */
  flockExclusive(fd: number): CallResult;
  /** `fcntl(F_OFD_SETLK)` with a write lock over the whole file. */
  ofdLockExclusive(fd: number): CallResult;
  /** `fallocate(mode 0)`: reserves blocks and extends the file. */
  fallocate(fd: number, length: number): CallResult;
  /** `fcntl(F_DUPFD_CLOEXEC)`: a second descriptor of the same file; undefined when refused. */
  duplicate(fd: number): number | undefined;
  /** From the start of `memory` to the next address that `boundary`, a power of two, divides. */
  bytesToBoundary(memory: Uint8Array, boundary: number): number;
  /** One datagram to a unix socket; a leading "@" names an abstract socket. */
  sendUnixDatagram(path: string, payload: Uint8Array): CallResult;
  /**
   * The descriptor of a TCP socket that is bound to an address which others may bind, too
   * (SO_REUSEPORT), or why there is none. The host is an IP address; "" is every address, of both
   * families where the system has both.
   */
  bindSharedPort(host: string, port: number): number | string;
}

/** What is used of koffi; its own types are not needed beyond this. */
interface Koffi {
  load(path: string | null): { func(declaration: string): NativeFunction };
  errno(): number;
  address(memory: Uint8Array): bigint;
  readonly os: { readonly errno: Readonly<Record<string, number>> };
}
type NativeFunction = (...args: readonly unknown[]) => number;

const LOCK_EXCLUSIVE_NON_BLOCKING = 2 | 4;
const F_DUPFD_CLOEXEC = 1030;
const F_OFD_SETLK = 37;
const F_WRLCK = 1;
/** `struct flock` on 64-bit Linux: two shorts, padding, two longs, one int, padding. */
const FLOCK_STRUCT_BYTES = 32;
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
/** The room for a path in the system's address of a unix socket. */
const UNIX_PATH_BYTES = 108;

const SIXTY_FOUR_BIT = new Set(["x64", "arm64", "riscv64", "ppc64", "s390x", "loong64"]);

/** True where all four calls exist with the layouts above. */
export const isFullPlatform: boolean =
  process.platform === "linux" && SIXTY_FOUR_BIT.has(process.arch);

let loaded: SystemCalls | Error | undefined;

/**
 * The calls, or the reason why they cannot be had (koffi has no build for this machine).
 * The first call loads koffi.
 */
export function systemCalls(): SystemCalls | Error {
  if (loaded === undefined) {
    try {
      loaded = bind(createRequire(import.meta.url)("koffi") as Koffi);
    } catch (error) {
      loaded = error instanceof Error ? error : new Error(String(error));
    }
  }
  return loaded;
}

function bind(koffi: Koffi): SystemCalls {
  // Null means the running program: its own libc, glibc or musl alike.
  const program = koffi.load(null);
  const names = new Map<number, string>();
  for (const [name, number] of Object.entries(koffi.os.errno)) names.set(number, name);
  const result = (returned: number): CallResult => {
    if (returned >= 0) return 0;
    const number = koffi.errno();
    return names.get(number) ?? `errno ${number}`;
  };
  const flock = program.func("int flock(int fd, int operation)");
  const full = isFullPlatform ? bindLinux(program) : undefined;
  return {
    flockExclusive: (fd) => result(flock(fd, LOCK_EXCLUSIVE_NON_BLOCKING)),
    ofdLockExclusive(fd) {
      if (full === undefined) return result(flock(fd, LOCK_EXCLUSIVE_NON_BLOCKING));
      const lock = Buffer.alloc(FLOCK_STRUCT_BYTES);
      lock.writeInt16LE(F_WRLCK, 0);
      return result(full.fcntl(fd, F_OFD_SETLK, "void *", lock));
    },
    fallocate(fd, length) {
      if (full === undefined) return "ENOSYS";
      return result(full.fallocate(fd, 0, 0, length));
    },
    duplicate(fd) {
      const copy = full?.fcntl(fd, F_DUPFD_CLOEXEC, "int", 0) ?? -1;
      return copy < 0 ? undefined : copy;
    },
    bytesToBoundary: (memory, boundary) => Number(-koffi.address(memory) & BigInt(boundary - 1)),
    sendUnixDatagram: (path, payload) =>
      full === undefined ? "ENOSYS" : sendUnixDatagram(full, result, path, payload),
    bindSharedPort: (host, port) =>
      full === undefined ? "ENOSYS" : bindSharedPort(full, result, host, port),
  };
}

type ResultOf = (returned: number) => CallResult;

function sendUnixDatagram(
  calls: LinuxCalls,
  result: ResultOf,
  path: string,
  payload: Uint8Array,
): CallResult {
  const address = unixAddress(path);
  if (address === undefined) return "ENAMETOOLONG";
  const fd = calls.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return result(fd);
  const sent = result(calls.sendto(fd, payload, payload.length, 0, address, address.length));
  calls.close(fd);
  return sent;
}

function bindSharedPort(
  calls: LinuxCalls,
  result: ResultOf,
  host: string,
  port: number,
): number | string {
  const families = host === "" ? [AF_INET6, AF_INET] : [isIP(host) === 6 ? AF_INET6 : AF_INET];
  let refusal: CallResult = "EAFNOSUPPORT";
  for (const family of families) {
    const fd = calls.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    refusal = fd < 0 ? result(fd) : result(bindShared(calls, fd, family, host, port));
    if (refusal === 0) return fd;
    if (fd >= 0) {
      calls.close(fd);
      break;
    }
  }
  return refusal;
}

/** What `bind` returns, or the first call before it that was refused. */
function bindShared(
  calls: LinuxCalls,
  fd: number,
  family: number,
  host: string,
  port: number,
): number {
  const on = Buffer.from(Int32Array.of(1).buffer);
  const off = Buffer.from(Int32Array.of(0).buffer);
  const options: [number, number, Buffer][] = [
    [SOL_SOCKET, SO_REUSEADDR, on],
    [SOL_SOCKET, SO_REUSEPORT, on],
  ];
  // As Go listens: an address of IPv6 is that address, the wildcard is both families.
  if (family === AF_INET6) options.push([IPPROTO_IPV6, IPV6_V6ONLY, host === "" ? off : on]);
  for (const [level, name, value] of options) {
    const returned = calls.setsockopt(fd, level, name, value, value.length);
    if (returned < 0) return returned;
  }
  const address = internetAddress(calls, family, host, port);
  return calls.bind(fd, address, address.length);
}

/** The system's socket address of IPv4 or IPv6; zeros are the wildcard. */
function internetAddress(calls: LinuxCalls, family: number, host: string, port: number): Buffer {
  const isV6 = family === AF_INET6;
  const address = Buffer.alloc(isV6 ? 28 : 16);
  address.writeUInt16LE(family, 0);
  address.writeUInt16BE(port, 2);
  if (host !== "") calls.inet_pton(family, host, address.subarray(isV6 ? 8 : 4));
  return address;
}

interface LinuxCalls {
  readonly fcntl: NativeFunction;
  readonly fallocate: NativeFunction;
  readonly socket: NativeFunction;
  readonly sendto: NativeFunction;
  readonly close: NativeFunction;
  readonly setsockopt: NativeFunction;
  readonly bind: NativeFunction;
  readonly inet_pton: NativeFunction;
}

function bindLinux(program: { func(declaration: string): NativeFunction }): LinuxCalls {
  return {
    fcntl: program.func("int fcntl(int fd, int command, ...)"),
    fallocate: program.func("int fallocate(int fd, int mode, int64_t offset, int64_t length)"),
    socket: program.func("int socket(int domain, int type, int protocol)"),
    sendto: program.func(
      "int64_t sendto(int fd, void *data, size_t length, int flags, void *address, uint32_t size)",
    ),
    close: program.func("int close(int fd)"),
    setsockopt: program.func(
      "int setsockopt(int fd, int level, int name, void *value, uint32_t size)",
    ),
    bind: program.func("int bind(int fd, void *address, uint32_t size)"),
    inet_pton: program.func("int inet_pton(int family, const char *text, void *address)"),
  };
}

/** `struct sockaddr_un` for this path, as long as the path needs; undefined when it cannot fit. */
function unixAddress(path: string): Buffer | undefined {
  const name = Buffer.from(path, "utf8");
  const isAbstract = name[0] === 0x40;
  // A file name is terminated by a zero byte; an abstract name begins with one and has no end mark.
  const length = isAbstract ? name.length : name.length + 1;
  if (length > UNIX_PATH_BYTES) return undefined;
  const address = Buffer.alloc(2 + length);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  if (isAbstract) address[2] = 0;
  return address;
}
