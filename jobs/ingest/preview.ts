import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { DatasetPlan, DataType, IngestPlan, StorePlan } from '#crds'
import { type Engine, fileLiteral, identifier, literal, openDuckDB } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { comparedSql, type IdentityRule, identityRulesOf, somebodySql } from '../merge/identities.ts'
import { holdsProfiles, shaped } from '../merge/records.ts'
import type { Ports } from '../ports.ts'
import { type DataManifest, readDataManifest, storeRootOf } from '../profile-store.ts'
import { faultOf } from '../step.ts'
import { type BadRow, type BadRows, type NormalizedFile, normalizeFile, type SourceFile } from './normalize.ts'
import { toleranceOf, yieldBefore } from './read-dataset.ts'
import { fieldNamesOf, openReader } from './readers.ts'
import { openSourceFolder } from './source-files.ts'
import { refusalOf } from './tolerance.ts'
import { valueSql } from './values.ts'

/** What an ingest would find at a Dataset's location, and make of it. */
export type DatasetPreview = {
  readonly dataset: string
  readonly record: DatasetPlan['record']
  readonly format: DatasetPlan['format']
  readonly place: string
  /** Whether there is anything at the location. */
  readonly exists: boolean
  readonly files: {
    readonly read: readonly {
      readonly name: string
      readonly bytes: number
      readonly rows: number
      readonly accepted: number
    }[]
    readonly refused: readonly { readonly name: string; readonly reason: string }[]
    readonly passedOver: readonly { readonly name: string; readonly reason: string }[]
    /** How many names `include` and `exclude` leave out. */
    readonly excluded: number
  }
  readonly rows: { readonly read: number; readonly accepted: number; readonly bad: number; readonly badCells: number }
  /** Why rows are kept out; the most frequent reason first, with an example row. */
  readonly badRows: readonly (BadRows & { readonly example: Pick<BadRow, 'file' | 'line'> | null })[]
  /** The columns of the files, mapped or not. */
  readonly columns: readonly ColumnPreview[]
  /** How many rows `columns` was found from: the first ones. */
  readonly sampledRows: number
  readonly mapping: readonly {
    readonly source: string
    readonly target: string
    readonly type: DataType
    /** How many records get a value from this mapping. */
    readonly filled: number
    /** A field that may be meant, where no record gets a value. */
    readonly near: string | null
  }[]
  readonly identities: IdentityMatch | null
}

export type ColumnPreview = {
  readonly name: string
  /** The type that fits all values: `integer`, `date`, …; for Parquet the type of the column. */
  readonly type: string
  readonly empty: number
  readonly distinct: number
  readonly min: string | null
  readonly max: string | null
  /** The most frequent values. */
  readonly samples: readonly string[]
  /** The targets that are mapped from it. */
  readonly targets: readonly string[]
}

export type IdentityMatch = {
  readonly namespace: string
  /** How many different ones the accepted records have. */
  readonly ids: number
  /** How many of these other profiles have: in this preview's Datasets and in the store's data. */
  readonly matched: number
  /** How many rows have an identity that stands for nobody, such as `null` or `guest`. */
  readonly placeholders: number
}

const sampledRows = 100_000
let samples = 0
const shownColumns = 500
const shownSamples = 3

/**
 * Looks at the Datasets of a plan as an ingest at this instant would, all files anew. Reads only; writes nothing but temporary files in
 * the scratch folder.
 */
