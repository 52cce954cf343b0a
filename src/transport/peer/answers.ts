/** Answers to peers, in the form of Go's `http.Error` and of etcd's JSON errors. */
import type { HttpResponse } from "../../env/http.ts";

type Headers = Readonly<Record<string, string>>;

export function answerText(
  response: HttpResponse,
  status: number,
  text: string,
  headers: Headers = {},
): void {
  response.head(status, {
    ...headers,
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
  });
  response.end(`${text}\n`);
}

export function answerWrongMethod(response: HttpResponse, allowed: string): void {
  answerText(response, 405, "Method Not Allowed", { allow: allowed });
}

/** For a message that its receiver must not have. */
export function answerForbidden(response: HttpResponse, text: string, headers: Headers): void {
  response.head(403, { ...headers, "content-type": "application/json" });
  response.end(JSON.stringify({ message: text }));
}

export function answerNoContent(response: HttpResponse, headers: Headers): void {
  response.head(204, headers);
  response.end();
}
