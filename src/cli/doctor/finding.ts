/** Something that the doctor has looked at. */
export interface Finding {
  /** `unseen`: it could not be looked at. */
  readonly level: "good" | "warning" | "problem" | "unseen";
  /** What it is about: `nightjar`, `token`, `alerts`, or a database. */
  readonly about: string;
  readonly message: string;
  /** What to do; undefined where nothing has to be done. */
  readonly fix?: string;
}

export const good = (about: string, message: string): Finding => ({
  ...{ level: "good", about, message },
});

export const warning = (about: string, message: string, fix: string): Finding => ({
  ...{ level: "warning", about, message, fix },
});

export const problem = (about: string, message: string, fix: string): Finding => ({
  ...{ level: "problem", about, message, fix },
});
