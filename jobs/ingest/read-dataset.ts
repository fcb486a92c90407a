import { rmSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { annotations, type DatasetPlan, type Detail, type RunReport, visible } from '#crds'
import { sha256 } from '../digest.ts'
import { type Engine, fileLiteral, identifier } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'
import type { RefusedFile, SourceFileState, SourceState } from '../profile-store.ts'
import type { StepContext } from '../step.ts'
import { faultOf } from '../step.ts'
import {
  type BadRow,
  definitionOf,
  inOrder,
  type NormalizedFile,
  normalizeFile,
  recordPathOf,
  rejectsPathOf,
  type SourceFile,
} from './normalize.ts'
import { type ListedFile, openSourceFolder, type PassedOver, type SourceFolder } from './source-files.ts'
import { defaultTolerance, refusalOf, type Yield } from './tolerance.ts'

export type DatasetReading = {
  readonly dataset: string
  readonly state: SourceState
  readonly counts: Readonly<Record<string, number>>
  readonly refused: NonNullable<Detail['refused']>
  readonly passedOver: NonNullable<Detail['passedOver']>
  readonly warnings: Warnings
  /** Faults of the location, or of files that could not be reached; what was known of those files stays. */
  readonly faults: readonly JobError[]
}

type Warnings = NonNullable<RunReport['warnings']>

export type DatasetContext = {
  readonly root: string
  readonly store: NonNullable<StepContext['plan']['store']>
  readonly limits: NonNullable<StepContext['plan']['ingest']>['limits']
  readonly dataset: DatasetPlan
  readonly known: SourceState | undefined
  /** Whether files that were refused before are taken in as they are. */
  readonly approved: boolean
  readonly now: Date
  readonly ports: Ports
}

/**
 * Reads what is new or changed at a Dataset's location. A file is taken in whole, passed over, or refused whole with a reason; where it
 * is refused, the records of its earlier content stay. The other files are read in any case.
 */
export async function readDataset(engine: Engine, context: DatasetContext): Promise<DatasetReading> {
  const { dataset, store, limits, known, ports } = context
  const reading = startReading(context, definitionOf(store, dataset, limits))
  try {
    await using folder = await openSourceFolder(dataset, ports)
    if (!folder.exists)
      reading.warn('missing-folder', `there is nothing at ${folder.place}; check the location's path.`)
    reading.passedOver.push(...folder.passedOver)
    reading.counts['filesExcluded'] = folder.excluded
    let done = 0
    const progress = () =>
      ports.progress({ step: 'ingest', subject: dataset.name, done, total: folder.files.length, unit: 'files' })
    if (dataset.mode === 'Snapshot') {
      await readNewestDelivery(engine, context, reading, folder)
      return finished(reading, dataset, known)
    }
    await inOrder(engine, async () => {
      for (const { name } of folder.files) {
        progress()
        done++
        await readOne(engine, context, reading, name, folder.fetch)
      }
    })
    progress()
    // A file that is gone is no longer refused.
    for (const name of reading.refused.keys())
      if (!folder.files.some((file) => file.name === name)) reading.refused.delete(name)
    const outdated = Object.entries(reading.files).filter(
      ([name, file]) =>
        !reading.seen.has(name) &&
        !file.records.includes(recordPathOf(dataset, { name, sha256: file.sha256 }, reading.definition)),
    )
    if (outdated.length > 0)
      reading.warn(
        'outdated-mapping',
        `${outdated.length} files were read with an earlier mapping and are gone from ${folder.place}; their records stay as they were. Put the files back to read them again.`,
      )
  } catch (error) {
    reading.faults.push(ofThisDataset(error))
  }
  return finished(reading, dataset, known)
}

type Reading = ReturnType<typeof startReading>

function startReading({ dataset, known }: DatasetContext, definition: string) {
  const warnings: Warnings = []
  const files: Record<string, SourceFileState> = { ...known?.files }
  return {
    definition,
    files,
    refused: new Map<string, RefusedFile>(Object.entries(known?.refused ?? {})),
    /** Files that lie there now. */
    seen: new Set<string>(),
    passedOver: [] as PassedOver[],
    snapshot: known?.snapshot,
    faults: [] as JobError[],
    warnings,
    counts: { files: 0, skippedFiles: 0, filesRefused: 0, filesPassedOver: 0, ...nothingRead } as Record<
      string,
      number
    >,
    warn: (code: string, message: string): void =>
      void warnings.push({ code, message: `Dataset ${dataset.name}${message.startsWith(',') ? '' : ':'} ${message}` }),
  }
}

/** Each row that was read is counted once more: as accepted, bad, oversize, or refused with its file. */
const nothingRead = { rowsRead: 0, accepted: 0, badRows: 0, badCells: 0, oversize: 0, rowsRefused: 0, longArrays: 0 }

async function readOne(
  engine: Engine,
  context: DatasetContext,
  reading: Reading,
  name: string,
  fetch: (name: string) => Promise<SourceFile | null>,
): Promise<void> {
  const { dataset, root, store, limits, ports } = context
  const { definition, files, refused, counts } = reading
  const add = (more: Readonly<Record<string, number>>) => {
    for (const [key, count] of Object.entries(more)) counts[key] = (counts[key] ?? 0) + count
  }
  let file: SourceFile | null = null
  try {
    file = await fetch(name)
    if (file === null) return
    reading.seen.add(name)
    const path = recordPathOf(dataset, file, definition)
    if (files[name]?.sha256 === file.sha256 && files[name].records.includes(path)) {
      refused.delete(name)
      return add({ skippedFiles: 1 })
    }
    const earlier = refused.get(name)
    const isKnown = earlier?.sha256 === file.sha256 && earlier.definition === definition
    const isApproved = (isKnown && context.approved) || (dataset.approved ?? []).includes(approvalOf(name, file.sha256))
    if (isKnown && !(earlier.approvable && isApproved)) return
    const before = await stat(file.path)
    const read = await normalizeFile(engine, root, store, dataset, limits, file, ports.scratch, context.now)
    const after = await stat(file.path)
    if (before.mtimeMs !== after.mtimeMs || before.size !== after.size) {
      reading.passedOver.push({ name, reason: 'is still being written; a later run reads it', expected: false })
      return
    }
    const reason = isApproved
      ? null
      : refusalOf(read, await yieldBefore(engine, root, files[name], read), toleranceOf(dataset))
    if (reason === null) {
      refused.delete(name)
      files[name] = read.state
      add({ files: 1, bytes: after.size, rowsRefused: 0, ...read.state.counts })
      reading.warnings.push(...rowWarnings(dataset.name, name, read))
      return
    }
    const { accepted = 0, ...rest } = read.state.counts
    const examples = read.examples.length === 0 ? '' : ` (${listed(read.examples, read.state.counts['badRows'] ?? 0)})`
    refused.set(name, {
      sha256: file.sha256,
      definition,
      message: `${reason}${examples}.`,
      approvable: accepted > 0 || (files[name] !== undefined && (rest['badRows'] ?? 0) === 0),
      rejects: read.examples.length === 0 ? null : rejectsPathOf(path),
      counts: { ...rest, accepted: 0, rowsRefused: accepted },
    })
    add(refused.get(name)?.counts ?? {})
  } catch (error) {
    reading.seen.add(name)
    const fault = faultOf(error)
    if (fault.reason === 'UnreadableFile' || fault.reason === 'InternalError' || fault.reason === 'OutOfMemory') {
      // A fault that is not the file's own may pass: without a digest the file is tried again.
      const sha = fault.reason === 'UnreadableFile' ? file?.sha256 : undefined
      refused.set(name, {
        sha256: sha ?? '',
        definition,
        message: fault.message,
        approvable: false,
        rejects: null,
        counts: {},
      })
    } else reading.faults.push(ofThisDataset(fault))
  } finally {
    // A copy of a remote file; files of a volume are read in place.
    if (file?.path.startsWith(ports.scratch)) rmSync(file.path, { force: true })
  }
}

/**
 * The newest whole delivery replaces all there was. Newest is one that came or changed since the last look; of several the last by name.
 * A delivery that must not be taken in leaves everything as it is.
 */
async function readNewestDelivery(
  engine: Engine,
  context: DatasetContext,
  reading: Reading,
  folder: SourceFolder,
): Promise<void> {
  const { dataset, root, store, limits, known, ports } = context
  const { definition, refused, counts } = reading
  const deliveries = new Map<string, ListedFile[]>()
  for (const file of folder.files) {
    const parent = file.name.includes('/') ? (file.name.split('/')[0] ?? '') : null
    if (dataset.delivery === 'Folder' && parent === null)
      reading.passedOver.push({
        name: file.name,
        reason: 'lies in no folder, each of which is a delivery',
        expected: false,
      })
    else {
      const name = dataset.delivery === 'Folder' ? (parent ?? '') : file.name
      deliveries.set(name, [...(deliveries.get(name) ?? []), file])
    }
  }
  const names = [...deliveries.keys()].sort()
  const stamps = Object.fromEntries(
    names.map((name) => [
      name,
      sha256(
        (deliveries.get(name) ?? [])
          .map((file) => `${file.name} ${file.bytes} ${file.modifiedAt.getTime()}`)
          .join('\n'),
      ),
    ]),
  )
  const { delivery: current = null, seen = {} } = known?.snapshot ?? {}
  for (const name of refused.keys()) if (!deliveries.has(name)) refused.delete(name)
  const isNews = (name: string) => seen[name] !== stamps[name] || refused.has(name)
  const newest = names.filter(isNews).at(-1) ?? (known?.definition === definition ? null : current)
  const keep = (delivery: string | null) => {
    reading.snapshot = { delivery, seen: stamps }
    for (const name of names)
      if (name !== delivery && !refused.has(name))
        for (const file of deliveries.get(name) ?? [])
          reading.passedOver.push({ name: file.name, reason: 'is of an older delivery', expected: true })
  }
  const own = newest === null ? undefined : deliveries.get(newest)
  if (newest === null || own === undefined) {
    counts['skippedFiles'] = current === null ? 0 : (deliveries.get(current)?.length ?? 0)
    return keep(current)
  }
  const add = (more: Readonly<Record<string, number>>) => {
    for (const [key, count] of Object.entries(more)) counts[key] = (counts[key] ?? 0) + count
  }
  const read: { readonly name: string; readonly file: NormalizedFile }[] = []
  const digests: string[] = []
  const refuse = (message: string, approvable: boolean, rejects: string | null): void => {
    const total = read.reduce((sum, { file }) => sum + file.accepted, 0)
    add({ rowsRefused: total })
    for (const { file } of read) add({ ...file.state.counts, accepted: 0 })
    refused.set(newest, { sha256: sha256(digests.join('\n')), definition, message, approvable, rejects, counts: {} })
    keep(current)
  }
  for (const { name } of own) {
    let source: SourceFile | null = null
    try {
      source = await folder.fetch(name)
      if (source === null) {
        reading.passedOver.push({ name, reason: 'vanished while its delivery was read', expected: false })
        return
      }
      digests.push(source.sha256)
      const before = await stat(source.path)
      const file = await normalizeFile(engine, root, store, dataset, limits, source, ports.scratch, context.now)
      const after = await stat(source.path)
      if (before.mtimeMs !== after.mtimeMs || before.size !== after.size) {
        reading.passedOver.push({ name, reason: 'is still being written; a later run reads it', expected: false })
        return
      }
      read.push({ name, file })
    } catch (error) {
      const fault = faultOf(error)
      if (!['UnreadableFile', 'InternalError', 'OutOfMemory'].includes(fault.reason)) throw error
      return refuse(name === newest ? fault.message : `${visible(name)}: ${fault.message}`, false, null)
    } finally {
      if (source?.path.startsWith(ports.scratch)) rmSync(source.path, { force: true })
    }
  }
  const digest = sha256(digests.join('\n'))
  const earlier = refused.get(newest)
  const isApproved =
    (context.approved && earlier?.sha256 === digest && earlier.definition === definition) ||
    (dataset.approved ?? []).includes(approvalOf(newest, digest))
  const sumOf = (pick: (file: NormalizedFile) => number) => read.reduce((sum, { file }) => sum + pick(file), 0)
  const columns = [...new Set(read.flatMap(({ file }) => Object.keys(file.filled)))]
  const now: Yield = {
    rowsRead: sumOf(({ rowsRead }) => rowsRead),
    accepted: sumOf(({ accepted }) => accepted),
    filled: Object.fromEntries(columns.map((column) => [column, sumOf(({ filled }) => filled[column] ?? 0)])),
    missing: columns.filter((column) => read.every(({ file }) => file.missing.includes(column))),
  }
  const records = Object.values(reading.files).flatMap((file) => file.records)
  const before =
    records.length === 0 ? null : await yieldBefore(engine, root, { sha256: '', bytes: 0, records, counts: {} }, now)
  // Files that were single facts until now may stand for any number of deliveries.
  const tolerance = current === null ? { ...toleranceOf(dataset), maxShrink: 100 } : toleranceOf(dataset)
  const reason = isApproved ? null : refusalOf(now, before, tolerance)
  const examples = read.flatMap(({ file }) => file.examples)
  if (reason !== null || now.accepted === 0) {
    const said = examples.length === 0 ? '' : ` (${listed(examples, now.rowsRead - now.accepted)})`
    const rejects = read.find(({ file }) => file.examples.length > 0)?.file.state.records[0]
    return refuse(
      `${reason ?? 'it has no row'}${said}.`,
      reason !== null && now.accepted > 0,
      rejects === undefined ? null : rejectsPathOf(rejects),
    )
  }
  refused.clear()
  for (const name of Object.keys(reading.files)) delete reading.files[name]
  for (const { name, file } of read) {
    reading.files[name] = file.state
    add({ files: 1, ...file.state.counts })
    reading.warnings.push(...rowWarnings(dataset.name, name, file))
  }
  keep(newest)
}

export function toleranceOf(dataset: DatasetPlan): NonNullable<DatasetPlan['tolerance']> {
  return { ...defaultTolerance, ...dataset.tolerance }
}

/** What an earlier content of the file brought, as far as it can be compared; null where there is none. */
export async function yieldBefore(
  engine: Engine,
  root: string,
  state: SourceFileState | undefined,
  { filled }: Yield,
): Promise<Pick<Yield, 'accepted' | 'filled'> | null> {
  if (!state) return null
  const files = `[${state.records.map((path) => fileLiteral(join(root, path))).join(', ')}]`
  const columns = await engine.rows(`DESCRIBE SELECT * FROM read_parquet(${files}, union_by_name = true)`)
  const shared = columns.map((row) => String(row['column_name'])).filter((name) => Object.hasOwn(filled, name))
  const [row] = await engine.rows(
    `SELECT count(*) AS "$rows"${shared.map((name) => `, count(${identifier(name)}) AS ${identifier(name)}`).join('')}
    FROM read_parquet(${files}, union_by_name = true)`,
  )
  return {
    accepted: Number(row?.['$rows']),
    filled: Object.fromEntries(shared.map((name) => [name, Number(row?.[name])])),
  }
}

/** Names one content of one file, so that an approval means just that. */
function approvalOf(name: string, digest: string): string {
  return sha256(`${name}\n${digest}`).slice(0, 12)
}

/** The fault if it concerns this Dataset only; others are thrown and end the step. */
function ofThisDataset(error: unknown): JobError {
  const reasons: readonly string[] = ['LocationUnavailable', 'MissingVolume', 'MissingSecret', 'InvalidPlan']
  if (error instanceof JobError && reasons.includes(error.reason)) return error
  throw error
}

/** How many are named in warnings and reports; the others are counted. */
const namedInWarning = 5
const namedInReport = 100

function finished(reading: Reading, dataset: DatasetPlan, known: SourceState | undefined): DatasetReading {
  const { refused, passedOver, counts, files, definition } = reading
  counts['filesRefused'] = refused.size
  counts['filesPassedOver'] = passedOver.length
  const told = passedOver.filter(({ expected }) => !expected)
  if (told.length > 0)
    reading.warn(
      'files-not-read',
      `${told.length === 1 ? '1 file was' : `${told.length} files were`} not read: ${told
        .slice(0, namedInWarning)
        .map(({ name, reason }) => `${visible(name)} ${reason}`)
        .join('; ')}${told.length > namedInWarning ? '; …' : ''}.`,
    )
  const sorted = [...refused].sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [name, { message, approvable, rejects, sha256: digest }] of sorted.slice(0, namedInWarning)) {
    const stays =
      files[name] || (dataset.mode === 'Snapshot' && Object.keys(files).length > 0)
        ? ' What it brought before stays.'
        : ' Nothing of it was taken in.'
    const next = approvable
      ? ` Correct it, or let it pass as it is: \`convoke approve Dataset/${dataset.name}\`, or the annotation ${annotations.approve}: ${approvalOf(name, digest)} on the Dataset.`
      : ''
    const list = rejects === null ? '' : ` The store's ${rejects} lists its bad rows with their values.`
    reading.warn('refused-file', `${visible(name)} was refused: ${message}${stays}${list}${next}`)
  }
  if (sorted.length > namedInWarning)
    reading.warn('refused-file', `${sorted.length - namedInWarning} more files were refused; the report names them.`)
  return {
    dataset: dataset.name,
    state: {
      definition,
      files: Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))),
      ...(refused.size > 0 ? { refused: Object.fromEntries(sorted) } : {}),
      ...(reading.snapshot ? { snapshot: reading.snapshot } : {}),
      ...(known?.watermarks ? { watermarks: known.watermarks } : {}),
    },
    counts,
    refused: sorted.slice(0, namedInReport).map(([name, { message, approvable, sha256: digest }]) => ({
      file: visible(name),
      reason: message,
      ...(approvable ? { approval: approvalOf(name, digest) } : {}),
    })),
    passedOver: passedOver.slice(0, namedInReport).map(({ name, reason }) => ({ file: visible(name), reason })),
    warnings: reading.warnings,
    faults: reading.faults,
  }
}

