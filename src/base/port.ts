/** TCP ports. */

/** RFC 9293, section 3.1: a port has 16 bits. */
export const MAX_PORT = 65_535;
