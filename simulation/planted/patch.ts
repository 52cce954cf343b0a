/** Replaces a method for as long as a planted bug is in. */

type Method<T, K extends keyof T> = T[K] extends (...args: infer A) => infer R
  ? (this: T, ...args: A) => R
  : never;

/** Returns the function that puts the original back. */
export function replaceMethod<T extends object, K extends keyof T & string>(
  prototype: T,
  name: K,
  make: (original: Method<T, K>) => Method<T, K>,
): () => void {
  const original = prototype[name] as Method<T, K>;
  const planted = make(original);
  Object.defineProperty(prototype, name, { value: planted, configurable: true, writable: true });
  return () => {
    Object.defineProperty(prototype, name, { value: original, configurable: true, writable: true });
  };
}
