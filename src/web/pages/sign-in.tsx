import { Layout } from "../layout.tsx";
import { Word } from "../parts/words.tsx";

interface SignInOf {
  /** Why nobody is signed in, for people; undefined where nobody has tried. */
  readonly refused: string | undefined;
  /** Databases whose badge is public, with what it shows. */
  readonly databases: readonly {
    name: string;
    message: string;
    tone: "good" | "warn" | "bad" | "idle";
  }[];
}

/** What somebody sees who is not signed in: the way in, and what public badges show anyway. */
export function SignInPage({ refused, databases }: SignInOf) {
  return (
    <Layout title="Sign in" who={undefined}>
      <h1>Sign in</h1>
      {refused !== undefined && (
        <p class="note bad" role="alert">
          {refused}
        </p>
      )}
      <form method="post" action="/sign-in">
        <label>
          Token{" "}
          <input type="password" name="token" required autocomplete="current-password" size={32} />
        </label>
        <button>Sign in</button>
      </form>
      <p class="soft">
        Any token of <code>nightjar token create</code> will do. You see, and may do, what it
        allows.
      </p>
      {databases.length > 0 && (
        <>
          <h2>Public</h2>
          <table>
            <thead>
              <tr>
                <th scope="col">Database</th>
                <th scope="col">Backup</th>
              </tr>
            </thead>
            <tbody>
              {databases.map(({ name, message, tone }) => (
                <tr>
                  <td>{name}</td>
                  <td>
                    <Word tone={tone}>{message}</Word>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </Layout>
  );
}
