import { join } from 'node:path'
import type { Column, DataType, MembershipQuery } from '#crds'
import { type Engine, identifier, literal, openDuckDB, sqlTypeOf, timestampLiteral } from './engines/duckdb.ts'
import { openSpark, type SparkMissing } from './engines/spark.ts'
import type { Ports } from './ports.ts'

/** A value in hand; dates and timestamps are epoch milliseconds, objects hold the fields of the union schema. */
export type PreviewValue =
  | string
  | number
  | boolean
  | null
  | readonly PreviewValue[]
  | { readonly [name: string]: PreviewValue }
  | ReadonlyMap<string, PreviewValue>

export type PreviewPerson = {
  readonly id: string
  readonly attributes: { readonly [name: string]: PreviewValue }
  readonly events: readonly { readonly [name: string]: PreviewValue }[]
  /** What the membership version before says of Segments, by name; `since` in epoch milliseconds. Absent: nothing. */
  readonly memberships?: ReadonlyMap<string, { readonly status: 'realized' | 'exited'; readonly since: number }>
}

export type Preview = AsyncDisposable & {
  /** Ids of the members of each of the query's Segments at an instant, sorted. */
  readonly members: (
    query: MembershipQuery,
    columns: Columns,
    people: readonly PreviewPerson[],
    at: Date,
  ) => Promise<ReadonlyMap<string, readonly string[]>>
}

type Columns = { readonly profile: readonly Column[]; readonly event: readonly Column[] }

