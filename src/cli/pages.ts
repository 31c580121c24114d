/** Get an answer that comes in pages, one page after the other. */
export async function* pagesOf<P extends { readonly next: string | null }>(
  get: (page: { cursor?: string }) => Promise<P>,
): AsyncGenerator<P> {
  for (let page: { cursor?: string } = {}; ;) {
    const found = await get(page);
    yield found;
    if (found.next === null) return;
    page = { cursor: found.next };
  }
}
