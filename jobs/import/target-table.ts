import type { DeliveryManifest, ImportPlan } from '#crds'
import { JobError } from '../errors.ts'
import { statusColumn } from '../export/file-names.ts'
import { type Database, name, text } from '../postgres/connection.ts'

/** A column of the file, and the column of the target table that takes it. */
export type TargetColumn = {
  readonly name: string
  /** The type as PostgreSQL writes it, with modifiers: `numeric(10,2)`. For a domain, the domain's own name. */
  readonly type: string
  /** The type of the value before it is written: for a domain, the type under it. The domain's own checks apply on writing. */
  readonly valueType: string
  readonly required: boolean
  /** SQL for what a null in the file becomes: the constant default of a column that may not be empty; null where there is none. */
  readonly fallback: string | null
  /** The column of the staging table, in the file's order: `c0`. */
  readonly position: string
  /** SQL for the value's text in the staging table. */
  readonly staged: string
  readonly isKey: boolean
  /** Whether the import writes the column: it is neither a key nor opted out. */
  readonly written: boolean
  /** SQL condition that a text is a value of the type; `true` where every text is. */
  readonly validOf: (text: string) => string
  /** SQL condition that two values of the column differ. */
  readonly differs: (one: string, other: string) => string
}

export type TargetTable = {
  /** The table's name as an identifier. */
  readonly name: string
  readonly columns: readonly TargetColumn[]
  readonly keys: readonly TargetColumn[]
  readonly written: readonly TargetColumn[]
  /** Whether a unique index covers the key, so that no key can have two recipients. */
  readonly uniqueKey: boolean
  /** Whether row security, a trigger, a rule or a view may silently leave a row as it is. */
  readonly maySkipRows: boolean
  /** Whether row security may refuse single rows to a role that may write the table. */
  readonly rowSecurity: boolean
  /** SQL for the staged status; null where the file has none: then every row is realized. */
  readonly status: string | null
}

/**
 * Looks up the file's columns in the database. Throws DatabaseRefused for a table or column that is missing or cannot be written, and for
 * a privilege that the role lacks.
 */
export async function readTargetTable(
  database: Database,
  { target }: ImportPlan,
  file: {
    readonly activation: string
    readonly columns: readonly Pick<DeliveryManifest['columns'][number], 'name' | 'type'>[]
  },
): Promise<TargetTable> {
  const place = `${target.schema}.${target.table}`
  const table = await findTable(database, target)
  const found = await findColumns(database, table.oid)
  const inFile = file.columns
    .map((column, index) => ({ ...column, position: `c${index}` }))
    .filter((column) => column.name !== statusColumn)
  const missing = [...new Set([...inFile.map((column) => column.name), ...target.reconciliationKey])].filter(
    (column) => !found.has(column),
  )
  if (missing.length > 0) {
    throw new JobError(
      'DatabaseRefused',
      `The table ${place} has no column ${missing.join(', ')}. Add it, or correct the mapping of the Activation ${file.activation}.`,
    )
  }
  const columns = inFile.map(({ name: column, type, position }): TargetColumn => {
    const known = found.get(column)!
    const isKey = target.reconciliationKey.includes(column)
    const declared = target.columns.find((candidate) => candidate.name === column)?.type
    // Campaign stores its flags as small integers.
    const isFlag = known.category === 'N' && (type === 'boolean' || declared === 'Boolean')
    const staged = isFlag
      ? `(CASE lower(${position}) WHEN 'true' THEN '1' WHEN 'false' THEN '0' ELSE ${position} END)`
      : position
    return {
      name: column,
      type: known.type,
      valueType: known.valueType,
      required: known.required,
      fallback: known.required && known.fallback !== null && isConstant(known.fallback) ? known.fallback : null,
      position,
      staged,
      isKey,
      written: !isKey && !target.optOutColumns.includes(column),
      validOf: validOf(known, table.isValid),
      differs: differsSql(known),
    }
  })
  const keys = target.reconciliationKey.map((key) => {
    const column = columns.find((candidate) => candidate.name === key)
    if (!column)
      throw new JobError(
        'InvalidPlan',
        `The files of the Activation ${file.activation} have no column ${key}, by which ${place} is reconciled. Map it.`,
      )
    return column
  })
  const written = columns.filter((column) => column.written)
  const computed = written.flatMap((column) => found.get(column.name)!.computed ?? [])
  if (computed.length > 0)
    throw new JobError(
      'DatabaseRefused',
      `No statement can set ${computed.join(' and ')} of ${place}. Take the column out of the mapping of the Activation ${file.activation}, or name it in targetMapping.optOutColumns of the CampaignInstance.`,
    )
  refuseWithoutPrivileges(database.role, table, found, target, { read: [...keys, ...written], written })
  const { rows: unique } = await database.query(
    `SELECT 1 FROM pg_index WHERE indrelid = $1 AND indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL
       AND string_to_array(indkey::text, ' ')::int2[] <@ $2::int2[]`,
    [table.oid, target.reconciliationKey.map((key) => found.get(key)!.number)],
  )
  const status = file.columns.findIndex((column) => column.name === statusColumn)
  return {
    name: name(target.schema, target.table),
    columns,
    keys,
    written,
    uniqueKey: unique.length > 0,
    maySkipRows: table.maySkipRows,
    rowSecurity: table.rowSecurity,
    status: status === -1 ? null : `c${status}`,
  }
}

