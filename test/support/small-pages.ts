import { systemDeps } from "../../src/core/deps.ts";
import type { Page } from "../../src/format/pages/page.ts";
import { readImage } from "../../src/source/dbpage.ts";
import { PageDatabase } from "./page-database.ts";
import { SMALL_SHOP } from "./small-shop.ts";

/** Read the pages of a small database, in ascending order. */
export function pagesOfSmallShop(): Promise<Page[]> {
  return pagesOf(SMALL_SHOP);
}

/** Read the pages of the database that statements make, in ascending order. */
export async function pagesOf(statements: string): Promise<Page[]> {
  const database = await PageDatabase.create(statements);
  const source = { ...database.config, token: undefined, stallMs: 10_000 };
  const pages: Page[] = [];
  for await (const event of readImage(source, systemDeps, "for a test"))
    if (event.kind === "pages")
      for (const { pgno, data } of event.pages) pages.push({ pgno, data: data.slice() });
  await database.remove();
  return pages;
}
