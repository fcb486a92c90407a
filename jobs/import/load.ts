import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { from } from 'pg-copy-streams'
import { JobError } from '../errors.ts'
import { type Database, name, text } from '../postgres/connection.ts'
import { sqlStateOf, surroundingStates } from '../postgres/faults.ts'
import { byRowsSql, type RowWork } from './by-rows.ts'
import { numberedRecords, type RecordCounter } from './numbered-records.ts'
import type { TargetColumn, TargetTable } from './target-table.ts'

// The temporary tables of one transaction, in the order in which they are made:
//
// staging   every record as text (c0, c1, …), with its number, delivery, file, line and what makes it unfit
// loaded    the same records as values of the target's types (k0…: key, v0…: written), or the reason not to load them;
//           `waits`: the reason is that the recipient does not exist yet
// done      how many rows of a file were updated, and their numbers where the table may skip rows

/** The database refused a row of a group: the attempt ends, and its deliveries are imported one by one. */
export class RefusedInGroup extends Error {}

export type FileToLoad = {
  /** Index of the delivery that the file belongs to, and the file's own index over all deliveries. */
  readonly delivery: number
  readonly file: number
  readonly name: string
  readonly path: string
}

export type Load = {
  readonly database: Database
  readonly target: TargetTable
  /** `schema.table`, for messages. */
  readonly table: string
  /** Whether several deliveries are loaded together. */
  readonly isGroup: boolean
}

export async function createStaging(database: Database, columns: number): Promise<void> {
  const texts = Array.from({ length: columns }, (_, index) => `, c${index} text`).join('')
  await database.query(
    `CREATE TEMP TABLE staging (number bigint, delivery integer, file integer, line bigint, fault text${texts}) ON COMMIT DROP`,
  )
}

/** Copies files into `staging`. Throws UnreadableFile for one that is no CSV. */
export async function stageFiles(
  database: Database,
  files: readonly FileToLoad[],
  format: { readonly delimiter: string; readonly nullValue: string },
  place: string,
): Promise<void> {
  const { delimiter, nullValue } = format
  const counter: RecordCounter = { records: 0 }
  const unreadable = (file: string, error: Error, where = '') =>
    new JobError(
      'UnreadableFile',
      `${file} in ${place} is not the CSV that its manifest describes: ${error.message}${where}.`,
      error,
    )
  // One statement for all files of a group; where one fails, the deliveries are imported one by one and so told apart.
  const together = files.some(({ delivery }) => delivery > 0) ? [files] : files.map((file) => [file])
  for (const some of together) {
    const records = async function* () {
      for (const { path, name: file, delivery, file: number } of some) {
        const content = createReadStream(path, { highWaterMark: 1 << 20 })
        const prefix = `${delivery}${delimiter}${number}`
        const chunks = file.endsWith('.gz') ? content.pipe(createGunzip()) : content
        try {
          yield* numberedRecords(chunks, { prefix, delimiter, counter })
        } catch (error) {
          throw error instanceof Error && 'code' in error && /^Z_/.test(String(error.code))
            ? unreadable(file, error)
            : error
        } finally {
          content.destroy()
        }
      }
    }
    try {
      const copy = database.query(
        from(`COPY staging FROM STDIN (FORMAT csv, DELIMITER ${text(delimiter)}, NULL ${text(nullValue)})`),
      )
      await pipeline(records, copy)
    } catch (error) {
      if (!sqlStateOf(error)?.startsWith('22')) throw error
      const where = error instanceof Error && 'where' in error ? `, ${String(error.where)}` : ''
      throw unreadable(some.map((file) => file.name).join(', '), error as Error, where)
    }
  }
}

