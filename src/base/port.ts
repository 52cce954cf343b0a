/** TCP ports, and addresses with them. */

/** RFC 9293, section 3.1: a port has 16 bits. */
export const MAX_PORT = 65_535;

/** "1.2.3.4:5" or "[::1]:5", as Go prints addresses. */
export function joinHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
