export type { BlobForm, Choice, RowOrder } from "../format/rows/choice.ts";
