import type { Child } from "hono/jsx";

/** The places that every page leads to, with their paths. */
const PLACES = {
  Databases: "/",
  Alerts: "/alerts",
  Audit: "/audit",
  Tokens: "/tokens",
  Cost: "/cost",
} as const;
export type Place = keyof typeof PLACES;

interface Frame {
  readonly title: string;
  /** Who is signed in, by name; undefined for nobody. */
  readonly who: string | undefined;
  readonly place?: Place | undefined;
  /** Seconds after which the browser asks again: for what is under way. */
  readonly refresh?: number | undefined;
  readonly children?: Child;
}

/** A whole page. It needs no script, and allows none. */
export function Layout({ title, who, place, refresh, children }: Frame) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        {refresh !== undefined && <meta http-equiv="refresh" content={String(refresh)} />}
        <title>{`${title} · Nightjar`}</title>
        <link rel="stylesheet" href="/style.css" />
        <link rel="icon" href="data:," />
      </head>
      <body>
        <header>
          <strong>
            <a href="/">Nightjar</a>
          </strong>
          {who !== undefined && (
            <>
              <nav aria-label="Pages">
                {Object.entries(PLACES).map(([name, path]) => (
                  <a href={path} {...(name === place && { "aria-current": "page" })}>
                    {name}
                  </a>
                ))}
              </nav>
              <form class="line" method="post" action="/sign-out">
                <span class="soft">{who}</span> <button>Sign out</button>
              </form>
            </>
          )}
        </header>
        <main>{children}</main>
        <footer>
          Times are in UTC. <a href="/docs">API</a>
        </footer>
      </body>
    </html>
  );
}
