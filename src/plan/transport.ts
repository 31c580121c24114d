/**
 * Matches the loopback addresses as URLs write them: `127.0.0.0/8`, in IPv4 and in IPv6's form of it,
 * and `::1`.
 */
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\])$/;

/** Return true if a URL's `hostname` is this machine, so that nothing crosses a network. */
export function isThisMachine(hostname: string): boolean {
  const name = hostname.toLowerCase().replace(/\.$/, "");
  return name === "localhost" || name.endsWith(".localhost") || LOOPBACK.test(name);
}

/**
 * Return true if a token that is sent to this address could be read on the way: the scheme is one
 * without TLS, and the host is not this machine. False for text that is no URL, as nothing is sent to
 * it.
 */
export function sendsTokenInClear(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return (protocol === "http:" || protocol === "ws:") && !isThisMachine(hostname);
}
