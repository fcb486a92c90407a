// Runs expressions over people on every executor: what the language tests compare.
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { Column, DataType } from '#crds'
import { checkPql } from '../../compiler/pql/check.ts'
import {
  type Datum,
  type DatumObject,
  holds,
  type Memberships,
  type Person,
  readDatum,
} from '../../compiler/pql/interpret.ts'
import type { Condition } from '../../compiler/pql/ir.ts'
import { columnsOf, dataTypeOf, readUnionSchema, type UnionTypes, withTimestamp } from '../../compiler/schema.ts'
import { duckdb } from '../../compiler/sql/duckdb.ts'
import { flipQuery } from '../../compiler/sql/flip-query.ts'
import { membershipQuery } from '../../compiler/sql/membership-query.ts'
import { allRewrites, type Rewrites } from '../../compiler/sql/rewrites.ts'
import { spark } from '../../compiler/sql/spark.ts'

export type TestPerson = {
  readonly id: string
  readonly attributes: unknown
  readonly events: readonly unknown[]
  /** What the version before says of the person. */
  readonly memberships?: Memberships
}

export function typesOf(schema: { readonly profile: unknown; readonly event?: unknown }): UnionTypes {
  return {
    profile: readUnionSchema(schema.profile, 'profile').type,
    event: schema.event === undefined ? null : withTimestamp(readUnionSchema(schema.event, 'event').type),
  }
}

export function compileOne(pql: string, types: UnionTypes, segments: ReadonlySet<string> = new Set()): Condition {
  const checked = checkPql(pql, { types, segments })
  if (!checked.condition)
    throw new Error(
      `${pql}\n${checked.faults.map((fault) => `${fault.code} at ${fault.span.start}: ${fault.message}`).join('\n')}`,
    )
  return checked.condition
}

/** Expressions that may refer to the ones before them as Segments `s0`, `s1`, …; the executors below know them under these names. */
export function compileAll(expressions: readonly string[], types: UnionTypes): Condition[] {
  return expressions.map((pql, index) =>
    compileOne(pql, types, new Set(expressions.slice(0, index).map((_, earlier) => `s${earlier}`))),
  )
}

/** Ids for which each condition holds, by the reference interpreter. */
export function interpreted(
  conditions: readonly Condition[],
  people: readonly TestPerson[],
  types: UnionTypes,
  now: string,
): string[][] {
  const found = conditions.map((): string[] => [])
  for (const { id, ...rest } of people) {
    const person = normal({ id, ...rest }, types)
    const answers = new Map<string, boolean>()
    const inSegment = (name: string): boolean => answers.get(name) ?? false
    for (const [index, condition] of conditions.entries()) {
      const holding = holds(condition, person, { now: Date.parse(now), inSegment })
      answers.set(`s${index}`, holding)
      if (holding) found[index]!.push(id)
    }
  }
  return found.map((ids) => ids.sort())
}

function normal(person: TestPerson, types: UnionTypes): Person {
  const attributes = readDatum(person.attributes, dataTypeOf(types.profile)) as DatumObject | null
  const event = types.event ? dataTypeOf(types.event) : null
  return {
    attributes: attributes ?? {},
    events: event ? person.events.map((each) => readDatum(each, event) as DatumObject) : [],
    ...(person.memberships && { memberships: person.memberships }),
  }
}

let connecting: Promise<DuckDBConnection> | undefined
const connection = (): Promise<DuckDBConnection> =>
  (connecting ??= DuckDBInstance.create(':memory:', { threads: '1' }).then((instance) => instance.connect()))

/** Ids for which each condition holds, by one DuckDB query for all, or by what is made of it. */
export async function onDuckdb(
  conditions: readonly Condition[],
  people: readonly TestPerson[],
  types: UnionTypes,
  now: string,
  change: (sql: string) => string = (sql) => sql,
  rewrites: Rewrites = allRewrites,
): Promise<string[][]> {
  const database = await connection()
  await loadTables(database, people, types)
  const { sql: whole, names } = queryOf(conditions, types, now, 'duckdb', rewrites)
  const sql = change(whole)
  const result = await database.runAndReadAll(sql).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${sql}`)
  })
  return membersOf(names, result.columnNames(), result.getRows())
}

/** Ids that the flip query finds between two instants, of people whose data stay as they are. */
export async function flippedOnDuckdb(
  conditions: readonly Condition[],
  people: readonly TestPerson[],
  types: UnionTypes,
  since: string,
  now: string,
): Promise<ReadonlySet<string>> {
  const database = await connection()
  await loadTables(database, people, types)
  const sql = flipQuery(conditions, types.event ? columnsOf(types.event) : [])
    .sql.replaceAll('$now', () => duckdb.timestamp(Date.parse(now)))
    .replaceAll('$since', () => duckdb.timestamp(Date.parse(since)))
  const result = await database.runAndReadAll(sql).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${sql}`)
  })
  return new Set(result.getRows().map(([id]) => String(id)))
}

