import { bodyOf, type Client, reach } from "./client.ts";

/** Read how all databases and the cron are. 503 is an answer here, with the same body. */
export async function readHealth(client: Client) {
  const answer = await reach(client.health.$get());
  return answer.status === 503 ? answer.json() : bodyOf(Promise.resolve(answer));
}
