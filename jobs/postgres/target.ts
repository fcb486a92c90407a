import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from } from 'pg-copy-streams'
import type { ExtractPlan, ImportPlan } from '#crds'
import { JobError } from '../errors.ts'
import { name } from './connection.ts'
import { databaseFault } from './faults.ts'

const types: Readonly<Record<ImportPlan['target']['columns'][number]['type'], string>> = {
  Text: 'text',
  Integer: 'bigint',
  Double: 'double precision',
  Boolean: 'boolean',
  Date: 'date',
  DateTime: 'timestamptz',
}

type Table = {
  readonly schema: string
  readonly table: string
  readonly columns: ImportPlan['target']['columns']
  readonly uniqueKey: readonly string[]
}

/**
 * Creates the target table of an embedded Campaign database from the target mapping and fills it from a CSV file (with header; further
 * columns become text). A table that exists stays as it is.
 */
export function ensureTarget(url: string, { instance, target }: ImportPlan, csvPath: string | null): Promise<void> {
  return ensureTable(url, instance, { ...target, uniqueKey: target.reconciliationKey }, csvPath)
}

/** Creates the log tables that a CampaignSource reads, with identity, watermark, mapped columns and the columns of the CSV files. */
export async function ensureLogTables(
  url: string,
  { instance, identity, tables }: ExtractPlan,
  csvPathOf: (table: string) => string | null,
): Promise<void> {
  for (const { name: qualified, watermark, mapping } of tables) {
    const [table = '', schema = 'public'] = qualified.split('.').reverse()
    const csvPath = csvPathOf(table)
    // Without a file the table is empty, and has the columns that are asked for.
    const mapped = csvPath === null ? mapping.map(({ source }) => source) : []
    const texts = [...new Set([identity.column, ...mapped])].filter((column) => column !== watermark)
    const columns: Table['columns'] = [
      { name: watermark, type: 'DateTime' },
      ...texts.map((column) => ({ name: column, type: 'Text' as const })),
    ]
    await ensureTable(url, instance, { schema, table, columns, uniqueKey: [] }, csvPath)
  }
}

async function ensureTable(
  url: string,
  instance: string,
  { schema, table: tableName, columns, uniqueKey }: Table,
  csvPath: string | null,
): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  const table = name(schema, tableName)
  try {
    await client.connect()
    await client.query(
      "BEGIN; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SELECT pg_advisory_xact_lock(hashtext('convoke:target'))",
    )
    const { rows } = await client.query('SELECT to_regclass($1) AS found', [table])
    if (rows[0]?.found === null) {
      const header = csvPath === null ? [] : await headerOf(csvPath)
      const declared = columns.map((column) => `${name(column.name)} ${types[column.type]}`)
      const further = header
        .filter((column) => !columns.some((known) => known.name === column))
        .map((column) => `${name(column)} text`)
      await client.query(
        `CREATE SCHEMA IF NOT EXISTS ${name(schema)}; CREATE TABLE ${table} (${[...declared, ...further].join(', ')})`,
      )
      if (csvPath !== null) {
        const copy = client.query(
          from(
            `COPY ${table} (${header.map((column) => name(column)).join(', ')}) FROM STDIN (FORMAT csv, HEADER true)`,
          ),
        )
        await pipeline(createReadStream(csvPath), copy)
      }
      if (uniqueKey.length > 0)
        await client.query(`CREATE UNIQUE INDEX ON ${table} (${uniqueKey.map((column) => name(column)).join(', ')})`)
      await client.query(`ANALYZE ${table}`)
    }
    await client.query('COMMIT')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (csvPath !== null && /^2[23]/.test(code)) {
      const where = error instanceof Error && 'where' in error ? ` (${String(error.where)})` : ''
      throw new JobError(
        'UnreadableFile',
        `${csvPath} cannot be loaded into ${schema}.${tableName}: ${error instanceof Error ? error.message : ''}${where}. Correct the file.`,
        error,
      )
    }
    throw databaseFault(error, { place: `the embedded database of the CampaignInstance ${instance}` })
  } finally {
    await client.end().catch(() => {})
  }
}

/** The column names in a CSV file's first line. */
async function headerOf(path: string): Promise<readonly string[]> {
  const file = await open(path)
  try {
    for await (const line of file.readLines()) {
      const fields = line.replace(/^\uFEFF/, '').matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)
      return [...fields].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '')
    }
  } finally {
    await file.close()
  }
  throw new JobError('UnreadableFile', `${path} is empty; its first line must name the columns.`)
}
