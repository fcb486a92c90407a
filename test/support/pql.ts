// Runs expressions over people on every engine and compares: the one check function of the language tests.
import { DuckDBInstance } from '@duckdb/node-api'
import { checkPql } from '../../compiler/pql/check.ts'
import { type DatumObject, holds, type Person, readDatum } from '../../compiler/pql/interpret.ts'
import type { Condition } from '../../compiler/pql/ir.ts'
import { columnsOf, dataTypeOf, readUnionSchema, type UnionTypes, withTimestamp } from '../../compiler/schema.ts'
import { duckdb } from '../../compiler/sql/duckdb.ts'
import { membershipQuery } from '../../compiler/sql/membership-query.ts'

export type TestPerson = { readonly id: string; readonly attributes: unknown; readonly events: readonly unknown[] }

export function typesOf(schema: { readonly profile: unknown; readonly event?: unknown }): UnionTypes {
  return { profile: readUnionSchema(schema.profile).type, event: schema.event === undefined ? null : withTimestamp(readUnionSchema(schema.event).type) }
}

export function compileOne(pql: string, types: UnionTypes, segments: ReadonlySet<string> = new Set()): Condition {
  const checked = checkPql(pql, { types, segments })
  if (!checked.condition) throw new Error(`${pql}\n${checked.faults.map((fault) => `${fault.code}: ${fault.message}`).join('\n')}`)
  return checked.condition
}

/** Ids for which each condition holds, by the reference interpreter. */
export function interpreted(conditions: readonly Condition[], people: readonly TestPerson[], types: UnionTypes, now: string): string[][] {
  const normalized = people.map((person) => ({ id: person.id, person: normal(person, types) }))
  return conditions.map((condition) => normalized.filter(({ person }) => holds(condition, person, { now: Date.parse(now), inSegment: () => false })).map(({ id }) => id))
}

export function normal(person: TestPerson, types: UnionTypes): Person {
  const attributes = readDatum(person.attributes, dataTypeOf(types.profile)) as DatumObject
  const event = types.event ? dataTypeOf(types.event) : null
  return { attributes, events: event ? person.events.map((each) => readDatum(each, event) as DatumObject) : [] }
}

/** Ids for which each condition holds, by one DuckDB query for all. */
export async function onDuckdb(conditions: readonly Condition[], people: readonly TestPerson[], types: UnionTypes, now: string): Promise<string[][]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const profileColumns = columnsOf(types.profile)
    const eventColumns = types.event ? columnsOf(types.event) : []
    const literal = (datum: unknown, type: Parameters<typeof duckdb.type>[0]): string => sqlLiteral(datum, type)
    const rows = (columns: typeof profileColumns, values: readonly { id: string; data: DatumObject }[]): string => {
      const header = [`NULL::VARCHAR AS "$profile"`, ...columns.map((column) => `NULL::${duckdb.type(column.type)} AS ${duckdb.identifier(column.path)}`)]
      const none = `SELECT ${header.join(', ')} WHERE FALSE`
      return [none, ...values.map(({ id, data }) => `SELECT ${[duckdb.text(id), ...columns.map((column) => literal(dig(data, column.path), column.type))].join(', ')}`)].join('\nUNION ALL ')
    }
    const normalized = people.map((person) => ({ id: person.id, person: normal(person, types) }))
    await connection.run(`CREATE TABLE profiles AS ${rows(profileColumns, normalized.map(({ id, person }) => ({ id, data: person.attributes })))}`)
    await connection.run(`CREATE TABLE events AS ${rows(eventColumns, normalized.flatMap(({ id, person }) => person.events.map((data) => ({ id, data }))))}`)
    const names = conditions.map((_, index) => `s${index}`)
    const query = membershipQuery(conditions.map((condition, index) => ({ name: names[index]!, condition })), eventColumns)
    const sql = query.duckdb.replaceAll('$now', duckdb.timestamp(Date.parse(now)))
    const result = await connection.runAndReadAll(sql).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${sql}`)
    })
    const found = result.getRowObjects()
    return names.map((name) => found.filter((row) => row[name] === true).map((row) => String(row['$profile'])).sort())
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

function dig(data: DatumObject, path: string): unknown {
  return path.split('.').reduce<unknown>((current, name) => (typeof current === 'object' && current !== null && !(current instanceof Map) ? ((current as Record<string, unknown>)[name] ?? null) : null), data)
}

function sqlLiteral(datum: unknown, type: Parameters<typeof duckdb.type>[0]): string {
  const cast = (sql: string): string => `CAST(${sql} AS ${duckdb.type(type)})`
  if (datum === null || datum === undefined) return cast('NULL')
  if (typeof type === 'object') {
    if ('items' in type) return cast(`[${(datum as unknown[]).map((item) => sqlLiteral(item, type.items)).join(', ')}]`)
    if ('values' in type) {
      const entries = [...(datum as Map<string, unknown>)]
      return entries.length === 0 ? cast('MAP {}') : cast(`MAP {${entries.map(([key, value]) => `${duckdb.text(key)}: ${sqlLiteral(value, type.values)}`).join(', ')}}`)
    }
    return `struct_pack(${Object.entries(type.fields).map(([name, field]) => `${duckdb.identifier(name)} := ${sqlLiteral((datum as Record<string, unknown>)[name], field)}`).join(', ')})`
  }
  if (type === 'timestamp') return duckdb.timestamp(datum as number)
  if (type === 'date') return cast(duckdb.timestamp(datum as number))
  if (type === 'string') return duckdb.text(datum as string)
  if (type === 'number') return duckdb.double(datum as number)
  return String(datum)
}
