import type { Engine } from '../engines/duckdb.ts'

/** What one statement hands to the next: a SELECT or a table that is known to have these columns, among others. */
export type Relation<Column extends string> = {
  /** The relation as it stands in a FROM clause. */
  readonly sql: string
  /** For the type checker only: keeps relations with different columns apart. */
  readonly columns?: { readonly [name in Column]: true }
}

/** Rows that are kept for several statements; drop them with `await using`. */
export type Table<Column extends string> = Relation<Column> & AsyncDisposable

export function relation<Column extends string>(select: string): Relation<Column> {
  return { sql: `(${select})` }
}

let tables = 0

/** Runs a SELECT now, and keeps its rows in a temporary table with a name of its own. */
export async function tableOf<Column extends string>(
  engine: Engine,
  what: string,
  select: string,
): Promise<Table<Column>> {
  const sql = `${what}_${++tables}`
  await engine.run(`CREATE TEMP TABLE ${sql} AS ${select}`)
  // Where the connection has failed meanwhile, that failure is the one to report; the table ends with it.
  return { sql, [Symbol.asyncDispose]: () => engine.run(`DROP TABLE ${sql}`).catch(() => {}) }
}
