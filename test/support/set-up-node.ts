import { vi } from "vitest";
import { ROOT } from "../../scripts/lib/paths.ts";

/** Files of tests share a process: each begins in the project's folder, with no spy and no stub of another. */
process.chdir(ROOT);
vi.restoreAllMocks();
vi.unstubAllEnvs();
vi.unstubAllGlobals();
