// What a target remembers of its Runs: status fields in a cluster, `state.json` on a laptop.
import type { ActivationStatus, CampaignSourceStatus, JobPlan, ProfileStoreStatus } from '#crds'
import { type Baseline, baselinesAfter, type SegmentFacts } from './deliveries.ts'
import type { RunRecord } from './record.ts'

export type StoreMemory = Pick<ProfileStoreStatus, 'evaluatedAt' | 'profiles' | 'events' | 'lastSuccessfulBatchTime'>
export type SourceMemory = Pick<CampaignSourceStatus, 'lastSuccessfulTime' | 'rows'>
export type ActivationMemory = Pick<ActivationStatus, 'lastActivatedTime' | 'lastSuccessfulTime' | 'withoutConsent'> & {
  readonly baselines?: readonly Baseline[] | undefined
}

/** What a ProfileStore remembers after a Run that succeeded. */
export function storeAfter({ lastSuccessfulBatchTime: before }: StoreMemory, { spec, status }: RunRecord): StoreMemory {
  const totals = status.steps?.find(({ name }) => name === 'ingest')?.totals ?? {}
  const isDaily = spec.evaluation !== 'Streaming' && spec.trigger !== 'Manual'
  return defined({
    evaluatedAt: status.now,
    profiles: totals['profiles'],
    events: totals['events'],
    // A Run by hand for another time is not the daily evaluation that Activations wait for.
    ...(isDaily && { lastSuccessfulBatchTime: later(spec.scheduledTime, before) }),
  })
}

/** What a CampaignSource remembers after a Run that succeeded. */
export function sourceAfter({ lastSuccessfulTime: before }: SourceMemory, { spec, status }: RunRecord): SourceMemory {
  const rows = status.steps?.find(({ name }) => name === 'extract')?.totals?.['rowsRead']
  return defined({ lastSuccessfulTime: later(spec.scheduledTime, before), rows })
}

/**
 * What an Activation remembers after a Run that has begun, however it ended. `plan: null`: the plan is gone, and the baselines stay as
 * they were.
 */
export function activationAfter(
  before: ActivationMemory,
  run: RunRecord,
  plan: JobPlan | null,
  succeeded: boolean,
  factsOf: SegmentFacts,
  nowMs: number,
): ActivationMemory {
  const { withoutConsent } = run.status.steps?.find(({ name }) => name === 'export')?.totals ?? {}
  return defined({
    ...(plan && { baselines: baselinesAfter(before.baselines ?? [], run, plan, factsOf, nowMs) }),
    lastActivatedTime: later(run.status.activatedTime, before.lastActivatedTime),
    ...(succeeded && { lastSuccessfulTime: later(run.spec.scheduledTime, before.lastSuccessfulTime) }),
    // A status field is not taken away: after a Run without consent it is 0.
    ...(succeeded && { withoutConsent: withoutConsent ?? (before.withoutConsent === undefined ? undefined : 0) }),
  })
}

/** The later of two times: remembered times never go back, whichever Run finishes last. */
function later(time: string | undefined, before: string | undefined): string | undefined {
  return before !== undefined && (time === undefined || Date.parse(before) > Date.parse(time)) ? before : time
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>
}