/** Makes `loaded`. A row with a value that its type refuses only on a real cast is found row by row. */
export async function judge(load: Load): Promise<void> {
  const { database, target, table } = load
  const { keys, written, status } = target
  const values = (of: (column: TargetColumn, name: string) => string) => [
    ...keys.map((column, index) => of(column, `k${index}`)),
    ...written.map((column, index) => of(column, `v${index}`)),
  ]
  await database.query(`CREATE TEMP TABLE loaded (number bigint, delivery integer, file integer, line bigint, exited boolean, waits boolean NOT NULL DEFAULT false,
    reason text, state text, ${values((column, as) => `${as} ${column.valueType}`).join(', ')}) ON COMMIT DROP`)

  const exited = status === null ? 'false' : `coalesce(${status} = 'exited', false)`
  const casts = [
    ...keys.map((key) => `CASE WHEN reason IS NULL THEN ${key.staged}::${key.valueType} END`),
    ...written.map((column) => {
      const value = `${column.staged}::${column.valueType}`
      return `CASE WHEN reason IS NULL AND NOT exited THEN ${column.fallback === null ? value : `coalesce(${value}, ${column.fallback})`} END`
    }),
  ]
  const insert = (where: string) =>
    // OFFSET 0 keeps the planner from evaluating the reason once for each column.
    `INSERT INTO loaded (number, delivery, file, line, exited, reason, ${values((_, as) => as).join(', ')})
      SELECT number, delivery, file, line, exited, reason, ${casts.join(', ')} FROM
        (SELECT *, ${exited} AS exited, ${reasonSql(target, exited)} AS reason FROM staging ${where} OFFSET 0) AS judged`
  const some = (condition: string) => insert(`WHERE number ${condition}`)
  await allOrByRows(load, insert(''), {
    rows: 'staging',
    range: some,
    single: some,
    refuse: `INSERT INTO loaded (number, delivery, file, line, exited, reason, state)
      SELECT number, delivery, file, line, ${exited}, 'the database refused it: ' || convoke_said, convoke_state FROM staging WHERE number = convoke_one`,
  })
  await database.query(`ANALYZE loaded (number, delivery, reason, exited, ${keyColumns(target)})`)

  const key = keyColumns(target)
  const { rows: repeated } = await database.query(
    `SELECT 1 FROM loaded WHERE reason IS NULL GROUP BY delivery, ${key} HAVING count(*) > 1 LIMIT 1`,
  )
  if (repeated.length > 0) {
    await database.query(`UPDATE loaded l SET reason = 'the same key as line ' || first.line FROM (
        SELECT number, first_value(line) OVER w AS line, row_number() OVER w AS place FROM loaded WHERE reason IS NULL
        WINDOW w AS (PARTITION BY delivery, ${key} ORDER BY exited, file, line)) AS first
      WHERE first.number = l.number AND first.place > 1`)
  }
  await database.query(`UPDATE loaded l SET waits = true, reason = ${text(`no row of ${table} has this key yet; the row waits for one`)}
    WHERE reason IS NULL AND NOT exited AND NOT EXISTS (SELECT 1 FROM ${target.name} t WHERE ${sameKey(target)})`)
  if (!target.uniqueKey) {
    await database.query(`UPDATE loaded l SET reason = several.recipients || ${text(` rows of ${table} have this key`)} FROM (
        SELECT l.number, count(*) AS recipients FROM loaded l JOIN ${target.name} t ON ${sameKey(target)}
        WHERE l.reason IS NULL AND NOT l.exited GROUP BY l.number HAVING count(*) > 1) AS several
      WHERE several.number = l.number`)
  }
}

/** SQL for why a staged record is not loaded; null where it is. */
function reasonSql({ columns, keys, status }: TargetTable, exited: string): string {
  const checked = columns
    .filter(({ isKey, written }) => isKey || written)
    .flatMap((column) => {
      const matters = column.isKey ? '' : `NOT ${exited} AND `
      const said = `${text(`${column.name}: `)} || quote_literal(left(${column.staged}, 100)) || ${text(` is no ${column.type}`)}`
      const valid = column.validOf(column.staged)
      return [
        ...(valid === 'true' ? [] : [`WHEN ${matters}${column.staged} IS NOT NULL AND NOT ${valid} THEN ${said}`]),
        ...(column.required && column.fallback === null
          ? [`WHEN ${matters}${column.staged} IS NULL THEN ${text(`${column.name} may not be empty`)}`]
          : []),
      ]
    })
  return `CASE ${[
    `WHEN nullif(fault, '') IS NOT NULL THEN fault`,
    ...(status === null
      ? []
      : [
          `WHEN ${status} IS NULL OR ${status} NOT IN ('realized', 'exited') THEN 'segmentMembership.status is neither realized nor exited'`,
        ]),
    ...keys.map((key) => `WHEN coalesce(${key.staged}, '') = '' THEN ${text(`no value for the key ${key.name}`)}`),
    ...checked,
  ].join(' ')} END`
}

