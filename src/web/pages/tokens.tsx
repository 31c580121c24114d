import { When, Word } from "../parts/words.tsx";
import { ListPage } from "./lists.tsx";

interface TokensPageOf {
  readonly who: string;
  readonly tokens: readonly {
    readonly id: string;
    readonly name: string;
    readonly scopes: readonly string[];
    readonly databases: readonly string[] | null;
    readonly state: string;
    readonly lastUsedAt: string | null;
    readonly expiresAt: string | null;
  }[];
  readonly scopes: readonly string[];
  /** The token that was made just now, which is shown this once. */
  readonly made: string | undefined;
  readonly next: string | undefined;
  readonly now: number;
}

/** The tokens of the API: making, listing and revoking them. */
export function TokensPage({ who, tokens, scopes, made, next, now }: TokensPageOf) {
  return (
    <ListPage
      who={who}
      place="Tokens"
      title="Tokens"
      head={["Name", "Scopes", "Databases", "Last use", "Ends", "State", ""]}
      rows={tokens.map(({ id, name, state, lastUsedAt, expiresAt, ...rest }) => [
        ...[name, rest.scopes.join(", "), rest.databases?.join(", ") ?? "all"],
        <When at={lastUsedAt} now={now} />,
        <When at={expiresAt} now={now} />,
        <Word tone={state === "valid" ? "good" : "idle"}>{state}</Word>,
        state === "valid" && (
          <form class="line" method="post" action={`/tokens/${id}/revoke`}>
            <button aria-label={`Revoke ${name}`}>Revoke</button>
          </form>
        ),
      ])}
      empty="There are none yet, beside ADMIN_TOKEN."
      next={next}
    >
      {made !== undefined && (
        <div class="note good" role="status">
          <p>This is the token. It is shown this once, and stored nowhere:</p>
          <pre>{made}</pre>
        </div>
      )}
      <form method="post" action="/tokens">
        <fieldset>
          <legend>Make a token</legend>
          <label>
            Name <input name="name" required maxlength={100} size={16} />
          </label>
          <label>
            Databases, all if left out <input name="databases" size={20} />
          </label>
          <label>
            Ends after <input name="expiresIn" value="90d" size={6} />
          </label>
          <div>
            {scopes.map((scope) => (
              <label>
                <input type="checkbox" name="scopes" value={scope} checked={scope === "read"} />{" "}
                {scope}
              </label>
            ))}
          </div>
          <button>Make it</button>
        </fieldset>
      </form>
    </ListPage>
  );
}
