import { Layout, type Place } from "../layout.tsx";
import type { Child } from "hono/jsx";
import { Table } from "../parts/table.tsx";

interface ListOf {
  readonly who: string;
  readonly place: Place;
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly Child[])[];
  readonly empty: string;
  /** The path of the next page; undefined if there is none. */
  readonly next?: string | undefined;
  readonly children?: Child;
}

/** A page that is a table. What `children` has comes before it. */
export function ListPage({ who, place, title, head, rows, empty, next, children }: ListOf) {
  return (
    <Layout title={title} who={who} place={place}>
      <h1>{title}</h1>
      {children}
      {rows.length === 0 ? <p class="soft">{empty}</p> : <Table head={head} rows={rows} />}
      {next !== undefined && <a href={next}>Older</a>}
    </Layout>
  );
}