/** Updates the rows that differ, and fills `done`. A row that the database refuses, or silently leaves as it is, is rejected. */
export async function update(load: Load): Promise<void> {
  const { database, target, isGroup } = load
  const { written, maySkipRows } = target
  await database.query('CREATE TEMP TABLE done (file integer, number bigint, rows bigint) ON COMMIT DROP')
  if (written.length === 0) return
  const differs = written.map((column, index) => column.differs(`t.${name(column.name)}`, `l.v${index}`)).join(' OR ')
  const loadable = 'reason IS NULL AND NOT exited'
  // Of a recipient in several deliveries the last delivery counts, as when they are loaded one after another.
  const rows = isGroup
    ? `(SELECT DISTINCT ON (${keyColumns(target)}) * FROM loaded WHERE ${loadable} ORDER BY ${keyColumns(target)}, delivery DESC)`
    : 'loaded'
  const updateSql = (from: string, some: string) => `UPDATE ${target.name} t
    SET ${written.map((column, index) => `${name(column.name)} = l.v${index}`).join(', ')} FROM ${from} l
    WHERE ${sameKey(target)} AND l.reason IS NULL AND NOT l.exited ${some} AND (${differs})`
  const counted = (some: string) => `WITH updated AS (${updateSql(rows, some)} RETURNING l.file, l.number)
    INSERT INTO done ${maySkipRows ? 'SELECT file, number, 1 FROM updated' : 'SELECT file, NULL, count(*) FROM updated GROUP BY file'}`
  const different = `SELECT l.number FROM ${rows} l JOIN ${target.name} t ON ${sameKey(target)} WHERE l.reason IS NULL AND NOT l.exited AND (${differs})`
  if (maySkipRows) await database.query(`CREATE TEMP TABLE expected ON COMMIT DROP AS ${different}`)
  await allOrByRows(load, counted(''), {
    rows: 'loaded',
    range: (condition) => counted(`AND l.number ${condition}`),
    single: (condition) => updateSql('loaded', `AND l.number ${condition}`),
    done: (numbers) => `INSERT INTO done SELECT file, number, 1 FROM loaded WHERE number = ANY(${numbers})`,
    refuse: `UPDATE loaded SET reason = 'the database refused it: ' || convoke_said, state = convoke_state WHERE number = convoke_one`,
    // A unique value that another row still had may be free by now.
    again: {
      where: `state IN ('23505', '23P01')`,
      prepare: 'UPDATE loaded SET reason = NULL, state = NULL WHERE number = convoke_one',
    },
  })
  if (!maySkipRows) return
  const { rowCount } =
    await database.query(`UPDATE loaded SET reason = 'a trigger or the row security of the table left it as it was'
    WHERE reason IS NULL AND number IN (SELECT number FROM expected EXCEPT SELECT number FROM done) AND number IN (${different})`)
  if (isGroup && rowCount !== 0) throw new RefusedInGroup()
}

/**
 * SQLSTATEs of a table that cannot be written as it is (a trigger's broken function, a lost privilege); they are seldom one row's fault.
 */
const tableStates = /^(42|55|XX|HV)/

/** Runs a statement over all rows; where the database refuses it, over ranges of rows and then over single rows. */
async function allOrByRows({ database, target, isGroup }: Load, all: string, work: RowWork): Promise<void> {
  if (!isGroup) await database.query('SAVEPOINT everything')
  try {
    await database.query(all)
  } catch (error) {
    const state = sqlStateOf(error)
    // 57014 (cancelled) is no row's fault either, and no handler in the database could catch it.
    if (state === null || new RegExp(surroundingStates).test(state)) throw error
    if (isGroup) throw new RefusedInGroup()
    await database.query('ROLLBACK TO SAVEPOINT everything')
    await database.query(`CREATE UNIQUE INDEX ON ${work.rows} (number); ANALYZE ${work.rows} (number)`)
    await database.query(byRowsSql(work))
    // Where not a single row could be written for such a reason, the table is at fault.
    const isOfTable = tableStates.test(state) && !(state === '42501' && target.rowSecurity)
    if (isOfTable && (await nothingWritten(database, work))) throw error
  }
}

async function nothingWritten(database: Database, { rows }: RowWork): Promise<boolean> {
  const { rows: found } = await database.query<{ any: boolean }>(
    rows === 'staging'
      ? 'SELECT EXISTS (SELECT 1 FROM loaded WHERE state IS NULL) AS any'
      : 'SELECT EXISTS (SELECT 1 FROM done) AS any',
  )
  return found[0]?.any === false
}

/** SQL condition that a row `t` of the target and a row `l` of `loaded` have the same key. */
function sameKey({ keys }: TargetTable): string {
  return keys.map((column, index) => `t.${name(column.name)} = l.k${index}`).join(' AND ')
}

function keyColumns({ keys }: TargetTable): string {
  return keys.map((_, index) => `k${index}`).join(', ')
}

/** SQL for the key as the list and the waiting rows write it: `["P00001"]`. */
export function keyJson({ keys }: TargetTable): string {
  return `jsonb_build_array(${keys.map((_, index) => `k${index}`).join(', ')})`
}
