import { eq } from "drizzle-orm";
import { type Catalog, query } from "./open.ts";
import { uploads } from "./schema.ts";

export type Upload = typeof uploads.$inferSelect;

export function enterUpload(catalog: Catalog, upload: Upload): Promise<unknown> {
  return query(`entering the upload of ${upload.key}`, () =>
    catalog.insert(uploads).values(upload).run(),
  );
}

export function uploadsOf(catalog: Catalog, database: string): Promise<Upload[]> {
  return query(`listing the uploads of ${database}`, () =>
    catalog.select().from(uploads).where(eq(uploads.database, database)),
  );
}

export function allUploads(catalog: Catalog): Promise<Upload[]> {
  return query("listing the uploads", () => catalog.select().from(uploads));
}

export function removeUpload(catalog: Catalog, key: string): Promise<unknown> {
  return query(`removing the upload of ${key}`, () =>
    catalog.delete(uploads).where(eq(uploads.key, key)).run(),
  );
}
