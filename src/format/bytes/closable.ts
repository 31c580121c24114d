/**
 * Return `generator` with a `return` that calls `close` too, as does an error in it. A generator that was
 * never started runs none of its code when it is left, so it cannot clean up itself.
 */
export function closable<T>(
  generator: AsyncGenerator<T>,
  close: () => Promise<void>,
): AsyncIterable<T> {
  const iterator: AsyncIterator<T> = {
    async next() {
      try {
        return await generator.next();
      } catch (thrown) {
        await close().catch(() => undefined);
        throw thrown;
      }
    },
    async return() {
      await close();
      return generator.return(undefined);
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}
