import { describe, expect, it } from "vitest";
import { sendsTokenInClear } from "../../../src/plan/transport.ts";

describe("whether a token could be read on the way", () => {
  it.each([
    "http://backups.example.com",
    "HTTP://backups.example.com:8787/path",
    "http://10.0.0.5:8080",
    "http://192.168.1.4",
    "http://169.254.1.1",
    "http://[fe80::1]",
    "http://[::ffff:10.0.0.1]",
    "http://0.0.0.0:8787",
    "http://128.0.0.1",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "http://notlocalhost",
    "http://127.0.0.1@example.com",
    "http://example.com#@localhost",
    "http://example.com/?localhost",
    "ws://db.example.com",
  ])("%s: yes", (url) => {
    expect(sendsTokenInClear(url)).toBe(true);
  });

  it.each([
    "https://backups.example.com",
    "libsql://shop-acme.turso.io",
    "http://localhost",
    "http://LOCALHOST:8787/x",
    "http://localhost.:8787",
    "http://shop.localhost:8080",
    "http://127.0.0.1:8787",
    "http://127.1",
    "http://0x7f000001",
    "http://127.200.3.4",
    "http://[::1]:8787",
    "http://[0:0:0:0:0:0:0:1]",
    "http://[::ffff:127.0.0.1]",
    "http://example.com@127.0.0.1",
    "not a url",
  ])("%s: no", (url) => {
    expect(sendsTokenInClear(url)).toBe(false);
  });
});
