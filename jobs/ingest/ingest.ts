import { mkdtempSync, rmSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatasetPlan, Detail, RunReport } from '#crds'
import { type Engine, openDuckDB } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { mergeData } from '../merge/merge.ts'
import { removeOrphans } from '../merge/orphans.ts'
import type { Ports } from '../ports.ts'
import { commitData, readDataManifest, type SourceFileState, type SourceState, storeRootOf } from '../profile-store.ts'
import { runStep, type StepContext, type StepResult } from '../step.ts'
import { lockStore } from '../writer-lock.ts'
import { type BadRow, definitionOf, normalizeFile, recordPathOf } from './normalize.ts'
import { openSourceFolder } from './source-files.ts'

/**
 * Reads what is new in a store's Datasets (a Streaming run: in its Streaming ones) and commits the store's next data version. A file is
 * known by its name and content: the same again is passed over, changed content replaces its records, and a file that is gone from its
 * folder keeps them, because landing folders are emptied. Records of a Dataset that left the plan are kept but not merged.
 */
export function ingest(context: StepContext): Promise<RunReport> {
  return runStep('ingest', context, () => work(context))
}

async function work({ plan, input, ports }: StepContext): Promise<StepResult> {
  const { store, ingest: ingestPlan } = plan
  if (!store || !ingestPlan)
    throw new JobError('InvalidPlan', 'The plan has no ingest part; compile it for a ProfileStore.')
  const root = storeRootOf(store, ports)
  using lock = lockStore(root, ports)
  removeOrphans(root)
  const scratch = mkdtempSync(join(ports.scratch, 'ingest-'))
  try {
    const own: Ports = { ...ports, scratch }
    await using engine = await openDuckDB(store, own)
    const before = readDataManifest(root)
    const reading = ingestPlan.datasets.filter(
      ({ ingestion }) => input.evaluation !== 'Streaming' || ingestion === 'Streaming',
    )
    const read: DatasetReading[] = []
    for (const dataset of reading) {
      const known = before?.sources[dataset.name]
      read.push(await readDataset(engine, { root, store, limits: ingestPlan.limits, dataset, known, ports: own }))
    }
    const sources = Object.fromEntries(
      Object.entries({
        ...before?.sources,
        ...Object.fromEntries(read.map(({ dataset, state }) => [dataset, state])),
      }).sort(([a], [b]) => (a < b ? -1 : 1)),
    )
    const merged = await mergeData({ engine, root, store, plan: ingestPlan, ports: own }, before, sources)
    lock.check()
    // Unchanged data is not written again, so that a reader's version stays the one it knows.
    if (JSON.stringify(merged) !== JSON.stringify(before)) commitData(root, merged, merged.version !== before?.version)
    const faults = read.flatMap((one) => one.faults)
    const [fault] = faults
    return {
      totals: {
        ...sumOf(read.map(({ counts }) => counts)),
        profiles: merged.profileCount,
        events: merged.eventCount,
        leftOutEventsPerProfile: merged.leftOut.eventsPerProfile,
        leftOutIdentitiesPerProfile: merged.leftOut.identitiesPerProfile,
        buckets: merged.buckets,
      },
      details: read.map(({ dataset, counts }): Detail => ({ dataset, counts })),
      warnings: [...read.flatMap((one) => one.warnings), ...leftOutWarnings(merged.leftOut, ingestPlan.limits)],
      ...(fault
        ? {
            fault: new JobError(
              fault.reason,
              `${fault.message}${
                faults.length > 1
                  ? ` (and ${faults.length - 1} more: ${faults
                      .slice(1, 4)
                      .map(({ message }) => message)
                      .join(' ')})`
                  : ''
              } All else was read and is committed.`,
              fault,
            ),
          }
        : {}),
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

type DatasetReading = {
  readonly dataset: string
  readonly state: SourceState
  readonly counts: Readonly<Record<string, number>>
  readonly warnings: NonNullable<RunReport['warnings']>
  /** Files or the whole location that could not be read; what was known of them stays. */
  readonly faults: readonly JobError[]
}

type DatasetContext = {
  readonly root: string
  readonly store: NonNullable<StepContext['plan']['store']>
  readonly limits: NonNullable<StepContext['plan']['ingest']>['limits']
  readonly dataset: DatasetPlan
  readonly known: SourceState | undefined
  readonly ports: Ports
}

async function readDataset(engine: Engine, context: DatasetContext): Promise<DatasetReading> {
  const { root, store, limits, dataset, known, ports } = context
  const definition = definitionOf(store, dataset, limits)
  const files: Record<string, SourceFileState> = { ...known?.files }
  const counts: Record<string, number> = {
    files: 0,
    skippedFiles: 0,
    rowsRead: 0,
    accepted: 0,
    badRows: 0,
    oversize: 0,
    longArrays: 0,
  }
  const warnings: { code?: string; message: string }[] = []
  const faults: JobError[] = []
  const upToDate = new Set<string>()
  try {
    await using folder = await openSourceFolder(dataset, ports)
    if (!folder.exists) {
      warnings.push({
        code: 'missing-folder',
        message: `Dataset ${dataset.name}: there is nothing at ${folder.place}; check the location's path.`,
      })
    }
    let done = 0
    for (const name of folder.names) {
      ports.progress({ step: 'ingest', subject: dataset.name, done: done++, total: folder.names.length, unit: 'files' })
      try {
        const file = await folder.fetch(name)
        if (file === null) continue
        const path = recordPathOf(dataset, file, definition)
        if (files[name]?.sha256 === file.sha256 && files[name].records.includes(path)) {
          counts['skippedFiles'] = (counts['skippedFiles'] ?? 0) + 1
        } else {
          const earlier = await stat(file.path)
          const read = await normalizeFile(engine, root, store, dataset, limits, file, ports.scratch)
          const later = await stat(file.path)
          if (earlier.mtimeMs !== later.mtimeMs || earlier.size !== later.size) {
            warnings.push({
              code: 'file-being-written',
              message: `Dataset ${dataset.name}: ${name} changed while it was read; the next run reads it.`,
            })
            continue
          }
          files[name] = read.state
          counts['files'] = (counts['files'] ?? 0) + 1
          for (const [key, count] of Object.entries(read.state.counts)) counts[key] = (counts[key] ?? 0) + count
          warnings.push(...rowWarnings(dataset.name, name, read.state, read.examples, read.missingColumns))
        }
        upToDate.add(name)
        // A copy of a remote file; files of a volume are read in place.
        if (file.path.startsWith(ports.scratch)) rmSync(file.path, { force: true })
      } catch (error) {
        faults.push(passable(error))
        upToDate.add(name)
      }
    }
    ports.progress({ step: 'ingest', subject: dataset.name, done, total: folder.names.length, unit: 'files' })
    const outdated = Object.entries(files).filter(
      ([name, file]) =>
        !upToDate.has(name) && !file.records.includes(recordPathOf(dataset, { name, sha256: file.sha256 }, definition)),
    )
    if (outdated.length > 0) {
      warnings.push({
        code: 'outdated-mapping',
        message: `Dataset ${dataset.name}: ${outdated.length} files were read with an earlier mapping and are gone from ${folder.place}; their records stay as they were. Put the files back to read them again.`,
      })
    }
  } catch (error) {
    faults.push(passable(error))
  }
  const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { dataset: dataset.name, state: { definition, files: sorted }, counts, warnings, faults }
}

/** One file or location that fails must not keep the others; anything else ends the step. */
function passable(error: unknown): JobError {
  const reasons: readonly string[] = ['UnreadableFile', 'LocationUnavailable', 'MissingVolume', 'MissingSecret']
  if (error instanceof JobError && reasons.includes(error.reason)) return error
  throw error
}

function rowWarnings(
  dataset: string,
  name: string,
  { counts, records }: SourceFileState,
  examples: readonly BadRow[],
  missing: readonly string[],
): NonNullable<RunReport['warnings']> {
  const warnings: { code?: string; message: string }[] = []
  const place = `Dataset ${dataset}, ${name}`
  const { badRows = 0, oversize = 0, longArrays = 0 } = counts
  if (badRows > 0) {
    const listed = examples
      .map(({ line, column, reason }) => `line ${line}${column === '' ? '' : `, ${column}`} ${reason}`)
      .join('; ')
    const rejects = (records[0] ?? '').replace(/^records\//, 'rejects/').replace(/\.[a-z]+\.parquet$/, '.csv')
    warnings.push({
      code: 'bad-rows',
      message: `${place}: ${badRows} rows were kept out (${listed}${badRows > examples.length ? '; …' : ''}). The store's ${rejects} lists them with their values.`,
    })
  }
  if (missing.length > 0)
    warnings.push({
      code: 'missing-columns',
      message: `${place} has no column ${missing.join(', ')}; what is mapped from it is absent.`,
    })
  if (oversize > 0)
    warnings.push({
      code: 'oversize-records',
      message: `${place}: ${oversize} records are over the size limit and were dropped.`,
    })
  if (longArrays > 0)
    warnings.push({
      code: 'long-arrays',
      message: `${place}: ${longArrays} records hold arrays longer than recommended.`,
    })
  return warnings
}

function leftOutWarnings(
  leftOut: { readonly eventsPerProfile: number; readonly identitiesPerProfile: number },
  limits: { readonly eventsPerProfile: number; readonly identitiesPerProfile: number },
): NonNullable<RunReport['warnings']> {
  const of = (count: number, what: string, code: string) =>
    count === 0 ? [] : [{ code, message: `${count} profiles have more than ${what} and are left out of segmentation.` }]
  return [
    ...of(leftOut.eventsPerProfile, `${limits.eventsPerProfile} events`, 'too-many-events'),
    ...of(leftOut.identitiesPerProfile, `${limits.identitiesPerProfile} identities`, 'too-many-identities'),
  ]
}

function sumOf(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const one of counts) for (const [key, count] of Object.entries(one)) sum[key] = (sum[key] ?? 0) + count
  return sum
}