/** The membership query of one engine at an instant. */
export function queryOf(
  conditions: readonly Condition[],
  types: UnionTypes,
  now: string,
  engine: 'duckdb' | 'spark',
  rewrites: Rewrites = allRewrites,
): { sql: string; names: readonly string[] } {
  const names = conditions.map((_, index) => `s${index}`)
  const query = membershipQuery(
    conditions.map((condition, index) => ({ name: names[index]!, condition })),
    types.event ? columnsOf(types.event) : [],
    rewrites,
  )
  const instant = { duckdb, spark }[engine].timestamp(Date.parse(now))
  return { sql: query[engine]!.replaceAll('$now', instant), names } // this compiler prints both
}

export function membersOf(
  names: readonly string[],
  columns: readonly string[],
  rows: readonly (readonly unknown[])[],
): string[][] {
  const id = columns.indexOf('$profile')
  return names.map((name) => {
    const column = columns.indexOf(name)
    return rows
      .filter((row) => row[column] === true)
      .map((row) => String(row[id]))
      .sort()
  })
}

/** The tables as Parquet files, in a folder, for another engine to read. */
export async function asParquet(
  people: readonly TestPerson[],
  types: UnionTypes,
  folder: string,
): Promise<{ readonly profiles: string; readonly events: string; readonly members?: string }> {
  const database = await connection()
  await loadTables(database, people, types)
  const paths = {
    profiles: join(folder, 'profiles.parquet'),
    events: join(folder, 'events.parquet'),
    ...(people.some(({ memberships }) => memberships) && { members: join(folder, 'members.parquet') }),
  }
  for (const [table, path] of Object.entries(paths))
    await database.run(`COPY ${table} TO ${duckdb.text(path)} (FORMAT parquet)`)
  return paths
}

async function loadTables(database: DuckDBConnection, people: readonly TestPerson[], types: UnionTypes): Promise<void> {
  const normalized = people.map((person) => ({ id: person.id, person: normal(person, types) }))
  await loadTable(
    database,
    'profiles',
    columnsOf(types.profile),
    normalized.map(({ id, person }) => ({ id, data: person.attributes })),
  )
  await loadTable(
    database,
    'events',
    types.event ? columnsOf(types.event) : [],
    normalized.flatMap(({ id, person }) => person.events.map((data) => ({ id, data }))),
  )
  const segments = [...new Set(people.flatMap(({ memberships }) => [...(memberships?.keys() ?? [])]))]
  await loadTable(
    database,
    'members',
    segments.flatMap((name): Column[] => [
      { path: name, type: 'boolean' },
      { path: `$since:${name}`, type: 'timestamp' },
    ]),
    people.flatMap(({ id, memberships = new Map() }) =>
      memberships.size === 0
        ? []
        : [
            {
              id,
              data: Object.fromEntries(
                segments.flatMap((name) => [
                  [name, memberships.get(name) ? memberships.get(name)!.status === 'realized' : null],
                  [`$since:${name}`, memberships.get(name)?.since ?? null],
                ]),
              ),
            },
          ],
    ),
  )
}

async function loadTable(
  database: DuckDBConnection,
  name: string,
  columns: readonly Column[],
  rows: readonly { readonly id: string; readonly data: DatumObject }[],
): Promise<void> {
  const declared = [
    '"$profile" VARCHAR',
    ...columns.map((column) => `${duckdb.identifier(column.path)} ${duckdb.type(column.type)}`),
  ]
  await database.run(`CREATE OR REPLACE TABLE ${name} (${declared.join(', ')})`)
  if (rows.length === 0) return
  const written = rows.map(
    ({ id, data }) =>
      `(${[duckdb.text(id), ...columns.map((column) => sqlLiteral(dig(data, column.path), column.type))].join(', ')})`,
  )
  await database.run(`INSERT INTO ${name} VALUES ${written.join(',\n')}`)
}

function dig(data: DatumObject, path: string): Datum {
  return path.split('.').reduce<Datum>((current, name) => (isObject(current) ? (current[name] ?? null) : null), data)
}

function isObject(datum: Datum): datum is DatumObject {
  return typeof datum === 'object' && datum !== null && !Array.isArray(datum) && !(datum instanceof Map)
}

function sqlLiteral(datum: Datum, type: DataType): string {
  const cast = (sql: string): string => `CAST(${sql} AS ${duckdb.type(type)})`
  if (datum === null) return 'NULL'
  if (typeof type === 'object') {
    if ('items' in type)
      return cast(`[${(datum as readonly Datum[]).map((item) => sqlLiteral(item, type.items)).join(', ')}]`)
    if ('values' in type) {
      const entries = [...(datum as ReadonlyMap<string, Datum>)]
      return entries.length === 0
        ? cast('MAP {}')
        : cast(
            `MAP {${entries.map(([key, value]) => `${duckdb.text(key)}: ${sqlLiteral(value, type.values)}`).join(', ')}}`,
          )
    }
    return cast(
      `struct_pack(${Object.entries(type.fields)
        .map(
          ([name, field]) => `${duckdb.identifier(name)} := ${sqlLiteral((datum as DatumObject)[name] ?? null, field)}`,
        )
        .join(', ')})`,
    )
  }
  if (type === 'timestamp') return duckdb.timestamp(datum as number)
  if (type === 'date') return cast(duckdb.timestamp(datum as number))
  if (type === 'string') return duckdb.text(datum as string)
  if (type === 'number') return duckdb.double(datum as number)
  return String(datum)
}
