import { setTimeout as sleep } from 'node:timers/promises'
import { type Detail, detailMarker, type Pod, type Run, type RunReport, readReportLines, reportMarker } from '#crds'
import { exitCodes, type Io, UsageError } from '../command.ts'
import { type Cluster, pathOf } from '../kubernetes.ts'
import { painterOf } from '../paint.ts'
import { countWords, stepLine } from '../step-line.ts'
import { table } from '../table.ts'
import { badEndOf, logOf, podsOf, waitingFor } from './pods.ts'
import { conditionOf, isFinished } from './resources.ts'
import { runTables } from './screen.ts'

const pollMilliseconds = 500

export type LogsOptions = {
  /** The file for a page of the Run; null: no page. */
  readonly page: string | null
  /** null: all steps. */
  readonly step: RunReport['step'] | null
  readonly follow: boolean
  readonly tail: number | null
  readonly timestamps: boolean
  /** Whether the lines that hold a report are shown as they are. */
  readonly isRaw: boolean
  /** Whether only the reports are shown, as one JSON document. */
  readonly isDocument: boolean
}

type Step = NonNullable<NonNullable<Run['status']>['steps']>[number]

export type PodReport = {
  readonly step: string
  readonly job: string | null
  /** null where only the Run itself remembers the step. */
  readonly pod: string | null
  readonly report: RunReport | null
  readonly details: readonly Detail[]
}

/** Shows the logs of a Run's Pods, each once; when following, until the Run (or the step) is finished. */
export async function showLogs(cluster: Cluster, name: string, options: LogsOptions, io: Io): Promise<number> {
  const paint = painterOf(io)
  const found: PodReport[] = []
  const shown = new Set<string>()
  const said = new Set<string>()
  const out = (text: string): void => {
    if (!options.isDocument) io.out(text)
  }
  const sayOnce = (words: string): void => {
    if (!said.has(words)) io.err(`${words}\n`)
    said.add(words)
  }
  const showPod = async (step: Step, pod: Pod, run: Run): Promise<void> => {
    const lines = await logOf(cluster, pod, options, io.signal)
    if (lines === null) return sayOnce(`! The log of ${pod.metadata.name} is gone.`)
    out(`${paint.bold(`── ${step.name}`)} ${paint.dim(pod.metadata.name)}\n`)
    const report: string[] = []
    for await (const line of lines) {
      const bare = options.timestamps ? line.replace(/^\S+ /, '') : line
      const isReport = bare.startsWith(detailMarker) || bare.startsWith(reportMarker)
      if (isReport) report.push(bare)
      if (!isReport || options.isRaw) out(`${line}\n`)
    }
    const read = readReportLines(report.join('\n'))
    if (read) out(`\n${reportText(read.report, read.details, run)}\n\n`)
    const ended = await cluster.get<Pod>(`/api/v1/namespaces/${cluster.namespace}/pods/${pod.metadata.name}`)
    const badEnd = badEndOf(ended ?? pod)
    if (!read && badEnd !== null) out(`\n${paint.red(`✗ The Pod was ended without a report: ${badEnd}.`)}\n\n`)
    found.push({
      step: step.name,
      job: step.job ?? null,
      pod: pod.metadata.name,
      report: read?.report ?? null,
      details: read?.details ?? [],
    })
  }
  const showStep = async (step: Step, run: Run): Promise<void> => {
    const pods = step.job === undefined ? [] : await podsOf(cluster, step.job)
    for (const pod of pods) {
      if (shown.has(pod.metadata.name)) continue
      const waiting = waitingFor(pod)
      if (waiting !== null) {
        sayOnce(`· ${step.name}: ${pod.metadata.name} waits: ${waiting}`)
        continue
      }
      shown.add(pod.metadata.name)
      await showPod(step, pod, run)
    }
    const key = `${step.name}/${step.attempt}`
    if (pods.length > 0 || step.outcome === undefined || shown.has(key)) return
    shown.add(key)
    out(`${paint.bold(`── ${step.name}`)} ${paint.dim('its Pods are gone; the Run remembers:')}\n`)
    out(`${rememberedText(step, run)}\n\n`)
    found.push({ step: step.name, job: step.job ?? null, pod: null, report: null, details: [] })
  }
  try {
    while (true) {
      const run = await cluster.get<Run>(pathOf('Run', cluster.namespace, name))
      if (run === null) throw new UsageError(`The Run \`${name}\` was deleted.`)
      const all = run.status?.steps ?? []
      const steps = options.step === null ? all : all.filter((step) => step.name === options.step)
      for (const step of steps) await showStep(step, run)
      if (steps.length === 0) sayOnce(nothingYet(run, options))
      const isOver = isFinished(run) || (options.step !== null && steps.some(({ outcome }) => outcome !== undefined))
      if (options.follow && !isOver) {
        await sleep(pollMilliseconds, undefined, { signal: io.signal })
        continue
      }
      if (options.isDocument) io.out(`${JSON.stringify({ run: name, steps: found }, null, 2)}\n`)
      else if (found.some(({ pod }) => pod === null)) {
        const [, segments] = all.length > 0 ? runTables(run, io.now()) : []
        if (segments !== undefined) io.out(`${segments}\n`)
      }
      if (options.page !== null) {
        const [{ runPage }, { writeReport }] = await Promise.all([import('./run-page.ts'), import('../report-file.ts')])
        const reports = found.map(({ step, report, details }) => ({
          step,
          report: report && { ...report, details: [...details] },
        }))
        if (!writeReport(options.page, await runPage(cluster, run, reports, io), io)) return exitCodes.findings
      }
      return exitCodes.fine
    }
  } catch (error) {
    // The user interrupted.
    if (io.signal.aborted) return exitCodes.fine
    throw error
  }
}

