/** A request that brings a message to a channel. */
export interface ChannelRequest {
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Make a request with a body of JSON. */
export function json(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): ChannelRequest {
  return { url, body, headers: { "content-type": "application/json", ...headers } };
}
