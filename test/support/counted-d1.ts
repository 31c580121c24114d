/** What a database did. */
export interface D1Work {
  queries: number;
  rowsRead: number;
}

/** A result of D1, as far as it tells what was done. */
interface Result {
  readonly meta?: { readonly rows_read?: number };
}

/** Wrap a D1 so that it counts its queries, and the rows that they read as D1 bills them. */
export function countedD1(db: D1Database): { db: D1Database; work: D1Work } {
  const work: D1Work = { queries: 0, rowsRead: 0 };
  const count = (results: readonly Result[]) => {
    for (const { meta } of results) {
      work.queries += 1;
      work.rowsRead += meta?.rows_read ?? 0;
    }
  };
  const statement = (real: D1PreparedStatement, sql: string): D1PreparedStatement =>
    new Proxy(real, {
      get(object, name) {
        const member: unknown = Reflect.get(object, name, object);
        if (typeof member !== "function") return member;
        return (...args: unknown[]): unknown => {
          const called = (): unknown => Reflect.apply(member, object, args);
          if (name === "bind") return statement(called() as D1PreparedStatement, sql);
          if (name === "all" || name === "run")
            return (called() as Promise<Result>).then((result) => {
              count([result]);
              return result;
            });
          // `raw` tells nothing of what it read: a query that only reads is asked once more.
          if (name === "raw")
            return (/^\s*select/i.test(sql) ? object.all() : Promise.resolve({})).then((result) => {
              count([result as Result]);
              return called();
            });
          return called();
        };
      },
    });
  const counted = new Proxy(db, {
    get(object, name) {
      const member: unknown = Reflect.get(object, name, object);
      if (typeof member !== "function") return member;
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, object, args);
        if (name === "prepare") return statement(result as D1PreparedStatement, String(args[0]));
        if (name === "batch")
          return (result as Promise<Result[]>).then((results) => {
            count(results);
            return results;
          });
        return result;
      };
    },
  });
  return { db: counted, work };
}
