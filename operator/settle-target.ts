import type { Detail, Kind, RunReport } from '#crds'
import { pathOf } from './caches.ts'
import { timeText } from './conditions.ts'
import type { Resource } from './definition.ts'
import { ApiError } from './kernel/api.ts'
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
      tell(own, 'Segment', namespace, segment, { members, entered, exited, lastEvaluatedTime: run.status.now }),
    )
  if (step === 'ingest')
    await each(details, ({ dataset, counts = {} }) =>
      tell(own, 'Dataset', namespace, dataset, {
        lastIngestedTime: timeText(Date.parse(report.finishedAt)),
        files: counts['files'],
        records: counts['records'],
        rejected: (counts['badRows'] ?? 0) + (counts['oversize'] ?? 0),
      }),
    )
}

async function settleStore(own: Surroundings, run: Run, succeeded: boolean): Promise<void> {
  if (!succeeded) return
  const { target, evaluation, scheduledTime, trigger } = run.definition.spec
  const totals = run.status.steps?.find(({ name }) => name === 'ingest')?.totals ?? {}
  await tell(own, 'ProfileStore', run.namespace, target.name, {
    evaluatedAt: run.status.now,
    profiles: totals['profiles'],
    events: totals['events'],
    // One by hand at another time is not the daily evaluation that Activations wait for.
    ...(evaluation !== 'Streaming' && trigger !== 'Manual' && { lastSuccessfulBatchTime: scheduledTime }),
  })
}

async function settleSource(own: Surroundings, run: Run, succeeded: boolean): Promise<void> {
  if (!succeeded) return
  const { target, scheduledTime } = run.definition.spec
  const rows = run.status.steps?.find(({ name }) => name === 'extract')?.totals?.['rowsRead']
  await tell(own, 'CampaignSource', run.namespace, target.name, { lastSuccessfulTime: scheduledTime, rows })
}

async function settleActivation(own: Surroundings, run: Run, succeeded: boolean): Promise<void> {
  const { namespace } = run
  const { target, scheduledTime } = run.definition.spec
  const path = pathOf('Activation', namespace, target.name)
  const live = await own.api.get<Live>(path)
  // Its Runs go with it.
  if (!live || (target.uid !== undefined && live.metadata.uid !== target.uid)) return
  const status = live.status ?? {}
  const delivered = (run.status.segments ?? []).some(({ manifest }) => manifest !== undefined)
  const patch = mergePatchOf(status as Readonly<Record<string, unknown>>, {
    baselines: baselinesAfter(status.baselines ?? [], own, run),
    lastActivatedTime: run.status.activatedTime,
    ...(succeeded && { lastSuccessfulTime: scheduledTime }),
  })
  const { uid, resourceVersion } = live.metadata
  if (patch) await own.api.patch(`${path}/status`, { metadata: { uid, resourceVersion }, status: patch }, 'merge')
  const destination = own.caches.get('Activation', namespace, target.name)?.definition.spec.destinationRef.name
  if (delivered && destination !== undefined)
    await tell(own, 'Destination', namespace, destination, { lastDeliveredTime: timeText(own.clock.now()) })
}

type Live = {
  readonly metadata: { readonly uid: string; readonly resourceVersion: string }
  readonly status?: Resource<'Activation'>['status']
}

export type Baseline = NonNullable<Resource<'Activation'>['status']['baselines']>[number]

/**
 * What Campaign is known to have after the Run. A Segment whose import may or may not have been committed is known of no more: its next
 * file is a backfill, which replaces the whole audience; an increment against the wrong set would lose exits for ever.
 */
function baselinesAfter(before: readonly Baseline[], own: Surroundings, run: Run): readonly Baseline[] {
  const baselines = new Map(before.map((baseline) => [baseline.segment, baseline]))
  const imported = run.status.steps?.find(({ name }) => name === 'import')
  for (const { segment, manifest, acknowledged, departed } of run.status.segments ?? []) {
    if (manifest === undefined) continue
    if (acknowledged && departed) baselines.delete(segment)
    else if (acknowledged) {
      const spec = own.caches.get('Segment', run.namespace, segment)?.definition.spec
      baselines.set(segment, {
        segment,
        run: run.name,
        acknowledgedAt: timeText(own.clock.now()),
        ...(spec?.deletionPolicy === 'ExportExits' && { exitsOnDeletion: true }),
        ...(spec?.displayName !== undefined && { displayName: spec.displayName.slice(0, 256) }),
      })
    } else if (acknowledged === undefined && imported) baselines.delete(segment)
  }
  return [...baselines.values()].sort((a, b) => (a.segment < b.segment ? -1 : 1))
}

/** Writes what differs from the copy into a status; a resource that is gone has no status. */
async function tell(
  own: Surroundings,
  kind: Kind,
  namespace: string,
  name: string | undefined,
  fields: Readonly<Record<string, unknown>>,
): Promise<void> {
  const known = name === undefined ? null : own.caches.get(kind, namespace, name)
  if (!known) return
  const said = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  const status = mergePatchOf(known.status as Readonly<Record<string, unknown>>, said)
  if (status === null) return
  const { uid } = known
  await own.api
    .patch(`${pathOf(kind, namespace, name)}/status`, { metadata: { uid }, status }, 'merge')
    .catch((error: unknown) => {
      // Deleted, or made anew, meanwhile.
      if (!(error instanceof ApiError && (error.status === 404 || error.status === 409))) throw error
    })
}

async function each<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  await Promise.all(
    Array.from({ length: Math.min(parallel, left.length) }, async () => {
      for (let item = left.pop(); item !== undefined; item = left.pop()) await act(item)
    }),
  )
}
