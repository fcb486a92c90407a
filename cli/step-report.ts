import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  digestOf,
  type FaultReason,
  faultReasons,
  type JobPlan,
  type RunInput,
  type RunReport,
  reportLinesOf,
  terminationMessageOf,
} from '#crds'
import { exitCodes, type Io, UsageError } from './command.ts'

/** Which attempt of which step this process runs, and where its Pod's termination message goes (null outside of Pods). */
export type Attempt = {
  readonly step: RunReport['step']
  readonly input: RunInput
  readonly terminationLog: string | null
}

/** How long a process that was asked to stop may take to end in order. No step needs this: each may be killed at any instant. */
const graceMs = 1_500

/**
 * The report of the work, or of what kept it from being done. In a Pod nobody reads standard error, so even an unreadable plan becomes a
 * report there; elsewhere it is thrown. What the work opens in `open` is closed at the end, even where the work is not waited for.
 */
export async function attempted(
  { step, input, terminationLog }: Attempt,
  io: Io,
  work: (open: DisposableStack) => Promise<RunReport>,
): Promise<RunReport> {
  using open = new DisposableStack()
  const startedAt = io.now().toISOString()
  const failed = (reason: FaultReason, message: string, retryable: boolean): RunReport => ({
    step,
    run: input.run,
    attempt: input.attempt ?? 1,
    outcome: 'Failed',
    startedAt,
    finishedAt: io.now().toISOString(),
    totals: {},
    reportDigest: digestOf([]),
    details: [],
    error: { reason, message, retryable },
  })
  const ended = new AbortController()
  const stopped = async (): Promise<RunReport> => {
    const signal = AbortSignal.any([io.signal, ended.signal])
    if (!signal.aborted) await new Promise((asked) => signal.addEventListener('abort', asked, { once: true }))
    await sleep(graceMs, null, { signal: ended.signal })
    return failed('Interrupted', 'The process was asked to stop; the same step can be run again.', true)
  }
  try {
    return await Promise.race([work(open), stopped()])
  } catch (error) {
    if (error instanceof UsageError && terminationLog !== null) return failed('InvalidPlan', error.message, false)
    const { JobError } = await import('#jobs')
    if (error instanceof JobError) return failed(error.reason, error.message, faultReasons[error.reason].retryable)
    if (terminationLog === null || error instanceof UsageError) throw error
    const said = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return failed('InternalError', `A fault in convoke, please report it: ${said}`, false)
  } finally {
    ended.abort()
  }
}

/** The namespace of this process's Pod; null outside of Pods. */
export function namespaceOf({ terminationLog }: Attempt, plan: JobPlan): string | null {
  return terminationLog === null ? null : plan.target.namespace
}

/** Prints a report: as a document, or where the operator looks for it. */
export function printed(report: RunReport, attempt: Attempt, io: Io): void {
  if (attempt.terminationLog !== null) inLines(report, attempt, io)
  else {
    if (report.error) io.err(`convoke ${report.step}: ${report.error.message}\n`)
    io.out(`${JSON.stringify(report, null, 2)}\n`)
  }
}

/** Prints a report as the last lines of a log, and writes the Pod's termination message. */
export function inLines(report: RunReport, { terminationLog }: Attempt, io: Io): void {
  if (report.error) io.err(`convoke ${report.step}: ${report.error.message}\n`)
  try {
    if (terminationLog !== null) writeFileSync(resolve(io.cwd, terminationLog), terminationMessageOf(report))
  } catch (error) {
    io.err(
      `convoke: \`${terminationLog}\` cannot be written: ${error instanceof Error ? error.message : String(error)}. The report stands in the log.\n`,
    )
  }
  for (const line of reportLinesOf(report)) io.out(`${line}\n`)
}

export function exitCodeOf({ outcome, error }: RunReport): number {
  if (outcome !== 'Failed') return exitCodes.fine
  return error?.retryable === false ? exitCodes.final : exitCodes.findings
}