/** Runs membership queries over a few people in memory, in a DuckDB of its own. */
export async function openPreview(ports: Pick<Ports, 'scratch' | 'signal'>): Promise<Preview> {
  const engine = await openSmallDuckDB(ports)
  return {
    members: async (query, columns, people, at) => {
      await load(engine, query, columns, people)
      return membersIn(query, await engine.rows(query.duckdb.replaceAll('$now', timestampLiteral(at))))
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

/** Runs them on this machine's Spark, which takes seconds to start; DuckDB only writes the people to files for it. */
export async function openSparkPreview(
  python: string,
  env: Readonly<Record<string, string | undefined>>,
  ports: Pick<Ports, 'scratch' | 'signal'>,
): Promise<(Preview & { readonly version: string }) | SparkMissing> {
  const spark = await openSpark(python, env, ports)
  if ('missing' in spark) return spark
  const engine = await openSmallDuckDB(ports)
  const paths = (names: readonly string[]): Readonly<Record<string, string>> =>
    Object.fromEntries(names.map((name) => [name, join(ports.scratch, `${name}.parquet`)]))
  return {
    version: spark.version,
    members: async (query, columns, people, at) => {
      const tables = paths(await load(engine, query, columns, people))
      for (const [table, path] of Object.entries(tables))
        await engine.run(`COPY ${table} TO ${literal(path)} (FORMAT parquet)`)
      const instant = timestampLiteral(at).replace('TIMESTAMP', 'TIMESTAMP_NTZ')
      const answer = await spark.query((query.spark ?? '').replaceAll('$now', instant), tables)
      const rows = answer.rows.map((row) => Object.fromEntries(answer.columns.map((name, at) => [name, row[at]])))
      return membersIn(query, rows)
    },
    async [Symbol.asyncDispose]() {
      await spark[Symbol.asyncDispose]()
      await engine[Symbol.asyncDispose]()
    },
  }
}

function openSmallDuckDB(ports: Pick<Ports, 'scratch' | 'signal'>): Promise<Engine> {
  return openDuckDB({ engine: { type: 'DuckDB', duckDB: { threads: 1, memoryLimit: '1Gi' } } }, ports)
}

/** Makes the relations that the query reads, and returns their names. */
async function load(
  engine: Engine,
  { qualified = [] }: MembershipQuery,
  columns: Columns,
  people: readonly PreviewPerson[],
): Promise<readonly string[]> {
  await engine.run(
    [
      ...(qualified.length > 0 ? membersSql(qualified, people) : []),
      ...tableSql(
        'profiles',
        columns.profile,
        people.map(({ id, attributes }) => ({ id, data: attributes })),
      ),
      ...tableSql(
        'events',
        columns.event,
        people.flatMap(({ id, events }) => events.map((data) => ({ id, data }))),
      ),
    ].join(';\n'),
  )
  return ['profiles', 'events', ...(qualified.length > 0 ? ['members'] : [])]
}

function membersSql(segments: readonly string[], people: readonly PreviewPerson[]): string[] {
  const columns = segments.flatMap((name): Column[] => [
    { path: name, type: 'boolean' },
    { path: `$since:${name}`, type: 'timestamp' },
  ])
  const rows = people.map(({ id, memberships }) => ({
    id,
    data: Object.fromEntries(
      segments.flatMap((name): [string, PreviewValue][] => {
        const known = memberships?.get(name)
        return known
          ? [
              [name, known.status === 'realized'],
              [`$since:${name}`, known.since],
            ]
          : []
      }),
    ),
  }))
  return tableSql('members', columns, rows)
}

function membersIn(
  { segments }: MembershipQuery,
  rows: readonly Readonly<Record<string, unknown>>[],
): ReadonlyMap<string, readonly string[]> {
  return new Map(
    segments.map((segment) => [
      segment,
      rows
        .filter((row) => row[segment] === true)
        .map((row) => String(row['$profile']))
        .sort(),
    ]),
  )
}

function tableSql(
  name: string,
  columns: readonly Column[],
  rows: readonly { readonly id: string; readonly data: { readonly [name: string]: PreviewValue } }[],
): string[] {
  const declared = ['"$profile" VARCHAR', ...columns.map(({ path, type }) => `${identifier(path)} ${sqlTypeOf(type)}`)]
  const written = rows.map(
    ({ id, data }) =>
      `(${[literal(id), ...columns.map(({ path, type }) => valueSql(dig(data, path), type))].join(', ')})`,
  )
  return [
    `CREATE OR REPLACE TABLE ${name} (${declared.join(', ')})`,
    ...(written.length > 0 ? [`INSERT INTO ${name} VALUES ${written.join(',\n')}`] : []),
  ]
}

function dig(data: PreviewValue, path: string): PreviewValue {
  return path
    .split('.')
    .reduce<PreviewValue>((current, name) => (isObject(current) ? (current[name] ?? null) : null), data)
}

function isObject(value: PreviewValue): value is { readonly [name: string]: PreviewValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map)
}

function valueSql(value: PreviewValue, type: DataType): string {
  const cast = (sql: string): string => `CAST(${sql} AS ${sqlTypeOf(type)})`
  if (value === null) return 'NULL'
  if (typeof type === 'object') {
    if ('items' in type)
      return cast(`[${(Array.isArray(value) ? value : []).map((item) => valueSql(item, type.items)).join(', ')}]`)
    if ('values' in type) {
      const entries = value instanceof Map ? [...value] : []
      const written = entries.map(([key, item]) => `${literal(key)}: ${valueSql(item, type.values)}`)
      return cast(`MAP {${written.join(', ')}}`)
    }
    const fields = Object.entries(type.fields)
    // DuckDB has no STRUCT without fields.
    if (fields.length === 0) return 'NULL'
    const object = isObject(value) ? value : {}
    const written = fields.map(([name, field]) => `${identifier(name)} := ${valueSql(object[name] ?? null, field)}`)
    return cast(`struct_pack(${written.join(', ')})`)
  }
  switch (type) {
    case 'timestamp':
      return timestampLiteral(new Date(Number(value)))
    case 'date':
      return cast(timestampLiteral(new Date(Number(value))))
    case 'number':
      return `${Number(value).toExponential()}::DOUBLE`
    case 'string':
      return literal(String(value))
    default:
      return String(value)
  }
}
