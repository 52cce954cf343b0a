/** Why somebody may, or may not, in words. */
import type { AccessAnswer, Grant } from "../../src/insight/access.ts";
import { shownLatin1 } from "../api/latin1.ts";
import { spanText } from "./users.ts";

export function answerText(answer: AccessAnswer, user: string, access: "read" | "write"): string {
  switch (answer.because) {
    case "authOff":
      return "Authentication is off: everybody may do everything.";
    case "root":
      return `${user} has the role root, which may do everything.`;
    case "granted":
      return answer.by.map((grant) => grantText(grant)).join(" ");
    case "noSuchUser":
      return `There is no user ${user}.`;
    case "noRoles":
      return `${user} has no role.`;
    case "emptyKey":
      return "Nothing grants the empty key.";
    case "notGranted":
      return [
        `No role of ${user} lets it ${access} ${shownLatin1(answer.missing)}.`,
        ...answer.by.map((grant) => `Only a part is granted: ${grantText(grant)}`),
        ...answer.otherAccess.map((grant) => `It is granted otherwise: ${grantText(grant)}`),
      ].join(" ");
  }
}

const WORDS = { read: "read", write: "write", readwrite: "read and write" } as const;

function grantText(grant: Grant): string {
  return `The role ${grant.role} may ${WORDS[grant.access]} ${spanText(grant)}.`;
}
