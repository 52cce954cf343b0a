/** A new key: its name, value, and for how long. */
import { useState } from "preact/hooks";
import { type ApiError, asApiError } from "../api/api-error.ts";
import { parseShown, shownText } from "../api/bytes.ts";
import { useApp } from "../frame/app.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Field } from "../ui/field.tsx";
import { Failure, Notice } from "../ui/notice.tsx";
import { bytesOfDraft, type Draft, ValueEditor } from "./value-editor.tsx";
import { grantLease, writeKey } from "./write.ts";

export interface NewKeyProps {
  /** What the name begins with at first. */
  readonly prefix: Uint8Array;
  readonly onCreated: (key: Uint8Array) => void;
  readonly onClose: () => void;
}

export function NewKey({ prefix, onCreated, onClose }: NewKeyProps) {
  const { api } = useApp();
  const [name, setName] = useState(shownText(prefix));
  const [ttl, setTtl] = useState("");
  const [draft, setDraft] = useState<Draft>({ format: "text", text: "" });
  const [exists, setExists] = useState(false);
  const [error, setError] = useState<ApiError>();
  const isTtlRight = ttl === "" || /^[1-9]\d{0,9}$/.test(ttl);
  const value = bytesOfDraft(draft);
  const create = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (value === undefined || name === "" || !isTtlRight) return;
    const key = parseShown(name);
    setError(undefined);
    setExists(false);
    try {
      const lease = ttl === "" ? "0" : await grantLease(api, Number(ttl));
      const outcome = await writeKey(api, { key, value, seenRevision: 0, lease });
      if (outcome.kind === "written") onCreated(key);
      else setExists(true);
    } catch (failure) {
      setError(asApiError(failure));
    }
  };
  return (
    <Dialog title="New key" wide onClose={onClose}>
      <form class="stack" onSubmit={create}>
        <Field
          label="Key"
          mono
          value={name}
          onInput={setName}
          hint="A byte that is no text: \xff. A backslash itself: \\."
        />
        <ValueEditor draft={draft} onChange={setDraft} />
        <Field
          label="Lives for (seconds; empty: until it is deleted)"
          value={ttl}
          onInput={setTtl}
          hint={isTtlRight ? undefined : "A whole number of seconds."}
        />
        {exists && <Notice kind="error">This key exists already. Nothing was written.</Notice>}
        {error !== undefined && <Failure error={error} />}
        <div class="actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" disabled={name === "" || value === undefined}>
            Create
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
