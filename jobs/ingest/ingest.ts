import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  batchLimits,
  type DatasetPlan,
  type Detail,
  type IngestPlan,
  type RunInput,
  type RunReport,
  visible,
} from '#crds'
import { batchesAfter, manyBatchesWarnings } from '../batches.ts'
import { type Engine, openDuckDB } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { mostLinked } from '../merge/identity-graph.ts'
import { mergeData } from '../merge/merge.ts'
import { removeOrphans } from '../merge/orphans.ts'
import type { People, Placeholder } from '../merge/people.ts'
import type { Ports } from '../ports.ts'
import { commitData, type DataManifest, readDataManifest, type SourceState, storeRootOf } from '../profile-store.ts'
import { runStep, type StepContext, type StepResult } from '../step.ts'
import { sealed } from '../store-files.ts'
import { asWrittenWarnings } from '../store-notes.ts'
import { lockStore } from '../writer-lock.ts'
import { expected, type Finding } from './expectations.ts'
import { type DatasetReading, readDataset } from './read-dataset.ts'

type Warnings = NonNullable<RunReport['warnings']>

/**
 * Reads what is new in a store's Datasets (a Streaming run: in its Streaming ones) and commits the store's next data version. A file is
 * known by its name and content: the same again is passed over, changed content replaces its records, and records of a file that is gone
 * stay, because landing folders are emptied. Records of a Dataset that left the plan are kept but not merged.
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
      read.push(
        await readDataset(engine, {
          root,
          store,
          limits: ingestPlan.limits,
          dataset,
          known: before?.sources[dataset.name],
          approved: input.approved?.includes(dataset.name) ?? false,
          now: new Date(input.now),
          ports: own,
        }),
      )
    }
    const sources = Object.fromEntries(
      Object.entries({
        ...before?.sources,
        ...Object.fromEntries(read.map(({ dataset, state }) => [dataset, state])),
      }).sort(([a], [b]) => (a < b ? -1 : 1)),
    )
    const merged = await mergeData({ engine, root, store, plan: ingestPlan, ports: own }, before, sources)
    const { people, placeholders } = merged
    const { expectations, looked } = await lookedAtAll(
      engine,
      root,
      ingestPlan.datasets,
      merged.manifest,
      before,
      input,
    )
    const taken = input.evaluation === 'Streaming' ? 0 : read.filter(({ counts }) => (counts['files'] ?? 0) > 0).length
    const batches = batchesAfter(before?.batches, input.now, taken)
    const manifest: DataManifest = await sealed(
      root,
      { ...merged.manifest, sources: looked, ...(batches && { batches }) },
      before,
    )
    lock.check()
    // Unchanged data is not written again, so that a reader's version stays valid.
    if (JSON.stringify(manifest) !== JSON.stringify(before))
      commitData(root, manifest, manifest.version !== before?.version)
    return {
      totals: {
        ...sumOf(read.map(({ counts }) => counts)),
        placeholders: placeholders.reduce((total, { rows }) => total + rows, 0),
        profiles: manifest.profileCount,
        events: manifest.eventCount,
        leftOutEventsPerProfile: manifest.leftOut.eventsPerProfile,
        leftOutIdentitiesPerProfile: manifest.leftOut.identitiesPerProfile,
        splitGraphs: manifest.splitGraphs ?? 0,
        buckets: manifest.buckets,
      },
      details: ingestPlan.datasets.flatMap(({ name }): readonly Detail[] => {
        const own = read.find(({ dataset }) => dataset === name)
        const found = expectations.get(name)
        if (!own && !found) return []
        return [
          {
            dataset: name,
            ...(own && {
              counts: { ...own.counts, ...storedCounts(looked[name]), ...identityCounts(name, people, placeholders) },
            }),
            ...(own && own.refused.length > 0 && { refused: own.refused }),
            ...(own && own.passedOver.length > 0 && { passedOver: own.passedOver }),
            ...(found && { expectations: [...found] }),
          },
        ]
      }),
      warnings: [
        ...read.flatMap((one) => one.warnings),
        ...unmetWarnings(expectations),
        ...placeholderWarnings(placeholders),
        ...asWrittenWarnings(store, manifest),
        ...leftOutWarnings(manifest.leftOut, ingestPlan.limits),
        ...read.flatMap(({ dataset, counts }) => batchWarnings(dataset, ingestPlan, counts)),
        ...manyBatchesWarnings(manifest.batches, input.now),
      ],
      ...oneFault([...read.flatMap(({ faults }) => faults), ...unmetFaults(expectations)]),
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

type Expectations = ReadonlyMap<string, readonly Finding[]>

/**
 * The expectations of all Datasets over the data that is in now, also of Datasets not read this time, and their states with the results.
 */
async function lookedAtAll(
  engine: Engine,
  root: string,
  datasets: readonly DatasetPlan[],
  { sources }: DataManifest,
  before: DataManifest | null,
  { now }: RunInput,
): Promise<{ readonly expectations: Expectations; readonly looked: DataManifest['sources'] }> {
  const expectations = new Map<string, readonly Finding[]>()
  const looked = { ...sources }
  for (const dataset of datasets) {
    const found = sources[dataset.name]
    const nothing: SourceState = { definition: '', files: {} }
    const known = before?.sources[dataset.name]
    const { findings, state } = await expected(engine, root, dataset, found ?? nothing, known, now)
    if (found) looked[dataset.name] = state
    if (findings.length > 0) expectations.set(dataset.name, findings)
  }
  return { expectations, looked }
}

