/** Asks before something is done, does it, and says why it failed. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type ApiError, asApiError } from "../api/api-error.ts";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { Failure } from "./notice.tsx";

export interface ConfirmProps {
  readonly title: string;
  readonly children?: ComponentChildren;
  /** What the button says. */
  readonly action: string;
  readonly kind?: "danger" | "primary";
  /** Something speaks against it that the server would not take. */
  readonly disabled?: boolean;
  readonly run: () => Promise<unknown>;
  readonly onClose: (done: boolean) => void;
}

export function Confirm(props: ConfirmProps) {
  const { title, children, action, kind = "danger", disabled = false, run, onClose } = props;
  const [state, setState] = useState<"asking" | "running" | ApiError>("asking");
  const start = (): void => {
    setState("running");
    run().then(
      () => onClose(true),
      (error: unknown) => setState(asApiError(error)),
    );
  };
  return (
    <Dialog title={title} onClose={() => onClose(false)}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          start();
        }}
      >
        {children}
        {typeof state === "object" && <Failure error={state} />}
        <div class="actions">
          <Button onClick={() => onClose(false)}>Cancel</Button>
          <Button kind={kind} type="submit" disabled={disabled || state === "running"}>
            {state === "running" ? `${action}…` : action}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
