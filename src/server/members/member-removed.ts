/** The end of a member that the others have removed: no failure, but there is no way back. */

const TEXT = "the member has been permanently removed from the cluster";

/** Why a removed member stopped. Its data directory is of no use any more. */
export class MemberRemovedError extends Error {
  constructor() {
    super(TEXT);
    this.name = "MemberRemovedError";
  }
}
