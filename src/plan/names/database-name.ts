/**
 * Form of a database's name, for use in a regular expression: as long as Turso's may be. A Workflow's instance has
 * the name in its id, which Cloudflare limits to 100 characters; the longest other part, `-<time>-<id>`, has 30.
 */
export const DATABASE_NAME = "[a-z0-9][a-z0-9_-]{0,63}";

/** Characters of the longest name. */
export const LONGEST_DATABASE_NAME = 64;

/** The same in words. */
export const DATABASE_NAME_FORM = `a name of up to ${LONGEST_DATABASE_NAME} lower-case letters, digits, - and _`;

const WHOLE = new RegExp(`^${DATABASE_NAME}$`);

/** Return true if a database can have this name. */
export function isDatabaseName(text: string): boolean {
  return WHOLE.test(text);
}