function nothingYet(run: Run, { step }: LogsOptions): string {
  const names = (run.status?.steps ?? []).map(({ name }) => name)
  if (names.length > 0)
    return `· The Run has no step ${step}${isFinished(run) ? '' : ' yet'}; it has ${names.join(', ')}.`
  const succeeded = conditionOf(run, 'succeeded')
  const words = [succeeded?.reason, succeeded?.message].filter(Boolean).join(': ')
  return `· The Run has not started a step${words === '' ? '; the operator has not taken it up yet' : `. ${words}`}`
}

/** A step's report for people: the line of `convoke run`, its notes, and a row for each detail. */
function reportText(report: RunReport, details: readonly Detail[], run: Run): string {
  const { step, outcome, totals, startedAt, finishedAt, warnings = [], error } = report
  const seconds = (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000
  const line = stepLine({ step, outcome, target: run.spec.target.name, seconds, totals, error: error?.message ?? null })
  return [
    line,
    ...warnings.map(({ message }) => `! ${message}`),
    ...(details.length > 0 ? ['', detailTable(details)] : []),
  ].join('\n')
}

function rememberedText(
  { name, outcome, totals = {}, startedAt, finishedAt, reason, message, reportPath }: Step,
  run: Run,
) {
  const seconds = (Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '')) / 1000 || 0
  const error = outcome === 'Failed' ? [reason, message].filter(Boolean).join(': ') : null
  const line = stepLine({
    step: name,
    outcome: outcome ?? 'Failed',
    target: run.spec.target.name,
    seconds,
    totals,
    error,
  })
  return reportPath === undefined ? line : `${line}\n  The whole report: ${reportPath}`
}

/** A row for each detail of a report, with a column for everything that any detail tells. */
export function detailTable(details: readonly Detail[]): string {
  const subjects = { dataset: 'Dataset', table: 'table', segment: 'Segment', file: 'file' } as const
  const present = (Object.keys(subjects) as (keyof typeof subjects)[]).filter((key) =>
    details.some((detail) => detail[key] !== undefined),
  )
  const counts = [...new Set(details.flatMap((detail) => Object.keys(detail.counts ?? {})))]
  const columns: readonly (readonly [header: string, cell: (detail: Detail) => string | number | null])[] = [
    ...present.map((key) => [subjects[key], (detail: Detail) => detail[key] ?? null] as const),
    ...(['members', 'entered', 'realized', 'exited'] as const).map(
      (key) => [key, (detail: Detail) => detail[key] ?? null] as const,
    ),
    ['rows', ({ files }) => (files === undefined ? null : files.reduce((sum, { rows }) => sum + rows, 0))],
    ...counts.map(
      (key) => [countWords({ [key]: 1 }).slice(2), (detail: Detail) => detail.counts?.[key] ?? null] as const,
    ),
    [
      'files',
      ({ files = [] }) =>
        files.length === 0 ? null : `${files[0]!.name}${files.length > 1 ? ` +${files.length - 1}` : ''}`,
    ],
    ['held', ({ held }) => held ?? null],
  ]
  const told = columns.filter(([, cell]) => details.some((detail) => cell(detail) !== null))
  return table(
    told.map(([header]) => header),
    details.map((detail) => told.map(([, cell]) => cell(detail))),
  )
}
