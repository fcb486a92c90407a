import type { Detail, JobPlan, Kind, RunReport } from '#crds'
import { pathOf, targetUidOf } from './caches.ts'
import { timeText } from './conditions.ts'
import type { Resource } from './definition.ts'
import { ApiError } from './kernel/api.ts'
import type { ApiObject } from './kernel/reflector.ts'
import { mergePatchOf } from './status-patch.ts'
import type { Surroundings } from './surroundings.ts'

type Run = Resource<'Run'>

/** Status writes that go out at the same time. */
const parallel = 16

/**
 * What the target remembers of a Run, written before the Run counts as finished: a Run that was cut off here does it again, and one
 * that is finished has nothing more to say. Other fields of the status are the controllers'.
 */
export async function settleTarget(own: Surroundings, run: Run, succeeded: boolean): Promise<void> {
  const { target } = run.definition.spec
  switch (target.kind) {
    case 'ProfileStore':
      return settleStore(own, run, succeeded)
    case 'CampaignSource':
      return settleSource(own, run, succeeded)
    case 'Activation':
      return settleActivation(own, run, succeeded)
  }
}

/** Counts per Segment and Dataset, as the latest step says. Safe to repeat. */
export async function tellCounts(
  own: Surroundings,
  run: Run,
  step: RunReport['step'],
  details: readonly Detail[],
  report: RunReport,
): Promise<void> {
  const { namespace } = run
  if (step === 'evaluate')
    await each(details, ({ segment, members, entered, exited }) =>
      tell(own, 'Segment', namespace, segment, () => ({
        members,
        entered,
        exited,
        lastEvaluatedTime: run.status.now,
      })),
    )
  if (step === 'ingest')
    await each(details, ({ dataset, counts = {} }) =>
      tell(own, 'Dataset', namespace, dataset, () => ({
        lastIngestedTime: timeText(Date.parse(report.finishedAt)),
        files: counts['files'],
        records: counts['records'],
        rejected: (counts['badRows'] ?? 0) + (counts['oversize'] ?? 0),
      })),
    )
}

async function settleStore(own: Surroundings, run: Run, succeeded: boolean): Promise<void> {
  if (!succeeded) return
  const { target, evaluation, scheduledTime, trigger } = run.definition.spec
  const totals = run.status.steps?.find(({ name }) => name === 'ingest')?.totals ?? {}
  await tell(
    own,
    'ProfileStore',
    run.namespace,
    target.name,
    ({ lastSuccessfulBatchTime: before }) => ({
      evaluatedAt: run.status.now,
      profiles: totals['profiles'],
      events: totals['events'],
      // One by hand at another time is not the daily evaluation that Activations wait for.
      ...(evaluation !== 'Streaming' &&
        trigger !== 'Manual' && { lastSuccessfulBatchTime: later(scheduledTime, before) }),
    }),
    targetUidOf(run),
  )
}

async function settleSource(own: Surroundings, run: Run, succeeded: boolean): Promise<void> {
  if (!succeeded) return
  const { target, scheduledTime } = run.definition.spec
  const rows = run.status.steps?.find(({ name }) => name === 'extract')?.totals?.['rowsRead']
  await tell(
    own,
    'CampaignSource',
    run.namespace,
    target.name,
    ({ lastSuccessfulTime: before }) => ({ lastSuccessfulTime: later(scheduledTime, before), rows }),
    targetUidOf(run),
  )
}

async function settleActivation(own: Surroundings, run: Run, succeeded: boolean): Promise<void> {
  const { namespace } = run
  const { target, scheduledTime } = run.definition.spec
  const path = pathOf('Activation', namespace, target.name)
  const live = await own.api.get<Live>(path)
  // Its Runs go with it.
  if (!live || live.metadata.uid !== targetUidOf(run)) return
  const status = live.status ?? {}
  const plan = (await own.plans.load(namespace, run.status.planDigest ?? ''))?.plan
  const delivered = (run.status.segments ?? []).some(({ manifest }) => manifest !== undefined)
  const patch = mergePatchOf(status as Readonly<Record<string, unknown>>, {
    ...(plan && { baselines: baselinesAfter(status.baselines ?? [], own, run, plan) }),
    lastActivatedTime: later(run.status.activatedTime, status.lastActivatedTime),
    ...(succeeded && { lastSuccessfulTime: later(scheduledTime, status.lastSuccessfulTime) }),
  })
  const { uid, resourceVersion } = live.metadata
  if (patch) await own.api.patch(`${path}/status`, { metadata: { uid, resourceVersion }, status: patch }, 'merge')
  const destination = own.caches.get('Activation', namespace, target.name)?.definition.spec.destinationRef.name
  if (delivered && destination !== undefined)
    await tell(own, 'Destination', namespace, destination, () => ({ lastDeliveredTime: timeText(own.clock.now()) }))
}

type Live = {
  readonly metadata: { readonly uid: string; readonly resourceVersion: string }
  readonly status?: Resource<'Activation'>['status']
}

/** Times in statuses do not go back, whichever Run is finished last. */
function later(time: string | undefined, before: string | undefined): string | undefined {
  return before !== undefined && (time === undefined || Date.parse(before) > Date.parse(time)) ? before : time
}

