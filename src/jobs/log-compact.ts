import { enterSegment, openLineage, type Segment, segmentsOf } from "../catalog/lineages.ts";
import type { DatabaseConfig } from "../config.ts";
import type { Context } from "../context.ts";
export async function compactLog(_context: Context, _database: DatabaseConfig): Promise<void> {}
void enterSegment; void openLineage; void segmentsOf; export type { Segment };
