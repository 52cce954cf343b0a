/** Words in place of content: nothing there, still loading, refused. */
import type { ComponentChildren } from "preact";
import { type ApiError, messageOf } from "../api/api-error.ts";
import { useApp } from "../frame/app.ts";
import { Button } from "./button.tsx";

export interface NoticeProps {
  readonly kind?: "info" | "warning" | "error" | "success";
  readonly title?: string;
  readonly children?: ComponentChildren;
}

export function Notice({ kind = "info", title, children }: NoticeProps) {
  return (
    <div class={`notice notice-${kind}`} role={kind === "error" ? "alert" : "status"}>
      {title !== undefined && <strong class="notice-title">{title}</strong>}
      {children !== undefined && <div>{children}</div>}
    </div>
  );
}

export function Empty({ title, children }: NoticeProps) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

export function Loading({ what = "Loading" }: { readonly what?: string }) {
  return <output class="loading">{what}…</output>;
}

/** A failure in words, with the way on where there is one. */
export function Failure(props: { readonly error: ApiError; readonly onRetry?: () => void }) {
  const { error, onRetry } = props;
  const { session } = useApp();
  const { title, text } = wordsOf(error, session.user);
  return (
    <Notice kind="error" title={title}>
      <p>{text}</p>
      {onRetry !== undefined && error.kind !== "login" && (
        <Button onClick={onRetry}>Try again</Button>
      )}
    </Notice>
  );
}

function wordsOf(error: ApiError, user: string): { readonly title: string; readonly text: string } {
  switch (error.kind) {
    case "unreachable":
      return {
        title: "The member does not answer",
        text: "This page asks again by itself, and goes on when the member is back.",
      };
    case "login":
      return { title: "Log in first", text: "This cluster asks who you are." };
    case "denied":
      return {
        title: "Permission denied",
        text: `${user === "" ? "You" : `The user ${user}`} may not do that. An administrator can grant it.`,
      };
    case "refused":
      return { title: "The member refused", text: messageOf(error) };
  }
}
