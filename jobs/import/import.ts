import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { to } from 'pg-copy-streams'
import type { Detail, ImportPlan, RunReport } from '#crds'
import { JobError } from '../errors.ts'
import { departedOf } from '../export/departed.ts'
import { rejectsNameOf } from '../export/file-names.ts'
import { connect, type Database, name, text, UnknownCommit } from '../postgres/connection.ts'
import { isUnanswered } from '../postgres/faults.ts'
import { runStep, type StepContext, type StepResult } from '../step.ts'
import { openLandingStore } from '../stores/index.ts'
import { loadArrivals } from './arrivals.ts'
import { createDeliveries, keepWaiting, updateLists } from './audience.ts'
import { type Delivery, downloaded, fileFaults, findDeliveries, type Sources } from './deliveries.ts'
import { createStaging, judge, type Load, stageFiles, update } from './load.ts'
import { ensureOwnSchema } from './own-schema.ts'
import { readTargetTable } from './target-table.ts'

/**
 * Loads this run's delivered files into Campaign's table: update only, by the reconciliation key. What the ledger knows is not done
 * again, and is reported as it was.
 *
 * - A null in the file empties the column (or sets its default, where it may not be empty). A row that exits changes only the list.
 * - The list holds who is in the audience: an exit removes the row. A file with every active member (Full, or a backfill) replaces it.
 * - The first row of a recipient counts, a realized one before an exited one; the others are rejected.
 * - A row whose recipient does not exist waits for it in the database; every import of its Activation tries it again.
 * - Small deliveries are loaded together, in one transaction; when that fails, each by itself.
 */
export function importFiles(context: StepContext): Promise<RunReport> {
  return runStep('import', context, () => importAll(context))
}

type Work = Sources & {
  readonly plan: ImportPlan
  readonly database: Database
  readonly activation: string
  /** Names in the landing zone when the import began. */
  readonly names: ReadonlySet<string>
  readonly format: { readonly delimiter: string; readonly nullValue: string }
}

