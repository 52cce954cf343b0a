/** What host names mean, as an argument: the system's resolver in production, a table in tests. */
export interface HostNames {
  /**
   * The address that connections to a host would try first, without brackets. Rejects with an error
   * in Go's words, such as "lookup db1: no such host". It may take as long as the system likes.
   */
  lookup(host: string): Promise<string>;
}
