/** Arguments that several commands share. */
export const database = {
  type: "positional",
  description: "The database's configured name",
  required: true,
} as const;

export const json = {
  type: "boolean",
  description: "Print JSON for programs",
  default: false,
} as const;

export const backup = {
  type: "string",
  description: "A backup's id, latest, or latest-verified",
  default: "latest",
  valueHint: "id",
} as const;