export async function previewDatasets(
  store: StorePlan,
  { datasets, limits }: IngestPlan,
  names: readonly string[] | null,
  now: Date,
  ports: Ports,
): Promise<readonly DatasetPreview[]> {
  const scratch = mkdtempSync(join(ports.scratch, 'preview-'))
  const own: Ports = { ...ports, now: () => now, scratch: join(scratch, 'files') }
  mkdirSync(own.scratch)
  try {
    await using engine = await openDuckDB(store, own)
    const known = knownOf(store, ports)
    const looks: Look[] = []
    for (const dataset of datasets.filter(({ name }) => names === null || names.includes(name)))
      looks.push(
        await lookedAt({ engine, store, limits, dataset, known, root: join(scratch, 'store'), ports: own, now }),
      )
    const rules = identityRulesOf(store, known?.data ?? { normalizesByNamespace: true })
    const people = peopleSql(store, rules, looks, known)
    return await Promise.all(
      looks.map(async ({ preview, dataset, records, root }) => ({
        ...preview,
        identities: await identitiesOf(engine, dataset, rules, root, records, people(dataset)),
      })),
    )
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

type Known = { readonly root: string; readonly data: DataManifest }

/** The store's present state; null where there is none yet. */
function knownOf(store: StorePlan, ports: Ports): Known | null {
  try {
    const root = storeRootOf(store, ports)
    const data = readDataManifest(root)
    return data && { root, data }
  } catch (error) {
    if (error instanceof JobError && error.reason === 'MissingVolume') return null
    throw error
  }
}

type Context = {
  readonly engine: Engine
  readonly store: StorePlan
  readonly limits: IngestPlan['limits']
  readonly dataset: DatasetPlan
  readonly known: Known | null
  /** The root of the records that are made of the files looked at. */
  readonly root: string
  readonly ports: Ports
  readonly now: Date
}

type Look = {
  readonly dataset: DatasetPlan
  readonly preview: Omit<DatasetPreview, 'identities'>
  /** Record files that would be taken in, relative to the root. */
  readonly records: readonly string[]
  readonly root: string
}

async function lookedAt(context: Context): Promise<Look> {
  const { dataset, ports, root } = context
  await using folder = await openSourceFolder(dataset, ports)
  const delivery =
    dataset.mode === 'Snapshot'
      ? newestOf(
          dataset,
          folder.files.map(({ name }) => name),
        )
      : null
  const isOlder = (name: string): boolean => delivery !== null && !isOf(dataset, delivery, name)
  const passedOver = [
    ...folder.passedOver.map(({ name, reason }) => ({ name, reason })),
    ...folder.files
      .filter(({ name }) => isOlder(name))
      .map(({ name }) => ({ name, reason: 'is of an older delivery' })),
  ]
  const refused: { name: string; reason: string }[] = []
  const read: { name: string; bytes: number; file: NormalizedFile }[] = []
  const sample = openSample(context)
  // Where no file can be read in its declared format, a sample of its content shows why.
  const unread = openSample(context)
  const wanted = folder.files.filter(({ name }) => !isOlder(name))
  for (const [index, { name, bytes }] of wanted.entries()) {
    ports.progress({ step: 'preview', subject: dataset.name, done: index, total: wanted.length, unit: 'files' })
    let source: SourceFile | null = null
    try {
      source = await folder.fetch(name)
      if (source === null) {
        passedOver.push({ name, reason: 'vanished while it was looked for' })
        continue
      }
      const { engine, store, limits, now, known } = context
      const file = await normalizeFile(engine, root, store, dataset, limits, source, ports.scratch, now)
      // For whole deliveries the sum counts: a single file of many may be of any size.
      const state = delivery === null ? known?.data.sources[dataset.name]?.files[name] : undefined
      const before = known && state ? await yieldBefore(engine, known.root, state, file) : null
      const reason = refusalOf(file, before, toleranceOf(dataset))
      if (reason !== null) refused.push({ name, reason: `${reason}.` })
      read.push({ name, bytes, file })
      // A file that cannot be shown in columns is read all the same.
      await sample.add(source).catch(() => {})
    } catch (error) {
      const fault = faultOf(error)
      if (!['UnreadableFile', 'InternalError', 'OutOfMemory'].includes(fault.reason)) throw error
      refused.push({ name, reason: fault.message })
      if (source && read.length === 0) await unread.add(source).catch(() => {})
    } finally {
      if (source?.path.startsWith(ports.scratch)) rmSync(source.path, { force: true })
    }
  }
  const sumOf = (pick: (file: NormalizedFile) => number) => read.reduce((sum, { file }) => sum + pick(file), 0)
  const { columns, rows } = await (read.length > 0 ? sample : unread).columns()
  const isRefused = (name: string) => refused.some((one) => one.name === name)
  return {
    dataset,
    root,
    records: read.filter(({ name }) => !isRefused(name)).flatMap(({ file }) => file.state.records),
    preview: {
      dataset: dataset.name,
      record: dataset.record,
      format: dataset.format,
      place: folder.place,
      exists: folder.exists,
      files: {
        read: read
          .filter(({ name }) => !isRefused(name))
          .map(({ name, bytes, file }) => ({ name, bytes, rows: file.rowsRead, accepted: file.accepted })),
        refused,
        passedOver,
        excluded: folder.excluded,
      },
      rows: {
        read: sumOf(({ rowsRead }) => rowsRead),
        accepted: sumOf(({ accepted }) => accepted),
        bad: sumOf(({ rowsRead, accepted }) => rowsRead - accepted),
        badCells: sumOf(({ state }) => state.counts['badCells'] ?? 0),
      },
      badRows: badRowsOf(read.map(({ file }) => file)),
      columns,
      sampledRows: rows,
      mapping: mappingOf(
        dataset,
        read.map(({ file }) => file),
        columns,
      ),
    },
  }
}

/** The last file by name is the newest that an ingest would take where it has seen none. */
function newestOf(dataset: DatasetPlan, names: readonly string[]): string | null {
  const deliveries = dataset.delivery === 'Folder' ? names.filter((name) => name.includes('/')) : names
  return (
    deliveries
      .map((name) => (dataset.delivery === 'Folder' ? name.split('/')[0]! : name))
      .sort()
      .at(-1) ?? null
  )
}

function isOf(dataset: DatasetPlan, delivery: string, name: string): boolean {
  return dataset.delivery === 'Folder' ? name.startsWith(`${delivery}/`) : name === delivery
}

function badRowsOf(files: readonly NormalizedFile[]): DatasetPreview['badRows'] {
  const examples = files.flatMap((file) => file.examples)
  const all = Map.groupBy(
    files.flatMap(({ reasons }) => reasons),
    ({ column, reason }) => `${column}\n${reason}`,
  )
  return [...all.values()]
    .map((same) => {
      const { column, reason } = same[0]! // each group has one
      const example = examples.find((one) => one.column === column && one.reason === reason)
      const rows = same.reduce((sum, one) => sum + one.rows, 0)
      return { column, reason, rows, example: example ? { file: example.file, line: example.line } : null }
    })
    .sort((a, b) => b.rows - a.rows || (a.example?.line ?? Infinity) - (b.example?.line ?? Infinity))
}

function mappingOf(
  { mapping, record }: DatasetPlan,
  files: readonly NormalizedFile[],
  columns: readonly ColumnPreview[],
): DatasetPreview['mapping'] {
  return mapping
    .filter(({ target }) => !(record === 'Event' && target === 'timestamp'))
    .map(({ source, target, type }) => {
      const filled = files.reduce((sum, file) => sum + (file.valued[target] ?? 0), 0)
      const said = files.map(({ missingFields }) => missingFields.get(source)).find((near) => near)
      const near = said ?? columns.find(({ name }) => bare(name) === bare(source) && name !== source)?.name ?? null
      return { source, target, type, filled, near: filled === 0 ? near : null }
    })
}

function bare(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')
}

/** The first rows of the files with all their columns, as text. */
function openSample({ engine, dataset, ports }: Context) {
  const numbers = new Map<string, number>()
  const types = new Map<string, string>()
  const files: string[] = []
  let left = sampledRows
  return {
    async add(file: SourceFile): Promise<void> {
      if (left <= 0) return
      const options = { scratch: ports.scratch, isDoubted: false }
      const names = (await fieldNamesOf(engine, dataset, file, options)).slice(0, shownColumns)
      if (names.length === 0) return
      const field = { type: 'string', required: false, isIdentity: false, clears: false, steps: [], rules: {} } as const
      const fields = names.map((source) => ({ ...field, source, column: source, isArgument: false }))
      // What a record needs does not matter here.
      const all = { ...dataset, record: 'Event' as const }
      const reader = await openReader(engine, all, fields, file, options)
      for (const name of names) if (!numbers.has(name)) numbers.set(name, numbers.size)
      const texts = reader.fields.map(({ source, form }, index) => {
        if (typeof form === 'object' && !types.has(source)) types.set(source, form.parquet)
        const whole = form === 'json' ? `(r${index} ->> '$')` : `r${index}::VARCHAR`
        return `coalesce(${valueSql(`r${index}`, form, 'string')}, ${whole}) AS c${numbers.get(source)}`
      })
      const path = join(ports.scratch, `sample-${++samples}.parquet`)
      await engine.run(
        `COPY (SELECT ${texts.join(', ')} FROM (${reader.select(false)}) WHERE NOT malformed LIMIT ${left}) TO ${literal(path)} (FORMAT parquet)`,
      )
      const [row] = await engine.rows(`SELECT count(*) AS rows FROM read_parquet(${fileLiteral(path)})`)
      left -= Number(row?.['rows'])
      files.push(path)
    },
    async columns(): Promise<{ readonly columns: readonly ColumnPreview[]; readonly rows: number }> {
      const columns: ColumnPreview[] = []
      if (files.length === 0) return { columns, rows: 0 }
      const rows = `read_parquet([${files.map(fileLiteral).join(', ')}], union_by_name = true)`
      for (const [name, number] of numbers)
        columns.push(await columnOf(engine, dataset, rows, `c${number}`, name, types.get(name) ?? null))
      for (const path of files) rmSync(path, { force: true })
      return { columns, rows: sampledRows - left }
    },
  }
}

const guesses = ['integer', 'number', 'date', 'timestamp', 'boolean'] as const

async function columnOf(
  engine: Engine,
  dataset: DatasetPlan,
  rows: string,
  column: string,
  name: string,
  declared: string | null,
): Promise<ColumnPreview> {
  const isOf = guesses.map((type) => `count(${valueSql(column, 'text', type, dataset)}) AS ${type}`)
  const [row] = await engine.rows(
    `SELECT count(*) AS rows, count(${column}) AS given, count(DISTINCT ${column}) AS values, min(${column}) AS least, max(${column}) AS most,
      count_if(regexp_matches(${column}, '^[+-]?0[0-9]')) AS zeros, ${isOf.join(', ')} FROM ${rows}`,
  )
  const given = Number(row?.['given'])
  // A number that begins with a zero is a code.
  const guess = given === 0 ? null : (guesses.find((type) => Number(row?.[type]) === given) ?? null)
  const isCode = (guess === 'integer' || guess === 'number') && Number(row?.['zeros']) > 0 && guess === 'integer'
  const type = isCode ? null : guess
  const ranked = type === 'integer' || type === 'number' || type === 'date' || type === 'timestamp'
  const value = ranked ? valueSql(column, 'text', type, dataset) : column
  const [bounds] = ranked
    ? await engine.rows(
        `SELECT arg_min(${column}, ${value}) AS least, arg_max(${column}, ${value}) AS most FROM ${rows}`,
      )
    : [row]
  const samples = await engine.rows(
    `SELECT ${column} AS value FROM ${rows} WHERE ${column} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT ${shownSamples}`,
  )
  const shortText = (found: unknown) => (found === null || found === undefined ? null : String(found).slice(0, 200))
  return {
    name,
    type:
      declared !== null && declared !== 'VARCHAR' ? declared.toLowerCase() : given === 0 ? 'empty' : (type ?? 'text'),
    empty: Number(row?.['rows']) - given,
    distinct: Number(row?.['values']),
    min: shortText(bounds?.['least']),
    max: shortText(bounds?.['most']),
    samples: samples.map((sample) => shortText(sample['value']) ?? ''),
    targets: targetsOf(dataset, name),
  }
}

function targetsOf({ mapping, timestamp, eventId, identity }: DatasetPlan, name: string): readonly string[] {
  return [
    ...(timestamp === name ? ['timestamp'] : []),
    ...(eventId === name ? ['event id'] : []),
    ...(identity?.source === name ? [`identity ${identity.namespace}`] : []),
    ...mapping.filter(({ source }) => source === name).map(({ target }) => target),
  ]
}

/**
 * SQL for other identities of people who are known by the primary one, from the records of every other Dataset and from the store's own:
 * "$namespace" and "$id"; null where there are none.
 */
function peopleSql(
  { identities, profile }: StorePlan,
  rules: readonly IdentityRule[],
  looks: readonly Look[],
  known: Known | null,
): (dataset: DatasetPlan) => string | null {
  const primary = identities.find((identity) => identity.primary)?.path
  const columns = identities.map(
    ({ path }) => profile.find((column) => column.path === path) ?? { path, type: 'string' as const },
  )
  return (dataset) => {
    const ownRecords = looks.filter(({ dataset: other, records }) => other.record === 'Profile' && records.length > 0)
    const places = [
      ...ownRecords
        .filter(({ dataset: other }) => other.name !== dataset.name)
        .map(({ root, records }) => ({ root, records })),
      ...(known ? [{ root: known.root, records: known.data.merged.records.filter(holdsProfiles) }] : []),
    ].filter(({ records }) => records.length > 0)
    if (places.length === 0 || primary === undefined) return null
    const selects = places.flatMap(({ root, records }) =>
      rules.map((rule) => {
        const rows = shaped(root, records, columns, `${comparedSql(rule, identifier(rule.path))} AS "$id"`)
        return `SELECT DISTINCT ${literal(rule.namespace)} AS "$namespace", "$id" FROM ${rows} WHERE "$id" IS NOT NULL AND ${identifier(primary)} IS NOT NULL`
      }),
    )
    return `(SELECT DISTINCT "$namespace", "$id" FROM (${selects.join(' UNION ALL ')}))`
  }
}

async function identitiesOf(
  engine: Engine,
  dataset: DatasetPlan,
  rules: readonly IdentityRule[],
  root: string,
  records: readonly string[],
  people: string | null,
): Promise<IdentityMatch | null> {
  const mapped = new Set(dataset.mapping.map(({ target }) => target))
  const rule =
    dataset.record === 'Event'
      ? rules.find(({ namespace }) => namespace === dataset.identity?.namespace)
      : rules.find(({ path }) => mapped.has(path))
  if (!rule || records.length === 0) return null
  const column = dataset.record === 'Event' ? '"$identity"' : identifier(rule.path)
  const type = dataset.mapping.find(({ target }) => target === rule.path)?.type ?? 'string'
  const columns = dataset.record === 'Event' ? [] : [{ path: rule.path, type }]
  const compared = shaped(root, records, columns, `${comparedSql(rule, column)} AS "$id"`)
  const known = people === null ? `(SELECT NULL AS "$namespace", NULL::VARCHAR AS "$id" WHERE false)` : people
  const [row] = await engine.rows(
    `SELECT count(DISTINCT id) AS ids, count(DISTINCT id) FILTER (WHERE found) AS matched, count(compared) - count(id) AS placeholders
      FROM (SELECT r."$id" AS compared, ${somebodySql(rule, 'r."$id"')} AS id, p."$id" IS NOT NULL AS found FROM ${compared} AS r
        LEFT JOIN (SELECT "$id" FROM ${known} WHERE "$namespace" = ${literal(rule.namespace)}) AS p ON p."$id" = r."$id")`,
  )
  return {
    namespace: rule.namespace,
    ids: Number(row?.['ids']),
    matched: Number(row?.['matched']),
    placeholders: Number(row?.['placeholders']),
  }
}