export type Baseline = NonNullable<Resource<'Activation'>['status']['baselines']>[number]

const longestBaselines = 200

/**
 * What Campaign is known to have after the Run. A Segment whose delivery may or may not have reached it is known of no more: its next
 * file is a backfill, which replaces the whole audience; an increment against the wrong set would lose exits for ever.
 */
function baselinesAfter(before: readonly Baseline[], own: Surroundings, run: Run, plan: JobPlan): readonly Baseline[] {
  const baselines = new Map(before.map((baseline) => [baseline.segment, baseline]))
  const told = new Map((run.status.segments ?? []).map((segment) => [segment.segment, segment]))
  const names = new Set([...(plan.export?.segments ?? []).map(({ name }) => name), ...told.keys()])
  for (const segment of names) {
    const fate = fateOf(told.get(segment), run, plan)
    if (fate === 'unknown' || fate === 'departed') baselines.delete(segment)
    if (fate !== 'delivered') continue
    const spec = own.caches.get('Segment', run.namespace, segment)?.definition.spec
    const exitsOnDeletion = spec?.deletionPolicy === 'ExportExits'
    baselines.set(segment, {
      segment,
      run: run.name,
      acknowledgedAt: timeText(own.clock.now()),
      ...(exitsOnDeletion && { exitsOnDeletion }),
      // The names of its last files need it when nobody else knows it any more.
      ...(exitsOnDeletion && spec.displayName !== undefined && { displayName: spec.displayName.slice(0, 256) }),
    })
  }
  // Those that the Activation delivers come before those that it once did.
  const ranked = [...baselines.values()].sort((a, b) => rankOf(a, names) - rankOf(b, names))
  return ranked.slice(0, longestBaselines).sort((a, b) => (a.segment < b.segment ? -1 : 1))
}

function rankOf({ segment, exitsOnDeletion }: Baseline, names: ReadonlySet<string>): number {
  return names.has(segment) ? 0 : exitsOnDeletion ? 1 : 2
}

type Told = NonNullable<Run['status']['segments']>[number]

/** What became of a Segment's delivery; 'none' where Campaign has what it had before. */
function fateOf(told: Told | undefined, { status }: Run, plan: JobPlan): 'delivered' | 'departed' | 'unknown' | 'none' {
  const stepOf = (step: string) => status.steps?.find(({ name }) => name === step)
  const exported = stepOf('export')
  const isExported = exported?.outcome === 'Succeeded' || exported?.outcome === 'Held'
  if (!told) {
    // Beyond what a status holds.
    if (isExported) return 'unknown'
    // Nobody but our own import reads the files of an export that failed; a first attempt that says why has delivered nothing else.
    const saysAll = exported?.reportDigest !== undefined && exported.attempt === 1
    return plan.import || exported === undefined || saysAll ? 'none' : 'unknown'
  }
  const { manifest, acknowledged, departed } = told
  if (acknowledged && manifest !== undefined) return departed ? 'departed' : 'delivered'
  // Where there was nobody left to say so of, it is done; else they leave once more, which harms nobody.
  if (departed) return isExported && manifest === undefined ? 'departed' : 'none'
  if (plan.import) return manifest !== undefined && acknowledged === undefined && stepOf('import') ? 'unknown' : 'none'
  return acknowledged === undefined ? 'unknown' : 'none'
}

/** Writes what differs into a status, onto the version that was looked at; one that is gone, or is not `expected` (uid), has none. */
async function tell<K extends Kind>(
  own: Surroundings,
  kind: K,
  namespace: string,
  name: string | undefined,
  fieldsOf: (status: Partial<Resource<K>['status']>) => Readonly<Record<string, unknown>>,
  expected?: string,
): Promise<void> {
  const known = name === undefined ? null : own.caches.get(kind, namespace, name)
  if (!known || (expected !== undefined && expected !== known.uid)) return
  const path = pathOf(kind, namespace, known.name)
  const { uid } = known
  let { resourceVersion } = known
  let status: Partial<Resource<K>['status']> = known.status
  for (;;) {
    const said = Object.entries(fieldsOf(status)).filter(([, value]) => value !== undefined)
    const patch = mergePatchOf(status as Readonly<Record<string, unknown>>, Object.fromEntries(said))
    if (patch === null) return
    try {
      await own.api.patch(`${path}/status`, { metadata: { uid, resourceVersion }, status: patch }, 'merge')
      return
    } catch (error) {
      if (!(error instanceof ApiError && (error.status === 404 || error.status === 409))) throw error
      const live = await own.api.get<ApiObject & { readonly status?: typeof status }>(path)
      // Deleted, or made anew, meanwhile.
      if (live?.metadata.uid !== uid) return
      if (live.metadata.resourceVersion === resourceVersion) throw error
      resourceVersion = live.metadata.resourceVersion
      status = live.status ?? {}
    }
  }
}

async function each<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  await Promise.all(
    Array.from({ length: Math.min(parallel, left.length) }, async () => {
      for (let item = left.pop(); item !== undefined; item = left.pop()) await act(item)
    }),
  )
}
