import type { AuditHeader } from "./header.ts";
import { corrupt, type PageUse } from "./page-use.ts";
import { MAPPED_FREE } from "./pointer-map.ts";

/**
 * Take the pages of the freelist: trunk pages, each of which points to the next one and lists leaves
 * (https://sqlite.org/fileformat2.html#the_freelist).
 *
 * @param user the freelist, by its place among the users of `use`
 * @param readPage reads each trunk page, of which there is about one in `usable` / 4 free pages
 * @throws NightjarError `OBJECT_CORRUPT` naming the first page that is wrong; what `readPage` throws
 */
export async function auditFreelist(
  header: AuditHeader,
  use: PageUse,
  user: number,
  readPage: (pgno: number) => Promise<Uint8Array>,
): Promise<void> {
  const most = Math.floor(header.usable / 4) - 2; // after the next trunk and the number of leaves
  let found = 0;
  let from = 0;
  for (let trunk = header.firstTrunk; trunk !== 0;) {
    use.take(trunk, { user, from, as: "a trunk", mapped: MAPPED_FREE });
    const page = await readPage(trunk);
    const view = new DataView(page.buffer, page.byteOffset, page.length);
    const leaves = view.getUint32(4);
    if (leaves > most)
      throw use.fault(trunk, user, `it lists ${leaves} pages, more than the ${most} that fit`);
    const taker = { user, from: trunk, as: "a free page", mapped: MAPPED_FREE };
    for (let leaf = 0; leaf < leaves; leaf++) use.take(view.getUint32(8 + 4 * leaf), taker);
    found += 1 + leaves;
    from = trunk;
    trunk = view.getUint32(0);
  }
  if (found !== header.freePages)
    throw corrupt(
      `Page 1: the header tells of ${header.freePages} free pages, but the freelist has ${found}.`,
    );
}
