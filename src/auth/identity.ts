/** Who asks, as it stands in the header of a log entry. */

/** The user that may do everything, and the role that makes a user so. */
export const ROOT_USER = "root";
export const ROOT_ROLE = "root";

export interface Identity {
  /** "" when nobody is logged in. */
  readonly username: string;
  /**
   * The auth store's revision at which the identity was established; 0 with no user. An older one
   * than the store's is refused: what the user may do could have changed since.
   */
  readonly authRevision: number;
}

/** Nobody, and whoever needs no name because authentication is off. */
export const NOBODY: Identity = { username: "", authRevision: 0 };
