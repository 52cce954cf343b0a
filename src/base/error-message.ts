/** What was thrown, in words: an error's message, or the value as text when it is no error. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
