/** What can be wrong with a db file, in words an operator can act on. */

/** The file's content breaks a rule of the format. Nothing was changed. */
export class BackendCorruptError extends Error {
  readonly code = "EDBCORRUPT";
  readonly path: string;
  /** The page at fault, or -1 when the file as a whole is. */
  readonly pageId: number;
  readonly reason: string;
  constructor(path: string, pageId: number, reason: string) {
    super(
      pageId < 0
        ? `db file ${path}: ${reason}`
        : `db file ${path}: page ${pageId} is bad: ${reason}`,
    );
    this.name = "BackendCorruptError";
    this.path = path;
    this.pageId = pageId;
    this.reason = reason;
  }
}

/** Another process has the db file open for writing. */
export class BackendLockedError extends Error {
  readonly code = "EDBLOCKED";
  readonly path: string;
  constructor(path: string) {
    super(`db file ${path} is locked by another process`);
    this.name = "BackendLockedError";
    this.path = path;
  }
}

/** The backend was closed, or stopped after a failure that it names as its cause. */
export class BackendClosedError extends Error {
  readonly code = "EDBCLOSED";
  constructor(cause?: Error) {
    super(
      cause === undefined ? "backend is closed" : `backend has stopped: ${cause.message}`,
      cause === undefined ? undefined : { cause },
    );
    this.name = "BackendClosedError";
  }
}