async function importAll(context: StepContext): Promise<StepResult> {
  const { plan: job, ports } = context
  const plan = job.import
  if (!plan) throw new JobError('InvalidPlan', 'The plan has no import part: its CampaignInstance has no database.')
  const landing = await openLandingStore(plan.location, ports)
  const scratch = mkdtempSync(join(ports.scratch, 'import-'))
  let database: Database | null = null
  try {
    const names = new Set(await landing.list(''))
    const sources: Sources = { context, landing, scratch, retention: plan.retention }
    const { deliveries, faults } = await findDeliveries(sources, names)
    database = await connect(plan.instance, plan.database, ports)
    await ensureOwnSchema(database)
    const format = job.export?.destination.file ?? { delimiter: ',', nullValue: '' }
    const work = { ...sources, plan, database, activation: job.target.name, names, format }
    const imported = await importDeliveries(work, deliveries)
    const { details, fault = faults[0] } = imported
    // Segments that only have waiting rows are told of only where every file is in.
    if (!fault) details.push(...(await tryWaiting(work)))
    return { totals: totalsOf(details), details, ...(fault && { fault }) }
  } finally {
    await database?.close()
    await landing.close()
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function importDeliveries(
  work: Work,
  deliveries: readonly Delivery[],
): Promise<{ readonly details: Detail[]; readonly fault?: JobError }> {
  const { context } = work
  const told = new Map<Delivery, readonly Detail[]>()
  let fault: JobError | undefined
  /** Whether the next deliveries may be tried: a bad file says nothing about them, any other fault would happen again. */
  const failed = (some: readonly Delivery[], thrown: unknown): boolean => {
    const isUnknown = thrown instanceof UnknownCommit
    if (isUnknown)
      for (const one of some)
        told.set(one, [{ segment: one.manifest.segment, manifest: one.name, counts: { uncertain: 1 } }])
    const error = isUnknown ? thrown.cause : thrown
    if (!(error instanceof JobError)) throw error
    fault ??= error
    return fileFaults.has(error.reason)
  }
  const load = async (group: readonly Delivery[]): Promise<boolean> => {
    const ready: Delivery[] = []
    for (const delivery of group) {
      try {
        await downloaded(work, delivery)
        ready.push(delivery)
      } catch (error) {
        if (!failed([delivery], error)) return false
      }
    }
    try {
      for (const [delivery, details] of await importTogether(work, ready)) told.set(delivery, details)
      return true
    } catch (error) {
      const isOver =
        ready.length < 2 ||
        context.ports.signal.aborted ||
        error instanceof UnknownCommit ||
        (error instanceof JobError && isUnanswered(error.cause))
      if (isOver) return failed(ready, error)
    }
    for (const delivery of ready) {
      try {
        for (const [, details] of await importTogether(work, [delivery])) told.set(delivery, details)
      } catch (error) {
        if (!failed([delivery], error)) return false
      }
    }
    return true
  }

  const known = await importedBefore(work, deliveries)
  for (const [delivery, details] of known) told.set(delivery, details)
  let done = known.size
  for (const group of groupsOf(deliveries.filter((delivery) => !known.has(delivery)))) {
    context.ports.progress({
      step: 'import',
      subject: group[0]!.manifest.segment,
      done,
      total: deliveries.length,
      unit: 'segments',
    })
    const goesOn = await load(group)
    done += group.length
    for (const { paths } of group) for (const path of paths) rmSync(path, { force: true })
    if (!goesOn) break
  }
  return { details: deliveries.flatMap((delivery) => told.get(delivery) ?? []), ...(fault && { fault }) }
}

/** What one transaction takes at most; a larger delivery is a group of its own. */
const groupLimits = { deliveries: 200, rows: 100_000 }

/** Groups of deliveries with the same columns, at most one of each Segment, in their order. */
function groupsOf(deliveries: readonly Delivery[]): readonly (readonly Delivery[])[] {
  const groups: Delivery[][] = []
  let rows = 0
  for (const delivery of deliveries) {
    const own = delivery.manifest.files.reduce((sum, file) => sum + file.rows, 0)
    const group = groups.at(-1)
    const fits =
      group !== undefined &&
      group.length < groupLimits.deliveries &&
      rows + own <= groupLimits.rows &&
      group[0]!.manifest.activation === delivery.manifest.activation &&
      JSON.stringify(group[0]!.manifest.columns) === JSON.stringify(delivery.manifest.columns) &&
      !group.some(({ manifest }) => manifest.segment === delivery.manifest.segment)
    rows = fits ? rows + own : own
    if (fits) group.push(delivery)
    else groups.push([delivery])
  }
  return groups
}

/** Loads the files of some Segments in one transaction. */
async function importTogether(
  work: Work,
  deliveries: readonly Delivery[],
): Promise<ReadonlyMap<Delivery, readonly Detail[]>> {
  if (deliveries.length === 0) return new Map()
  const { database, plan, context } = work
  return database.transaction(transactionOptions(plan), async () => {
    // Joins go over whole files. A constraint that is checked only at COMMIT could no longer name its row.
    await database.query(`SET LOCAL work_mem = '128MB'; SET CONSTRAINTS ALL IMMEDIATE`)
    // One import of an audience at a time: its list is compared and then written.
    const segments = deliveries.map(({ manifest }) => `convoke:${manifest.segment}`).sort()
    await database.query(
      'SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest($1::text[]) AS keys(key)',
      [segments],
    )
    const known = await ledgerOf(work, deliveries)
    const fresh = deliveries.filter((delivery) => !known.has(delivery))
    if (fresh.length === 0) return known
    await refuseOtherContent(work, fresh)
    const loaded = await loadFiles(work, fresh)
    await writeRejects(work, fresh, loaded)
    const digest = context.plan.digest
    const files = fresh.flatMap(({ manifest }) => manifest.files)
    await database.query(
      `INSERT INTO convoke.import_ledger (run, plan_digest, file, sha256, rows) SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bigint[])`,
      [
        context.input.run,
        digest,
        files.map((file) => file.name),
        files.map((file) => file.sha256),
        files.map((file) => file.rows),
      ],
    )
    await database.query(
      `INSERT INTO convoke.import_results (run, plan_digest, manifest, details) SELECT $1, $2, * FROM unnest($3::text[], $4::jsonb[])`,
      [
        context.input.run,
        digest,
        fresh.map((delivery) => delivery.name),
        fresh.map((delivery) => JSON.stringify(loaded.get(delivery))),
      ],
    )
    return new Map([...known, ...loaded])
  })
}

function transactionOptions({ target }: ImportPlan) {
  return {
    mode: 'Default',
    tables: [name(target.schema, target.table), 'convoke.audience_members', 'convoke.waiting_rows'],
    advice: 'Check the target mapping against the table.',
  } as const
}

async function loadFiles(
  work: Work,
  deliveries: readonly Delivery[],
): Promise<ReadonlyMap<Delivery, readonly Detail[]>> {
  const { database, plan, format, landing } = work
  const { manifest: first } = deliveries[0]!
  const target = await readTargetTable(database, plan, first)
  const load: Load = {
    database,
    target,
    table: `${plan.target.schema}.${plan.target.table}`,
    isGroup: deliveries.length > 1,
  }
  await createStaging(database, first.columns.length)
  await createDeliveries(
    database,
    deliveries.map(({ manifest }) => ({
      segment: manifest.segment,
      complete: manifest.export === 'Full' || manifest.backfill,
      evaluatedAt: manifest.evaluatedAt,
      run: manifest.run,
    })),
  )
  await stageFiles(database, numberedFiles(deliveries), format, landing.place)
  await judge(load)
  await update(load)
  const lists = plan.syncType === 'Audience' ? await updateLists(load) : () => ({ added: 0, removed: 0 })
  await keepWaiting(load, work.activation)
  return detailsOf(work, deliveries, lists)
}

/** Files with numbers that count over all deliveries of the transaction. */
function numberedFiles(deliveries: readonly Delivery[]) {
  return deliveries
    .flatMap(({ manifest, paths }, delivery) =>
      manifest.files.map((file, index) => ({ delivery, name: file.name, path: paths[index]! })),
    )
    .map((file, number) => ({ ...file, file: number }))
}

/** One detail for each file; what happened to the list stands with the first file of a delivery. */
async function detailsOf(
  { database, context: { plan, input } }: Work,
  deliveries: readonly Delivery[],
  lists: (delivery: number) => { readonly added: number; readonly removed: number },
): Promise<ReadonlyMap<Delivery, readonly Detail[]>> {
  type Counted = Record<'file' | 'read' | 'rejected' | 'waiting' | 'exited' | 'updated', number>
  const { rows } = await database.query<Counted>(
    `SELECT file, count(*)::integer AS read, count(*) FILTER (WHERE reason IS NOT NULL AND NOT waits)::integer AS rejected, count(*) FILTER (WHERE waits)::integer AS waiting,
       count(*) FILTER (WHERE exited AND reason IS NULL)::integer AS exited, (SELECT coalesce(sum(rows), 0) FROM done WHERE done.file = loaded.file)::integer AS updated
     FROM loaded GROUP BY file`,
  )
  const counted = new Map(rows.map((row) => [row.file, row]))
  const departed = new Set(departedOf(plan.export ?? { segments: [] }, input).map((segment) => segment.name))
  let file = 0
  return new Map(
    deliveries.map((delivery, index) => {
      const { name: manifestName, manifest } = delivery
      const details = manifest.files.map(({ name: fileName }, part): Detail => {
        const { read = 0, rejected = 0, waiting = 0, exited = 0, updated = 0 } = counted.get(file++) ?? {}
        const list = part === 0 ? lists(index) : { added: 0, removed: 0 }
        return {
          segment: manifest.segment,
          file: fileName,
          manifest: manifestName,
          ...(departed.has(manifest.segment) && { departed: true }),
          counts: {
            rowsRead: read,
            updated,
            unchanged: read - rejected - waiting - exited - updated,
            rejected,
            waiting,
            exited,
            added: list.added,
            removed: list.removed,
          },
        }
      })
      return [delivery, details]
    }),
  )
}

/** Writes a file beside every file of which rows were left out; one from an earlier attempt is emptied, never deleted. */
async function writeRejects(
  { database, landing, scratch, format, names }: Work,
  deliveries: readonly Delivery[],
  details: ReadonlyMap<Delivery, readonly Detail[]>,
): Promise<void> {
  const files = numberedFiles(deliveries)
  const counts = deliveries.flatMap((delivery) => details.get(delivery) ?? []).map((detail) => detail.counts ?? {})
  const columns = deliveries[0]!.manifest.columns.map((column, position) => `s.c${position} AS ${name(column.name)}`)
  for (const { file, name: fileName } of files) {
    const rejects = rejectsNameOf(fileName)
    const { rejected = 0, waiting = 0 } = counts[file] ?? {}
    if (rejected + waiting === 0 && !names.has(rejects)) continue
    const copy = database.query(
      to(`COPY (SELECT l.line, l.reason, ${columns.join(', ')} FROM loaded l JOIN staging s USING (number) WHERE l.reason IS NOT NULL AND l.file = ${file} ORDER BY l.line)
        TO STDOUT (FORMAT csv, HEADER true, DELIMITER ${text(format.delimiter)}, NULL ${text(format.nullValue)})`),
    )
    const path = join(scratch, 'rejects.csv')
    await pipeline(copy, createWriteStream(path))
    await landing.put(rejects, path)
  }
}

/** What the ledger says of deliveries; unknown deliveries are left out. */
async function importedBefore(
  work: Work,
  deliveries: readonly Delivery[],
): Promise<ReadonlyMap<Delivery, readonly Detail[]>> {
  if (deliveries.length === 0) return new Map()
  return work.database.transaction(transactionOptions(work.plan), () => ledgerOf(work, deliveries))
}

async function ledgerOf(
  { database, context: { input, plan } }: Work,
  deliveries: readonly Delivery[],
): Promise<ReadonlyMap<Delivery, readonly Detail[]>> {
  const { rows: ledger } = await database.query<{ file: string; sha256: string }>(
    `SELECT file, sha256 FROM convoke.import_ledger WHERE run = $1 AND plan_digest IN ('', $2) AND file = ANY($3)`,
    [input.run, plan.digest, deliveries.flatMap(({ manifest }) => manifest.files.map((file) => file.name))],
  )
  if (ledger.length === 0) return new Map()
  const imported = new Map(ledger.map((row) => [row.file, row.sha256]))
  const known = deliveries.filter(({ manifest }) =>
    manifest.files.every((file) => imported.get(file.name) === file.sha256),
  )
  const { rows: results } = await database.query<{ manifest: string; details: Detail[] }>(
    `SELECT manifest, details FROM convoke.import_results WHERE run = $1 AND plan_digest IN ('', $2) AND manifest = ANY($3)`,
    [input.run, plan.digest, known.map((delivery) => delivery.name)],
  )
  return new Map(
    known.map((delivery) => [delivery, results.find((row) => row.manifest === delivery.name)?.details ?? []]),
  )
}

/** Throws where the run has already imported a file of that name with other content. */
async function refuseOtherContent(
  { database, landing, context: { input, plan } }: Work,
  deliveries: readonly Delivery[],
): Promise<void> {
  const files = deliveries.flatMap(({ manifest }) => manifest.files.map((file) => file.name))
  const { rows } = await database.query<{ file: string }>(
    `SELECT file FROM convoke.import_ledger WHERE run = $1 AND plan_digest IN ('', $2) AND file = ANY($3) LIMIT 1`,
    [input.run, plan.digest, files],
  )
  if (rows[0])
    throw new JobError(
      'ChecksumMismatch',
      `${rows[0].file} in ${landing.place} was imported in the run ${input.run} with other content. Deliver it in a run of its own.`,
    )
}

/** The ledger's file name for waiting rows: no manifest can have it. */
const waitingResult = ''

/** Tries the waiting rows once a run, for recipients that exist by now. */
async function tryWaiting({
  database,
  plan,
  activation,
  context: { plan: job, input },
}: Work): Promise<readonly Detail[]> {
  return database.transaction(transactionOptions(plan), async () => {
    await database.query(`SET LOCAL work_mem = '128MB'; SET CONSTRAINTS ALL IMMEDIATE`)
    await database.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`convoke:waiting:${activation}`])
    const { rows } = await database.query<{ details: Detail[] }>(
      'SELECT details FROM convoke.import_results WHERE run = $1 AND plan_digest = $2 AND manifest = $3',
      [input.run, job.digest, waitingResult],
    )
    if (rows[0]) return rows[0].details
    const details = await loadArrivals({
      database,
      plan,
      activation,
      segments: job.export?.segments.map((segment) => segment.name) ?? null,
      columns: job.export?.columns.map(({ target, type }) => ({ name: target, type: String(type) })) ?? null,
    })
    await database.query(
      'INSERT INTO convoke.import_results (run, plan_digest, manifest, details) VALUES ($1, $2, $3, $4)',
      [input.run, job.digest, waitingResult, JSON.stringify(details)],
    )
    return details
  })
}

function totalsOf(details: readonly Detail[]): Record<string, number> {
  const counts = ['rowsRead', 'updated', 'unchanged', 'rejected', 'exited', 'added', 'removed', 'arrived']
  const sum = (some: readonly Detail[], count: string) =>
    some.reduce((total, detail) => total + (detail.counts?.[count] ?? 0), 0)
  const files = details.filter((detail) => detail.file !== undefined)
  return {
    files: files.length,
    ...Object.fromEntries(counts.map((count) => [count, sum(details, count)])),
    // All rows that wait, not only those of this run's files.
    waiting: sum(
      details.filter((detail) => detail.file === undefined),
      'waiting',
    ),
  }
}
