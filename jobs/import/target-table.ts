import type pg from 'pg'
import type { DeliveryManifest, ImportPlan } from '#crds'
import { JobError } from '../errors.ts'
import { statusColumn } from '../export/file-names.ts'
import { name } from '../postgres/connection.ts'

/** A column of the file and the column of the target table that takes it. */
export type TargetColumn = {
  readonly name: string
  /** As PostgreSQL writes it, with its modifiers: `numeric(10,2)`. */
  readonly type: string
  readonly required: boolean
  /** Its text in the staging table: `c0`, in the file's order. */
  readonly staged: string
  readonly isKey: boolean
  /** Written by the import: neither key nor opted out. */
  readonly written: boolean
  /** SQL that tells whether the staged text is a value of the type. */
  readonly valid: string
}

export type TargetTable = {
  readonly name: string
  readonly columns: readonly TargetColumn[]
  readonly keys: readonly TargetColumn[]
  /** A unique index holds the key together, so no key can have two recipients. */
  readonly uniqueKey: boolean
  /** The staged status, null where the file has none: then every row is realized. */
  readonly status: string | null
}

/** Looks the file's columns up in the database; throws DatabaseRefused for a table or column that is not there. */
export async function readTargetTable(
  client: pg.Client,
  { target }: ImportPlan,
  manifest: DeliveryManifest,
): Promise<TargetTable> {
  const table = name(target.schema, target.table)
  const { rows: found } = await client.query<{
    name: string
    type: string
    base: string
    size: number
    required: boolean
    number: number
  }>(
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, t.typname AS base, a.atttypmod - 4 AS size, a.attnotnull AS required, a.attnum AS number
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped`,
    [target.schema, target.table],
  )
  if (found.length === 0) {
    throw new JobError(
      'DatabaseRefused',
      `There is no table ${target.schema}.${target.table}. Create it, or correct targetMapping.schema and targetMapping.table of the CampaignInstance.`,
    )
  }
  const { rows: version } = await client.query<{ number: number }>(
    `SELECT current_setting('server_version_num')::integer AS number`,
  )
  const isValid = version[0]!.number >= 160_000 ? 'pg_input_is_valid' : 'convoke.input_is_valid'
  const inFile = manifest.columns
    .map(({ name: column }, index) => ({ column, staged: `c${index}` }))
    .filter(({ column }) => column !== statusColumn)
  const missing = [...new Set([...inFile.map(({ column }) => column), ...target.reconciliationKey])].filter(
    (column) => !found.some((known) => known.name === column),
  )
  if (missing.length > 0) {
    throw new JobError(
      'DatabaseRefused',
      `The table ${target.schema}.${target.table} has no column ${missing.join(', ')}. Add it, or correct the mapping of the Activation ${manifest.activation}.`,
    )
  }
  const columns = inFile.map(({ column, staged }): TargetColumn => {
    const { type, base, size, required } = found.find((known) => known.name === column)!
    const isKey = target.reconciliationKey.includes(column)
    const limited = (base === 'varchar' || base === 'bpchar') && size > 0
    return {
      name: column,
      type,
      required,
      staged,
      isKey,
      written: !isKey && !target.optOutColumns.includes(column),
      // A cast to varchar(n) cuts silently, so length is looked at; any text is a text.
      valid: limited
        ? `length(${staged}) <= ${size}`
        : base === 'text' || base === 'varchar'
          ? 'true'
          : `${isValid}(${staged}, '${type.replaceAll("'", "''")}')`,
    }
  })
  const keys = target.reconciliationKey.map((key) => {
    const column = columns.find((candidate) => candidate.name === key)
    if (!column)
      throw new JobError(
        'InvalidPlan',
        `The files of the Activation ${manifest.activation} have no column ${key}, by which ${target.schema}.${target.table} is reconciled. Map it.`,
      )
    return column
  })
  const numbers = target.reconciliationKey.map((key) => found.find((known) => known.name === key)!.number)
  const { rows: unique } = await client.query(
    `SELECT 1 FROM pg_index WHERE indrelid = to_regclass($1) AND indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL
       AND string_to_array(indkey::text, ' ')::int2[] <@ $2::int2[]`,
    [table, numbers],
  )
  const status = manifest.columns.findIndex(({ name: column }) => column === statusColumn)
  return { name: table, columns, keys, uniqueKey: unique.length > 0, status: status === -1 ? null : `c${status}` }
}
