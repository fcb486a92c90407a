import type { Detail, JobPlan, Kind, RunReport } from '#crds'
import {
  activationAfter,
  type Baseline,
  expectationsIn,
  refusedIn,
  type SegmentFacts,
  type SourceMemory,
  type StoreMemory,
  sourceAfter,
  storeAfter,
  timeText,
  withCompleteness,
  withEvaluation,
  withExpectations,
} from '#protocol'
import { pathOf, targetUidOf } from './caches.ts'
import { type Resource, recordOf } from './definition.ts'
import { ApiError } from './kernel/api.ts'
import type { ApiObject } from './kernel/reflector.ts'
import { deliveredTo, rememberingOf, rememberSettled } from './memory.ts'
import { mergePatchOf } from './status-patch.ts'
import type { Surroundings } from './surroundings.ts'

type Run = Resource<'Run'>

/** How many status writes go out at the same time. */
const parallel = 16

/**
 * Stores what the target remembers of a Run, before the Run counts as finished: a Run that was cut off here does it again, and a finished
 * one has nothing more to say. Other fields of the status belong to the controllers.
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

/** Stores counts per Segment and Dataset, as the latest step tells them. Safe to repeat. */
export async function tellCounts(
  own: Surroundings,
  run: Run,
  step: RunReport['step'],
  details: readonly Detail[],
  report: RunReport,
): Promise<void> {
  const { namespace } = run
  if (step === 'evaluate')
    await each(details, ({ segment, members, entered, exited, failed }) =>
      tell(own, 'Segment', namespace, segment, ({ conditions }) => {
        const generation = own.caches.get('Segment', namespace, segment ?? '')?.generation ?? 0
        const told = withEvaluation(conditions, failed, generation, own.clock.now())
        const changed = JSON.stringify(told) === JSON.stringify(conditions ?? []) ? {} : { conditions: told }
        return failed === undefined
          ? { members, entered, exited, lastEvaluatedTime: run.status.now, ...changed }
          : changed
      }),
    )
  if (step === 'evaluate')
    for (const { segment, failed } of details) {
      const about = failed === undefined ? null : own.caches.get('Segment', namespace, segment ?? '')
      if (about)
        own.tell(about, {
          type: 'Warning',
          reason: 'EvaluationFailed',
          message: `It was not evaluated, and its members stay as they were: ${failed}`,
        })
    }
  if (step === 'ingest') {
    const generationOf = (kind: 'Dataset' | 'ProfileStore', name: string | undefined): number =>
      (name === undefined ? null : own.caches.get(kind, namespace, name))?.generation ?? 0
    const told = expectationsIn(report, details)
    await each(details, (detail) => {
      const { dataset, counts } = detail
      const generation = generationOf('Dataset', dataset)
      return tell(own, 'Dataset', namespace, dataset, ({ conditions }) => {
        const expected = told?.filter((each) => each.dataset === dataset) ?? []
        const known = withExpectations(conditions, expected, generation, own.clock.now())
        // A Dataset that a streaming ingest did not read has its expectations alone.
        if (!counts) return { conditions: known }
        return {
          conditions: withCompleteness(known, refusedIn([detail]), generation, own.clock.now()),
          lastIngestedTime: timeText(Date.parse(report.finishedAt)),
          files: counts['storedFiles'] ?? counts['files'],
          records: counts['records'],
          rejected: (counts['badRows'] ?? 0) + (counts['oversize'] ?? 0),
        }
      })
    })
    const { name } = run.definition.spec.target
    const refused = refusedIn(details)
    const generation = generationOf('ProfileStore', name)
    // A streaming ingest reads only some Datasets, but looks at the files of all.
    const readsAll = run.definition.spec.evaluation !== 'Streaming' || refused.length > 0
    await tell(own, 'ProfileStore', namespace, name, ({ conditions = [] }) => {
      const known = told ? withExpectations(conditions, told, generation, own.clock.now()) : conditions
      return { conditions: readsAll ? withCompleteness(known, refused, generation, own.clock.now()) : known }
    })
  }
}

async function settleStore(own: Surroundings, run: Run, succeeded: boolean): Promise<void> {
  if (!succeeded) return
  const { name } = run.definition.spec.target
  const fields = (status: StoreMemory) => storeAfter(status, recordOf(run))
  await tell(own, 'ProfileStore', run.namespace, name, fields, targetUidOf(run))
}

async function settleSource(own: Surroundings, run: Run, succeeded: boolean): Promise<void> {
  if (!succeeded) return
  const { name } = run.definition.spec.target
  const fields = (status: SourceMemory) => sourceAfter(status, recordOf(run))
  await tell(own, 'CampaignSource', run.namespace, name, fields, targetUidOf(run))
}

async function settleActivation(own: Surroundings, run: Run, succeeded: boolean): Promise<void> {
  const { namespace } = run
  const { target } = run.definition.spec
  const path = pathOf('Activation', namespace, target.name)
  const live = await own.api.get<Live>(path)
  // The target is gone, and its Runs go with it.
  if (!live || live.metadata.uid !== targetUidOf(run)) return
  const status = live.status ?? {}
  const activation = own.caches.get('Activation', namespace, target.name)
  const of = activation && rememberingOf(own, activation)
  const before = of ? await deliveredTo(own, of, run.name) : (status.baselines ?? [])
  const plan = (await own.plans.load(namespace, run.status.planDigest ?? ''))?.plan ?? null
  const memory = { ...status, baselines: before }
  const after = activationAfter(memory, recordOf(run), plan, succeeded, factsOf, own.clock.now())
  if (of) await rememberSettled(own, of, run.name, after.baselines ?? before)
  const patch = mergePatchOf(status as Readonly<Record<string, unknown>>, {
    ...after,
    ...(after.baselines && { baselines: fitting(after.baselines, plan) }),
  })
  const { uid, resourceVersion } = live.metadata
  if (patch) await own.api.patch(`${path}/status`, { metadata: { uid, resourceVersion }, status: patch }, 'merge')
  const delivered = (run.status.segments ?? []).some(({ manifest }) => manifest !== undefined)
  const destination = activation?.definition.spec.destinationRef.name
  if (delivered && destination !== undefined)
    await tell(own, 'Destination', namespace, destination, () => ({ lastDeliveredTime: timeText(own.clock.now()) }))

  function factsOf(segment: string): ReturnType<SegmentFacts> {
    const spec = own.caches.get('Segment', namespace, segment)?.definition.spec
    return spec ? { exitsOnDeletion: spec.deletionPolicy === 'ExportExits', displayName: spec.displayName } : null
  }
}

type Live = {
  readonly metadata: { readonly uid: string; readonly resourceVersion: string }
  readonly status?: Resource<'Activation'>['status']
}

const longestBaselines = 200

/** As many baselines as a status shows (the memory holds all): those of Segments that the Activation delivers now come first. */
function fitting(baselines: readonly Baseline[], plan: JobPlan | null): readonly Baseline[] {
  const delivered = new Set(plan?.export?.segments.map(({ name }) => name))
  const rankOf = ({ segment, exitsOnDeletion }: Baseline): number =>
    delivered.has(segment) ? 0 : exitsOnDeletion ? 1 : 2
  const ranked = [...baselines].sort((a, b) => rankOf(a) - rankOf(b)).slice(0, longestBaselines)
  return ranked.sort((a, b) => (a.segment < b.segment ? -1 : 1))
}

/**
 * Writes the fields that differ into a status, onto the version that was looked at. Nothing where the resource is gone, or is not
 * `expected` (uid).
 */
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
