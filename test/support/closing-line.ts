import type { Reporter, TestModule } from "vitest/node";

/** Ends a test run with a plain count that any program can read: `12 passed, 0 failed`. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) count[test.result().state]++;
      count.failed += module.errors().length;
    }
    console.log(`${count.passed} passed, ${count.failed} failed`);
  }
}
