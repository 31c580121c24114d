import { Layout } from "../layout.tsx";
import { Coded } from "../parts/words.tsx";

interface MessageOf {
  readonly who: string | undefined;
  readonly title: string;
  readonly text: string;
  /** What to do now. */
  readonly hint: string;
  /** The code of an error. */
  readonly code?: string;
  /** Where to go from here. */
  readonly back?: readonly [string, string];
}

/** What happened, and what to do now. */
export function MessagePage({ who, title, text, hint, code, back }: MessageOf) {
  return (
    <Layout title={title} who={who}>
      <h1>{title}</h1>
      <p>
        <Coded text={text} />
      </p>
      <p>
        <Coded text={hint} />
      </p>
      {code !== undefined && (
        <p class="soft">
          <code>{code}</code>
        </p>
      )}
      {back !== undefined && (
        <p>
          <a href={back[0]}>{back[1]}</a>
        </p>
      )}
    </Layout>
  );
}
