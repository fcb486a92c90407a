import type { Engine } from '../engines/duckdb.ts'

/** What one statement hands to the next: a SELECT or a table of which these columns are known, among others. */
export type Relation<Column extends string> = {
  /** Stands in a FROM clause. */
  readonly sql: string
  /** Only for the type checker: a relation is none of other columns. */
  readonly columns?: { readonly [name in Column]: true }
}

/** Rows that are kept for several statements; to be dropped with `await using`. */
export type Table<Column extends string> = Relation<Column> & AsyncDisposable

export function relation<Column extends string>(select: string): Relation<Column> {
  return { sql: `(${select})` }
}

let tables = 0

/** Runs a SELECT now and keeps its rows under a name that nothing else has. */
export async function tableOf<Column extends string>(
  engine: Engine,
  what: string,
  select: string,
): Promise<Table<Column>> {
  const sql = `${what}_${++tables}`
  await engine.run(`CREATE TEMP TABLE ${sql} AS ${select}`)
  // Where the connection has failed meanwhile, that is what counts; the table ends with it.
  return { sql, [Symbol.asyncDispose]: () => engine.run(`DROP TABLE ${sql}`).catch(() => {}) }
}