/** `line 3, points is not an integer; …` */
function listed(examples: readonly BadRow[], all: number): string {
  const places = examples.map(
    ({ line, column, reason }) => `line ${line}${column === '' ? '' : `, ${visible(column)}`} ${reason}`,
  )
  return `${places.join('; ')}${all > examples.length ? '; …' : ''}`
}

function rowWarnings(
  dataset: string,
  name: string,
  { state, examples, missingFields, repeatedFields }: NormalizedFile,
): Warnings {
  const warnings: Warnings = []
  const say = (code: string, message: string) =>
    warnings.push({ code, message: `Dataset ${dataset}, ${visible(name)}${message}` })
  const { badRows = 0, badCells = 0, oversize = 0, longArrays = 0 } = state.counts
  if (badRows + badCells > 0) {
    const counted = (count: number, one: string) => (count === 0 ? [] : [`${count} ${one}${count === 1 ? '' : 's'}`])
    const what = [...counted(badRows, 'row'), ...counted(badCells, 'value')]
    say(
      badRows > 0 ? 'bad-rows' : 'bad-cells',
      `: ${what.join(' and ')} ${badRows + badCells === 1 ? 'was' : 'were'} kept out (${listed(examples, badRows + badCells)}). The store's ${rejectsPathOf(state.records[0] ?? '')} lists them with their values.`,
    )
  }
  if (repeatedFields.length > 0)
    say(
      'repeated-columns',
      ` has ${repeatedFields.map(visible).join(', ')} more than once; nothing is mapped from them.`,
    )
  if (missingFields.size > 0) {
    const names = [...missingFields].map(([name, near]) => visible(near === null ? name : `${name} (it has ${near})`))
    say('missing-columns', ` has no column ${names.join(', ')}; what is mapped from it is absent.`)
  }
  if (oversize > 0) say('oversize-records', `: ${oversize} records are over the size limit and were dropped.`)
  if (longArrays > 0) say('long-arrays', `: ${longArrays} records hold arrays longer than recommended.`)
  return warnings
}