function unmetWarnings(expectations: Expectations): Warnings {
  const follows = {
    Warn: '',
    HoldActivations: ' Activations deliver nothing until it is met.',
    Fail: '',
  } satisfies Record<Finding['severity'], string>
  return unmetIn(expectations).map(({ dataset, name, severity, message }) => ({
    code: 'unmet-expectation',
    message: `Dataset ${dataset} does not meet its expectation ${name}: ${message}.${follows[severity]}`,
  }))
}

function unmetFaults(expectations: Expectations): readonly JobError[] {
  return unmetIn(expectations)
    .filter(({ severity }) => severity === 'Fail')
    .map(
      ({ dataset, name, message }) =>
        new JobError('UnmetExpectation', `Dataset ${dataset} does not meet its expectation ${name}: ${message}.`),
    )
}

function unmetIn(expectations: Expectations): readonly (Finding & { readonly dataset: string })[] {
  return [...expectations].flatMap(([dataset, findings]) =>
    findings.filter(({ met }) => !met).map((finding) => ({ dataset, ...finding })),
  )
}

/** The first fault, with a mention of the others. */
function oneFault(faults: readonly JobError[]): { readonly fault?: JobError } {
  const [fault, ...others] = faults
  if (!fault) return {}
  const messages = others.slice(0, 3).map(({ message }) => message)
  const more = others.length === 0 ? '' : ` (and ${others.length} more: ${messages.join(' ')})`
  return { fault: new JobError(fault.reason, `${fault.message}${more} All else was read and is committed.`, fault) }
}

/** What the store has of a Dataset, whenever it came. */
function storedCounts(state: SourceState | undefined): Readonly<Record<string, number>> {
  const files = Object.values(state?.files ?? {})
  return { storedFiles: files.length, records: files.reduce((sum, { counts }) => sum + (counts['accepted'] ?? 0), 0) }
}

/** Counts of a Dataset's people; empty where the Dataset brought nothing new. */
function identityCounts(
  dataset: string,
  people: readonly People[],
  placeholders: readonly Placeholder[],
): Readonly<Record<string, number>> {
  const own = people.find((one) => one.dataset === dataset)
  const rows = placeholders.filter((one) => one.dataset === dataset).reduce((total, one) => total + one.rows, 0)
  return {
    ...(own && { matched: own.matched, new: own.new, unmatched: own.unmatched }),
    ...(rows > 0 && { placeholders: rows }),
  }
}

function placeholderWarnings(placeholders: readonly Placeholder[]): Warnings {
  const byPlace = Map.groupBy(placeholders, ({ dataset, namespace }) => `${dataset}, ${namespace}`)
  return [...byPlace].map(([place, found]) => {
    const listed = found.slice(0, 5).map(({ value, rows }) => {
      const what =
        value === null ? `one that more than ${mostLinked.toLocaleString('en')} people have` : `\`${visible(value)}\``
      return `${what} in ${rows.toLocaleString('en')} ${rows === 1 ? 'row' : 'rows'}`
    })
    return {
      code: 'placeholder-identities',
      message: `Dataset ${place}: what stands for nobody links nobody: ${listed.join(', ')}${found.length > listed.length ? ', …' : ''}. Where it is somebody, say so in \`placeholders\` of the identity.`,
    }
  })
}

function leftOutWarnings(
  leftOut: { readonly eventsPerProfile: number; readonly identitiesPerProfile: number },
  limits: { readonly eventsPerProfile: number; readonly identitiesPerProfile: number },
): Warnings {
  const of = (count: number, what: string, code: string) =>
    count === 0 ? [] : [{ code, message: `${count} profiles have more than ${what} and are left out of segmentation.` }]
  return [
    ...of(leftOut.eventsPerProfile, `${limits.eventsPerProfile} events`, 'too-many-events'),
    ...of(leftOut.identitiesPerProfile, `${limits.identitiesPerProfile} identities`, 'too-many-identities'),
  ]
}

/** What Experience Platform says of a batch of this size. */
function batchWarnings(
  dataset: string,
  { datasets }: IngestPlan,
  { files = 0, bytes = 0, accepted = 0 }: Readonly<Record<string, number>>,
): Warnings {
  const warnings: Warnings = []
  const most = (limit: number, unit: string) =>
    `; beyond ${limit.toLocaleString('en')}${unit} Experience Platform fails it`
  const say = (code: string, what: string, recommended: string, failing: string) =>
    warnings.push({
      code,
      message: `Dataset ${dataset}: a batch of ${what}; ${recommended} are recommended at most${failing}.`,
    })
  const gigabytes = (count: number) => `${Math.round(count / 1e9).toLocaleString('en')} GB`
  if (files > batchLimits.files.recommended)
    say(
      'many-files',
      `${files.toLocaleString('en')} files`,
      batchLimits.files.recommended.toLocaleString('en'),
      files > batchLimits.files.most ? most(batchLimits.files.most, '') : '',
    )
  if (bytes > batchLimits.bytes.recommended)
    say(
      'large-batch',
      gigabytes(bytes),
      gigabytes(batchLimits.bytes.recommended),
      bytes > batchLimits.bytes.most ? '; beyond 1 TB Experience Platform fails it' : '',
    )
  const isUpsert = datasets.some(({ name, record }) => name === dataset && record === 'Profile')
  if (isUpsert && accepted > batchLimits.upserts)
    say(
      'large-upsert',
      `${accepted.toLocaleString('en')} profiles to update`,
      batchLimits.upserts.toLocaleString('en'),
      '',
    )
  return warnings
}

function sumOf(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const one of counts) for (const [key, count] of Object.entries(one)) sum[key] = (sum[key] ?? 0) + count
  return sum
}
