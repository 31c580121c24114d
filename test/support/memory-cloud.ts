import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { ROOT } from "../../scripts/lib/paths.ts";

/**
 * R2 and D1 in the memory of a Node process, as far as prune and pins use them, for tests that need tens of
 * thousands of calls. Their real behaviour is tested on workerd.
 */
export interface Stored {
  bytes: Uint8Array;
  version: string;
  /** ms */
  uploaded: number;
}

export class MemoryBucket {
  readonly objects = new Map<string, Stored>();
  readonly #now: () => number;
  #writes = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  async head(key: string) {
    const object = this.objects.get(key);
    if (object === undefined) return null;
    const { version, bytes, uploaded } = object;
    return { key, version, size: bytes.length, uploaded: new Date(uploaded) };
  }

  async get(key: string, options: { range?: { offset: number; length: number } } = {}) {
    const object = this.objects.get(key);
    if (object === undefined) return null;
    const { offset, length } = options.range ?? { offset: 0, length: object.bytes.length };
    const bytes = object.bytes.slice(offset, offset + length);
    return {
      version: object.version,
      size: object.bytes.length,
      body: { cancel: async () => {} },
      arrayBuffer: async () => bytes.buffer,
      text: async () => new TextDecoder().decode(bytes),
    };
  }

  async put(key: string, value: string | Uint8Array, options: { onlyIf?: object } = {}) {
    if (options.onlyIf !== undefined && this.objects.has(key)) return null;
    const bytes =
      typeof value === "string" ? new TextEncoder().encode(value) : new Uint8Array(value);
    const version = String(++this.#writes);
    this.objects.set(key, { bytes, version, uploaded: this.#now() });
    return { key, version, size: bytes.length };
  }

  async delete(keys: string | string[]) {
    for (const key of [keys].flat()) this.objects.delete(key);
  }

  async list({ prefix }: { prefix: string }) {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix)).toSorted();
    return { objects: keys.map((key) => ({ key })), truncated: false };
  }

  async createMultipartUpload(key: string) {
    return new MemoryMultipartUpload(this, key);
  }

  resumeMultipartUpload(key: string) {
    return new MemoryMultipartUpload(this, key);
  }
}

/** Named so that `intercepted` knows it. */
class MemoryMultipartUpload {
  readonly uploadId = "upload";
  readonly key: string;
  readonly bucket: MemoryBucket;
  readonly parts: Uint8Array[] = [];

  constructor(bucket: MemoryBucket, key: string) {
    this.bucket = bucket;
    this.key = key;
  }

  async uploadPart(partNumber: number, bytes: Uint8Array) {
    this.parts[partNumber - 1] = bytes.slice();
    return { partNumber, etag: "" };
  }

  async complete() {
    return this.bucket.put(this.key, Buffer.concat(this.parts));
  }

  async abort() {
    this.parts.length = 0;
  }
}

/** Named so that `intercepted` knows it. */
class MemoryPreparedStatement {
  readonly statement: StatementSync;
  readonly values: SQLInputValue[];

  constructor(statement: StatementSync, values: SQLInputValue[] = []) {
    this.statement = statement;
    this.values = values;
  }

  bind(...values: SQLInputValue[]) {
    return new MemoryPreparedStatement(this.statement, values);
  }

  async all() {
    return { results: this.rows(), success: true, meta: {} };
  }

  async run() {
    return this.all();
  }

  async raw() {
    return this.rows().map((row) => Object.values(row));
  }

  rows() {
    return this.statement.all(...this.values);
  }
}

export class MemoryDatabase {
  readonly sqlite = new DatabaseSync(":memory:");
  readonly #statements = new Map<string, StatementSync>();

  constructor() {
    const folder = join(ROOT, "migrations");
    for (const file of readdirSync(folder).toSorted())
      if (file.endsWith(".sql")) this.sqlite.exec(readFileSync(join(folder, file), "utf8"));
  }

  prepare(sql: string) {
    const statement = this.#statements.get(sql) ?? this.sqlite.prepare(sql);
    this.#statements.set(sql, statement);
    return new MemoryPreparedStatement(statement);
  }

  async batch(statements: MemoryPreparedStatement[]) {
    this.sqlite.exec("BEGIN");
    const results = statements.map(({ statement, values }) => ({
      results: statement.all(...values),
      success: true,
      meta: {},
    }));
    this.sqlite.exec("COMMIT");
    return results;
  }
}