type FoundTable = {
  readonly oid: number
  /** Name of the database, as an identifier. */
  readonly database: string
  readonly mayUseTemporary: boolean
  readonly mayUseSchema: boolean
  readonly maySkipRows: boolean
  readonly rowSecurity: boolean
  /** Name of the function that tells whether a text is a value of a type. */
  readonly isValid: string
}

async function findTable(database: Database, { schema, table }: ImportPlan['target']): Promise<FoundTable> {
  const { rows } = await database.query<FoundTable>(
    // Bits of tgtype: 1 for each row, 2 before, 16 update, 64 instead of.
    `SELECT c.oid, quote_ident(current_database()) AS database,
       has_database_privilege(current_database(), 'TEMPORARY') AS "mayUseTemporary", has_schema_privilege(n.oid, 'USAGE') AS "mayUseSchema",
       c.relkind NOT IN ('r', 'p') OR row_security_active(c.oid) OR c.relhasrules OR EXISTS (SELECT 1 FROM pg_trigger g
         WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND (g.tgtype & 19 = 19 OR g.tgtype & 81 = 81)) AS "maySkipRows",
       row_security_active(c.oid) AS "rowSecurity",
       CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'pg_input_is_valid' ELSE 'convoke.input_is_valid' END AS "isValid"
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
    [schema, table],
  )
  if (rows[0]) return rows[0]
  throw new JobError(
    'DatabaseRefused',
    `There is no table ${schema}.${table}. Create it, or correct targetMapping.schema and targetMapping.table of the CampaignInstance.`,
  )
}

type FoundColumn = {
  readonly name: string
  readonly number: number
  readonly type: string
  readonly valueType: string
  /** Name of the value type without modifiers, and its category, as in pg_type. */
  readonly base: string
  readonly category: string
  /** The largest length of a varchar or char in characters; null for other types. */
  readonly length: number | null
  readonly required: boolean
  readonly fallback: string | null
  /** `the generated column x` where no statement can set it; otherwise null. */
  readonly computed: string | null
  /** Whether `=` tells that two values are the same. */
  readonly comparable: boolean
  readonly mayRead: boolean
  readonly mayWrite: boolean
}

async function findColumns(database: Database, table: number): Promise<ReadonlyMap<string, FoundColumn>> {
  const { rows } = await database.query<FoundColumn>(
    // A domain may be based on another domain, and each may refuse null.
    `WITH RECURSIVE layers AS (
       SELECT attnum, atttypid AS type, atttypmod AS modifier, attnotnull AS required, 0 AS depth
       FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
       UNION ALL
       SELECT attnum, t.typbasetype, t.typtypmod, required OR t.typnotnull, depth + 1 FROM layers JOIN pg_type t ON t.oid = type WHERE t.typtype = 'd'
     ), innermost AS (SELECT DISTINCT ON (attnum) * FROM layers ORDER BY attnum, depth DESC)
     SELECT a.attname AS name, a.attnum AS number, format_type(a.atttypid, a.atttypmod) AS type, format_type(v.type, v.modifier) AS "valueType",
       t.typname AS base, t.typcategory AS category, CASE WHEN t.typname IN ('varchar', 'bpchar') AND v.modifier > 4 THEN v.modifier - 4 END AS length,
       v.required, coalesce(pg_get_expr(d.adbin, d.adrelid), CASE WHEN own.typtype = 'd' THEN own.typdefault END) AS fallback,
       CASE WHEN a.attgenerated <> '' THEN 'the generated column ' || a.attname WHEN a.attidentity = 'a' THEN 'the identity column ' || a.attname END AS computed,
       t.typname IN ('uuid', 'jsonb', 'bytea') OR coalesce(e.typcategory, t.typcategory) IN ('B', 'D', 'E', 'I', 'N', 'R', 'T', 'V') AS comparable,
       has_column_privilege($1::oid, a.attnum, 'SELECT') AS "mayRead", has_column_privilege($1::oid, a.attnum, 'UPDATE') AS "mayWrite"
     FROM pg_attribute a JOIN innermost v USING (attnum) JOIN pg_type own ON own.oid = a.atttypid JOIN pg_type t ON t.oid = v.type
       LEFT JOIN pg_type e ON t.typcategory = 'A' AND e.oid = t.typelem LEFT JOIN pg_attrdef d ON d.adrelid = $1 AND d.adnum = a.attnum
     WHERE a.attrelid = $1`,
    [table],
  )
  return new Map(rows.map((row) => [row.name, row]))
}

function refuseWithoutPrivileges(
  role: string,
  { database, mayUseTemporary, mayUseSchema }: FoundTable,
  found: ReadonlyMap<string, FoundColumn>,
  { schema, table }: ImportPlan['target'],
  { read, written }: { readonly read: readonly TargetColumn[]; readonly written: readonly TargetColumn[] },
): void {
  const refuse = (what: string, grant: string) => {
    throw new JobError(
      'DatabaseRefused',
      `The role ${role} may not ${what}. Grant the role what it needs: GRANT ${grant} TO ${role};`,
    )
  }
  if (!mayUseTemporary) refuse(`create temporary tables in ${database}`, `TEMPORARY ON DATABASE ${database}`)
  if (!mayUseSchema) refuse(`use the schema ${schema}`, `USAGE ON SCHEMA ${name(schema)}`)
  const unreadable = read.filter((column) => !found.get(column.name)!.mayRead).map((column) => column.name)
  const unwritable = written.filter((column) => !found.get(column.name)!.mayWrite).map((column) => column.name)
  if (unreadable.length + unwritable.length > 0)
    refuse(
      `${unwritable.length > 0 ? `update ${unwritable.join(', ')}` : `read ${unreadable.join(', ')}`} of ${schema}.${table}`,
      `SELECT, UPDATE ON ${name(schema, table)}`,
    )
}

/** Whether a default is the same value for every row at any time. */
function isConstant(expression: string): boolean {
  return /^(?:'(?:[^']|'')*'|-?[\d.]+|\(-[\d.]+\)|true|false)(?:::[\w "[\](),.]+)*$/.test(expression)
}

/** A cast to varchar(n) cuts silently, so the length is checked; any text is a text; for other types the type itself is asked. */
function validOf({ base, type, valueType, length }: FoundColumn, isValid: string): TargetColumn['validOf'] {
  if (type === valueType && length !== null) return (value) => `length(${value}) <= ${length}`
  if (type === valueType && (base === 'text' || base === 'varchar')) return () => 'true'
  return (value) => `${isValid}(${value}, ${text(type)})`
}

/** Texts are compared byte by byte, since a collation or citext may equate different texts; types without `=` are compared as text. */
function differsSql({ comparable, category }: FoundColumn): TargetColumn['differs'] {
  if (comparable) return (one, other) => `${one} IS DISTINCT FROM ${other}`
  const as = category === 'S' ? '::text COLLATE "C"' : '::text'
  return (one, other) => `${one}${as} IS DISTINCT FROM ${other}${as}`
}
