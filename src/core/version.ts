import manifest from "../../package.json" with { type: "json" };

/** This Nightjar's version, as package.json tells it. */
export const VERSION: string = manifest.version;
