/** "May user X read key K?", with the reason. */
import { useState } from "preact/hooks";
import { explainAccess } from "../../src/insight/access.ts";
import { prefixSpan } from "../../src/insight/key-span.ts";
import { latin1, parseShown } from "../api/bytes.ts";
import { Field } from "../ui/field.tsx";
import { Notice } from "../ui/notice.tsx";
import { Select } from "../ui/select.tsx";
import { answerText } from "./answer-text.ts";
import type { AccessState } from "./users.ts";

export function CheckView({ state }: { readonly state: AccessState }) {
  const [user, setUser] = useState(state.users[0]?.name ?? "");
  const [access, setAccess] = useState<"read" | "write">("read");
  const [extent, setExtent] = useState<"key" | "prefix">("key");
  const [key, setKey] = useState("");
  return (
    <section class="card stack">
      <h2>Who may do what?</h2>
      <div class="row form-row">
        <Field label="User" value={user} onInput={setUser} />
        <Select
          label="May"
          value={access}
          options={[
            { value: "read", text: "read" },
            { value: "write", text: "write" },
          ]}
          onChange={(value) => setAccess(value as "read" | "write")}
        />
        <Select
          label="What"
          value={extent}
          options={[
            { value: "key", text: "the key" },
            { value: "prefix", text: "all keys that begin with" },
          ]}
          onChange={(value) => setExtent(value as "key" | "prefix")}
        />
        <Field label="Key" value={key} onInput={setKey} mono />
      </div>
      {(key !== "" || extent === "prefix") && (
        <Answer {...{ state, user, access, extent, text: key }} />
      )}
    </section>
  );
}

const YES = { on: "Yes", off: "Yes, also once authentication is on" };
const NO = { on: "No", off: "Now everybody may; not once authentication is on" };

function Answer(props: {
  readonly state: AccessState;
  readonly user: string;
  readonly access: "read" | "write";
  readonly extent: "key" | "prefix";
  readonly text: string;
}) {
  const { state, user, access, extent, text } = props;
  const key = latin1(parseShown(text));
  // As clients ask for all keys.
  const prefix = key === "" ? { begin: "\0", end: "" } : prefixSpan(key);
  const roles = state.users.find(({ name }) => name === user)?.roles;
  // Without authentication the answer is dull; what it would be with it is worth knowing before.
  const answer = explainAccess({
    isAuthEnabled: true,
    roles,
    grants: state.roles
      .filter(({ name }) => roles?.includes(name) === true)
      .flatMap(({ permissions }) => permissions),
    access,
    span: extent === "key" ? { begin: key, end: `${key}\0` } : prefix,
  });
  const kind = answer.allowed ? "success" : "warning";
  return (
    <Notice kind={kind} title={(answer.allowed ? YES : NO)[state.isEnabled ? "on" : "off"]}>
      {answerText(answer, user, access)}
    </Notice>
  );
}
