/** Asks for user and password when the server wants to know who calls. */
import { useState } from "preact/hooks";
import { messageOf } from "../api/api-error.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Field } from "../ui/field.tsx";
import { Notice } from "../ui/notice.tsx";
import { useApp } from "./app.ts";

export function Login({ reason, user: last }: { readonly reason: string; readonly user: string }) {
  const { api } = useApp();
  const [user, setUser] = useState(last);
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await api.logIn(user, password);
    } catch (error) {
      setProblem(messageOf(error));
    }
    setPassword("");
    setBusy(false);
  };
  return (
    <Dialog title="Log in">
      <form class="stack" onSubmit={submit}>
        <p class="muted">{reason}</p>
        <Field label="User" value={user} onInput={setUser} autocomplete="username" />
        <Field
          label="Password"
          type="password"
          value={password}
          onInput={setPassword}
          autocomplete="current-password"
        />
        {problem !== undefined && <Notice kind="error">{problem}</Notice>}
        <div class="actions">
          <Button type="submit" kind="primary" disabled={busy || user === ""}>
            Log in
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
