/**
 * How work waits for its turn in the event loop, taken when a library is loaded: while the fake
 * timers of a test runner are on, the functions of these names never call back, and a member in
 * memory would stand still. tools/bundle.mjs puts them in the place of the globals.
 */
export const queueMicrotask = globalThis.queueMicrotask;
export const setImmediate = globalThis.setImmediate;
