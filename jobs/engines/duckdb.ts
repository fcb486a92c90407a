import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { type DataType, parseQuantityBytes, type StorePlan } from '#crds'
import { interrupted, JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'

/** A value of a result row: BIGINT and HUGEINT arrive as numbers, DATE and TIMESTAMP as Date, LIST, MAP and STRUCT as text. */
export type Cell = string | number | boolean | Date | null

/** DuckDB in this process, in memory, bounded by the plan; it spills under `ports.scratch`. */
export type Engine = AsyncDisposable & {
  /** Runs statements. Rejects with DuckDB's error, or with JobError Interrupted once `ports.signal` is aborted. */
  readonly run: (sql: string) => Promise<void>
  /** The rows of one SELECT, all of them in memory. */
  readonly rows: (sql: string) => Promise<readonly Readonly<Record<string, Cell>>[]>
  /** A second connection to the same memory and threads, with temporary tables and views of its own. Close it before this one. */
  readonly another: () => Promise<Engine>
}

export async function openDuckDB(
  store: Pick<StorePlan, 'engine'>,
  ports: Pick<Ports, 'scratch' | 'signal'>,
): Promise<Engine> {
  const { threads, memoryLimit } = store.engine.duckDB
  const memoryBytes = parseQuantityBytes(memoryLimit)
  if (!memoryBytes)
    throw new JobError('InvalidPlan', `engine.duckDB.memoryLimit is ${memoryLimit}; write a size like 1Gi.`)
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(threads),
    memory_limit: `${memoryBytes}B`,
    temp_directory: ports.scratch,
    preserve_insertion_order: 'false',
    // Pods have no network and results must not depend on it.
    autoinstall_known_extensions: 'false',
  })
  const engine = await connect(instance, ports.signal)
  return {
    ...engine,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      instance.closeSync()
    },
  }
}

/** `"a.b"`: an identifier in both dialects' standard quoting. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** SQL literal of a path to read: a file of exactly that name, even if the name looks like a pattern. */
export function fileLiteral(path: string): string {
  return literal(path.replace(/[[*?]/g, '[$&]'))
}

/** `TIMESTAMP '2026-01-15 10:30:00.000'` for an RFC 3339 instant, cut to whole milliseconds. */
export function timestampLiteral(instant: string | Date): string {
  return `TIMESTAMP '${new Date(instant).toISOString().replace('T', ' ').replace('Z', '')}'`
}

/** DuckDB's type for a DataType of the JobPlan's schema. */
export function sqlTypeOf(type: DataType): string {
  if (typeof type === 'string') return scalarTypes[type]
  if ('items' in type) return `${sqlTypeOf(type.items)}[]`
  if ('values' in type) return `MAP(VARCHAR, ${sqlTypeOf(type.values)})`
  const fields = Object.entries(type.fields).map(([name, field]) => `${identifier(name)} ${sqlTypeOf(field)}`)
  // DuckDB has no STRUCT without fields.
  return fields.length === 0 ? 'JSON' : `STRUCT(${fields.join(', ')})`
}

/** `read_parquet` of files whose paths are relative to the root; the list must not be empty. */
export function readParquet(root: string, files: readonly string[]): string {
  return `read_parquet([${files.map((file) => fileLiteral(`${root}/${file}`)).join(', ')}], union_by_name = true, hive_partitioning = false)`
}

const scalarTypes = {
  string: 'VARCHAR',
  integer: 'BIGINT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'TIMESTAMP',
} as const

async function connect(instance: DuckDBInstance, signal: AbortSignal): Promise<Engine> {
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  const interrupt = () => connection.interrupt()
  signal.addEventListener('abort', interrupt)
  return {
    run: async (sql) => void (await guarded(signal, () => connection.run(sql))),
    rows: (sql) => guarded(signal, () => rowsOf(connection, sql)),
    another: () => connect(instance, signal),
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', interrupt)
      connection.closeSync()
    },
  }
}

async function guarded<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  if (signal.aborted) throw interrupted()
  try {
    return await work()
  } catch (error) {
    throw signal.aborted ? interrupted(error) : error
  }
}

async function rowsOf(connection: DuckDBConnection, sql: string): Promise<readonly Readonly<Record<string, Cell>>[]> {
  const reader = await connection.runAndReadAll(sql)
  return reader
    .getRowObjectsJS()
    .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, cellOf(value)])))
}

function cellOf(value: unknown): Cell {
  if (typeof value === 'bigint') return Number(value)
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value
  return value instanceof Date ? value : JSON.stringify(value)
}
