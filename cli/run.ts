import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Compilation, latestSlot, type Scheduled, schedulesOf } from '#compiler'
import { type JobPlan, type RunInput, type RunReport, runNameOf } from '#crds'
import { steps } from '#jobs'
import type { CampaignDatabases } from './campaign-databases.ts'
import type { Io } from './command.ts'
import { rfc3339 } from './instants.ts'
import { type Places, portsFor } from './ports.ts'
import type { ProgressLine } from './progress.ts'
import { stepLine } from './step-line.ts'
import type { WorkDirectory } from './work-directory.ts'

export type RunOutcome = {
  readonly run: string
  readonly target: JobPlan['target']
  readonly evaluation: 'Batch' | 'Streaming' | null
  readonly scheduledTime: string
  readonly steps: readonly RunReport[]
  readonly seconds: number
}

/** One thing that is due: a target's plan and the slot it is run for. */
type Due = Scheduled & { readonly plan: JobPlan; readonly slot: Date; readonly key: string }

/**
 * Everything that is due at an instant, in one process: each CampaignSource's extract, each ProfileStore's ingest and evaluate, then each
 * Activation's export and import. A failed run is reported and the others go on; its slot stays due.
 */
export async function runDue(
  compilation: Compilation,
  at: Date,
  work: WorkDirectory,
  places: Places,
  databases: CampaignDatabases,
  io: Io,
  line: ProgressLine,
): Promise<RunOutcome[]> {
  const due = dueAt(compilation, at, work)
  const outcomes: RunOutcome[] = []
  const finish = (item: Due, reports: readonly RunReport[], started: number): void => {
    outcomes.push({
      run: runName(item),
      target: item.plan.target,
      evaluation: item.evaluation,
      scheduledTime: rfc3339(item.slot),
      steps: reports,
      seconds: (io.now().getTime() - started) / 1000,
    })
    if (reports.some((report) => report.outcome === 'Failed')) return
    // A batch evaluation covers every Segment: what a streaming one would have done up to now is done.
    const covered = item.evaluation === 'Batch' ? { [item.key.replace(/Batch$/, 'Streaming')]: rfc3339(at) } : {}
    work.update((state) => ({
      ...state,
      lastSlots: { ...state.lastSlots, [item.key]: rfc3339(item.slot), ...covered },
    }))
  }
  try {
    using ports = portsFor(
      { ...places, databases: databases.urls, scratchParent: join(work.path, 'scratch') },
      io,
      line.show,
    )
    const step = async (name: RunReport['step'], item: Due, input: RunInput): Promise<RunReport> => {
      const started = io.now().getTime()
      const report = await steps[name]({ plan: item.plan, input, ports })
      line.say(
        stepLine({
          ...report,
          target: item.plan.target.name,
          seconds: (io.now().getTime() - started) / 1000,
          error: report.error?.message ?? null,
        }),
      )
      return report
    }
    const stores = due.filter((item) => item.plan.evaluate)
    const sources = due.filter((item) => item.plan.extract)
    const activations = due.filter((item) => item.plan.export)
    // Logs first: the ingest that follows takes them in, and the evaluation after it sees them.
    for (const item of sources) {
      const started = io.now().getTime()
      await databases.open([item.plan])
      finish(item, [await step('extract', item, inputOf(item, at, work))], started)
    }
    for (const item of stores) {
      const started = io.now().getTime()
      const input = inputOf(item, at, work)
      const reports = [await step('ingest', item, input)]
      if (reports[0]!.outcome !== 'Failed') reports.push(await step('evaluate', item, input))
      finish(item, reports, started)
    }
    for (const item of activations) {
      const started = io.now().getTime()
      const baselines = work.state().baselines[baselineKey(item)] ?? {}
      const input: RunInput = { ...inputOf(item, at, work), baselines: { ...baselines } }
      const reports = [await step('export', item, input)]
      if (item.plan.import && reports[0]!.outcome !== 'Failed') {
        await databases.open([item.plan])
        reports.push(await step('import', item, input))
      }
      if (reports.at(-1)!.outcome !== 'Failed') acknowledge(item, reports[0]!, work)
      finish(item, reports, started)
    }
  } finally {
    line.clear()
  }
  return outcomes
}

/** Due is each resource's latest slot up to `at` that this work directory has not run yet. */
function dueAt(compilation: Compilation, at: Date, work: WorkDirectory): Due[] {
  const { lastSlots } = work.state()
  const due = schedulesOf(compilation.model).flatMap((scheduled): Due[] => {
    const { resource, schedule, evaluation } = scheduled
    const plan = compilation.plans.find(
      (candidate) =>
        candidate.target.kind === resource.kind &&
        candidate.target.namespace === resource.namespace &&
        candidate.target.name === resource.name,
    )
    const slot = latestSlot(schedule, at)
    const key = [resource.kind, resource.namespace, resource.name, ...(evaluation ? [evaluation] : [])].join('/')
    const last = lastSlots[key]
    if (!plan || !slot || (last !== undefined && new Date(last) >= slot)) return []
    return [{ ...scheduled, plan, slot, key }]
  })
  // A batch evaluation covers every Segment, so a streaming one at the same instant has nothing to add.
  return due.filter(
    (item) =>
      item.evaluation !== 'Streaming' ||
      (!due.some((other) => other.evaluation === 'Batch' && other.resource === item.resource) &&
        item.plan.evaluate?.streaming !== undefined),
  )
}

function runName({ plan, slot, evaluation }: Due): string {
  return runNameOf({ kind: plan.target.kind, name: plan.target.name, evaluation, slot })
}

function inputOf(item: Due, at: Date, work: WorkDirectory): RunInput {
  const run = runName(item)
  const attempt = (work.state().attempts[run] ?? 0) + 1
  work.update((state) => ({ ...state, attempts: { ...state.attempts, [run]: attempt } }))
  const input: RunInput = {
    run,
    attempt,
    scheduledTime: rfc3339(item.slot),
    now: rfc3339(at),
    trigger: attempt > 1 ? 'Retry' : 'Schedule',
    ...(item.evaluation ? { evaluation: item.evaluation } : {}),
  }
  // What a job was given lies beside the work, for whoever wants to repeat one step by hand.
  const folder = join(work.path, 'runs', run)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'plan.json'), `${JSON.stringify(item.plan, null, 2)}\n`)
  writeFileSync(
    join(folder, 'run.json'),
    `${JSON.stringify({ ...input, ...(item.plan.export ? { baselines: work.state().baselines[baselineKey(item)] ?? {} } : {}) }, null, 2)}\n`,
  )
  return input
}

function baselineKey(item: Due): string {
  return `${item.plan.target.namespace}/${item.plan.target.name}`
}

/** What was delivered and, where there is a database, imported is what later increments count from. */
function acknowledge(item: Due, exported: RunReport, work: WorkDirectory): void {
  const delivered = (exported.details ?? []).flatMap((detail) =>
    detail.segment !== undefined && detail.manifest !== undefined ? [detail.segment] : [],
  )
  if (delivered.length === 0) return
  const key = baselineKey(item)
  work.update((state) => ({
    ...state,
    baselines: {
      ...state.baselines,
      [key]: { ...state.baselines[key], ...Object.fromEntries(delivered.map((segment) => [segment, exported.run])) },
    },
  }))
}
