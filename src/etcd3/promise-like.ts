/** What is carried out when somebody waits for it. */
export abstract class PromiseWrap<T> implements PromiseLike<T> {
  protected abstract createPromise(): Promise<T>;

  // biome-ignore lint/suspicious/noThenProperty: builders of npm `etcd3` are awaited as they are.
  then<R = T, E = never>(
    onFulfilled?: ((value: T) => R | PromiseLike<R>) | null,
    onRejected?: ((reason: unknown) => E | PromiseLike<E>) | null,
  ): Promise<R | E> {
    return this.createPromise().then(onFulfilled, onRejected);
  }

  catch<E>(onRejected: (reason: unknown) => E | PromiseLike<E>): Promise<T | E> {
    return this.createPromise().catch(onRejected);
  }
}
