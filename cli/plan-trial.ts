import type { ChangePlan, Compilation } from '#compiler'
import type { JobPlan, RunInput } from '#crds'
import { countRecipients, openStore, openTrial, overlapOf, type Ports, type Trial } from '#jobs'
import type { AudienceCount, ExpectedDelivery, PlanWarning } from '#views'

/** A store's plan after the change, as `after.plans` has it. */
export type StoreJob = JobPlan & {
  readonly store: NonNullable<JobPlan['store']>
  readonly evaluate: NonNullable<JobPlan['evaluate']>
}

export type Tried = {
  readonly warnings: readonly PlanWarning[]
  readonly expected: readonly Omit<ExpectedDelivery, 'at'>[]
  readonly gaps: readonly string[]
}

type Asked = {
  readonly job: StoreJob
  readonly after: Compilation
  readonly at: Date
  readonly ports: Ports
  /** The Run whose delivered set is acknowledged, by Segment, of an Activation. */
  readonly baselinesOf: (target: JobPlan['target']) => Readonly<Record<string, string>>
}

/** Whether the change gives the store other data. */
export function isChanged({ changedStores }: ChangePlan, { target }: JobPlan): boolean {
  return changedStores.some(({ namespace, name }) => namespace === target.namespace && name === target.name)
}

/** Opens a trial of the store; where the change gives it other data, they are taken in there first, which says what is amiss with them. */
export async function trialOf(
  { job, at, ports }: Asked,
  takesIn: boolean,
): Promise<{ readonly trial: Trial; readonly warnings: readonly PlanWarning[]; readonly gaps: readonly string[] }> {
  const trial = openTrial(job.store, ports)
  if (!takesIn) return { trial, warnings: [], gaps: [] }
  const report = await trial.run('ingest', job, inputOf(at, 'Batch'))
  const { name } = job.store
  return {
    trial,
    warnings: (report.warnings ?? []).map(({ code = '', message }) => ({
      namespace: job.target.namespace,
      store: name,
      code,
      message,
    })),
    gaps: report.error ? [`The data of ${name} were not taken in as they would be: ${report.error.message}`] : [],
  }
}

/** Evaluates everything in the trial, for what only whole memberships show; null, with the reason, where that fails. */
export async function evaluated({ job, at }: Asked, trial: Trial): Promise<string | null> {
  const report = await trial.run('evaluate', job, inputOf(at, 'Batch'))
  return report.error ? `${job.store.name} was not evaluated for trial: ${report.error.message}` : null
}

/** The counts, each with the other Segments that most of its members are in as well. */
export async function withOverlaps(counts: readonly AudienceCount[], trial: Trial): Promise<AudienceCount[]> {
  await using open = await openStore(trial.store, trial.ports)
  const names = (open.membership?.segments ?? []).map(({ segment }) => segment)
  if (names.length < 2 || names.length > mostCompared) return [...counts]
  const { segments, shared } = await overlapOf(open, names)
  return counts.map((count) => {
    const row = shared[segments.indexOf(count.segment)]
    if (!row) return count
    const overlaps = segments
      .map((segment, index) => ({ segment, people: row[index] ?? 0 }))
      .filter(({ segment, people }) => segment !== count.segment && people > 0)
      .sort((a, b) => b.people - a.people)
      .slice(0, 3)
    return { ...count, overlaps }
  })
}

/** How many Segments of a store are compared with one another at most. */
const mostCompared = 300

/** What the next deliveries of the store's Activations hold: they are made in the trial, and sent to nobody. */
export async function deliveriesOf(asked: Asked, trial: Trial): Promise<Pick<Tried, 'expected' | 'gaps'>> {
  const { job, after, at, ports, baselinesOf } = asked
  const expected: Omit<ExpectedDelivery, 'at'>[] = []
  const gaps: string[] = []
  for (const plan of after.plans) {
    const { export: exported, target, import: into, store } = plan
    if (!exported || target.namespace !== job.target.namespace || store?.name !== job.store.name) continue
    const report = await trial.run('export', plan, { ...inputOf(at, null), baselines: { ...baselinesOf(target) } })
    if (report.error) gaps.push(`What ${target.name} would deliver is not known: ${report.error.message}`)
    for (const detail of report.details ?? []) {
      const { segment, files = [], realized = 0, exited = 0, backfill, counts, held, members } = detail
      if (segment === undefined || members === undefined) continue
      const isSent = files.length > 0
      const key = exported.columns.find(({ deduplicationKey }) => deduplicationKey)
      const asksCampaign = into && key && isSent && ports.database(into.instance) !== null
      const keys = asksCampaign ? await trial.valuesIn(report, segment, exported, key.target) : []
      expected.push({
        namespace: target.namespace,
        activation: target.name,
        segment,
        files: files.map(({ name, rows, bytes }) => ({ name, rows, bytes })),
        realized: isSent ? realized : 0,
        exited: isSent ? exited : 0,
        isFirst: backfill === true,
        leftOut:
          (counts?.['missingMandatory'] ?? 0) + (counts?.['duplicateKey'] ?? 0) + (counts?.['withoutConsent'] ?? 0),
        rejects: asksCampaign ? (await countRecipients(into, key.target, keys, ports)).unknown : null,
        held: held ?? null,
      })
    }
  }
  return { expected, gaps }
}

function inputOf(at: Date, evaluation: 'Batch' | null): RunInput {
  const now = at.toISOString()
  return {
    run: 'plan-trial',
    scheduledTime: now,
    now,
    trigger: 'Manual',
    ...(evaluation && { evaluation }),
  }
}
