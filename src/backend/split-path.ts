/** Directory and last name of a path, with "/" or "\\" as separators. */
export function splitPath(path: string): { readonly directory: string; readonly name: string } {
  const at = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  if (at < 0) return { directory: ".", name: path };
  return { directory: at === 0 ? path.slice(0, 1) : path.slice(0, at), name: path.slice(at + 1) };
}
