import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Detail,
  type FaultReason,
  faultReasons,
  isWhole,
  type JobPlan,
  type RunInput,
  type RunReport,
  validatorOf,
} from '#crds'
import { digestOf } from './digest.ts'
import { interrupted, JobError } from './errors.ts'
import type { Ports } from './ports.ts'
import { commitJson, storeRootOf } from './profile-store.ts'
import { wayBack } from './store-files.ts'
import { refuseNewer } from './store-format.ts'

export type StepContext = { readonly plan: JobPlan; readonly input: RunInput; readonly ports: Ports }

/** What a step has done. With `fault`, part of the work failed, but the rest is committed and worth reporting. */
export type StepResult = {
  readonly totals: RunReport['totals']
  readonly details: readonly Detail[]
  readonly warnings?: NonNullable<RunReport['warnings']>
  /** Absent: Succeeded; with a fault: Failed. */
  readonly outcome?: RunReport['outcome']
  readonly fault?: JobError
}

/**
 * Runs one attempt of one step. Never rejects: whatever the work throws becomes the report's error. The full report is written to the
 * store at `reports/<run>/<step>-<attempt>.json`; a report without `reportPath` could not be written there.
 */
export async function runStep(
  step: RunReport['step'],
  { plan, input, ports }: StepContext,
  work: () => Promise<StepResult>,
): Promise<RunReport> {
  const startedAt = ports.now().toISOString()
  const attempt = input.attempt ?? 1
  const result = await work().catch((error: unknown) => ({ ...nothingDone, fault: faultOf(error) }))
  const { totals, details, warnings, outcome } = result
  // Work that is broken off fails in all sorts of ways.
  const fault = result.fault && ports.signal.aborted ? interrupted(result.fault) : result.fault
  const report: RunReport = {
    step,
    run: input.run,
    attempt,
    outcome: outcome ?? (fault ? 'Failed' : 'Succeeded'),
    startedAt,
    finishedAt: ports.now().toISOString(),
    totals,
    reportDigest: digestOf(details),
    details: [...details],
    ...(warnings && warnings.length > 0 ? { warnings } : {}),
    ...(fault
      ? { error: { reason: fault.reason, message: fault.message, retryable: faultReasons[fault.reason].retryable } }
      : {}),
  }
  return written(report, { plan, input, ports })
}

const nothingDone: StepResult = { totals: {}, details: [] }

/** Sorts whatever a step threw into a JobError; an error that nobody foresaw is our own fault (InternalError). */
export function faultOf(error: unknown): JobError {
  if (error instanceof JobError) return error
  const text = error instanceof Error ? error.message : String(error)
  const known = surroundings.find(({ pattern }) => pattern.test(text))
  if (known) return new JobError(known.reason, `${known.advice} (${firstLine(text)})`, error)
  const place = error instanceof Error ? (error.stack?.split('\n')[1]?.trim() ?? '') : ''
  return new JobError(
    'InternalError',
    `A fault in convoke, please report it: ${firstLine(text)} ${place}`.trim(),
    error,
  )
}

const damagedParquet =
  /Failed to read file .*\.parquet|No magic bytes found|too small to be a Parquet file|Corrupt(?:ed)? (?:file|crypto)|Corrupted file|Decompression failure|Out of buffer|encoding found in Parquet file|TProtocolException|Payload value bigger than allowed|page header/i

const surroundings: readonly { readonly pattern: RegExp; readonly reason: FaultReason; readonly advice: string }[] = [
  {
    // DuckDB reports a full temporary folder as a failed allocation, so this row comes first.
    pattern: /ENOSPC|EDQUOT|[Nn]o space left|max_temp_directory_size|[Dd]isk quota/,
    reason: 'DiskFull',
    advice: 'The disk is full; nothing was committed. Enlarge the volume or free space in it, then run the step again.',
  },
  {
    pattern: damagedParquet,
    reason: 'DamagedStore',
    advice: `A file of the store is damaged. Nothing was changed or delivered. ${wayBack}`,
  },
  {
    pattern: /Out of Memory Error|could not allocate|std::bad_alloc|Array buffer allocation failed/i,
    reason: 'OutOfMemory',
    advice: 'The memory limit is too low for this step; raise engine.duckDB.memoryLimit of the ProfileStore.',
  },
  {
    pattern: /ENOENT.*mkdir|EROFS|EACCES|EPERM|ESTALE|EIO|Read-only file system|Permission denied/,
    reason: 'MissingVolume',
    advice: 'A volume cannot be read or written; check its mount, its access mode and fsGroup.',
  },
]

function firstLine(text: string): string {
  return text.split('\n')[0]?.slice(0, 300) ?? ''
}

/** The report with the path where it lies in the store; unchanged where the store cannot be written, since its fault says that already. */
function written(report: RunReport, { plan, input, ports }: StepContext): RunReport {
  if (!plan.store) return report
  const reportPath = reportPathOf(report.step, input)
  try {
    const root = storeRootOf(plan.store, ports)
    refuseNewer(root)
    const full = { ...report, reportPath }
    commitJson(join(root, reportPath), full)
    return full
  } catch {
    return report
  }
}

/** What an attempt of a step has reported. Throws JobError MissingReport where the store lacks the report, or it is not complete. */
export function storedReport(step: RunReport['step'], { plan, input, ports }: StepContext): RunReport {
  const path = reportPathOf(step, input)
  const missing = (why: string) =>
    new JobError('MissingReport', `The store has no report of this attempt: ${why}. Run the step again to get one.`)
  if (!plan.store) throw missing('the plan names no ProfileStore')
  const full = join(storeRootOf(plan.store, ports), path)
  if (!existsSync(full)) throw missing(`there is no ${path}`)
  let value: unknown
  try {
    value = JSON.parse(readFileSync(full, 'utf8'))
  } catch (error) {
    throw missing(`${path} cannot be read (${error instanceof Error ? error.message : String(error)})`)
  }
  if (validatorOf('RunReport')(value).length > 0) throw missing(`${path} is no report`)
  const report = value as RunReport // as validated above
  if (!isWhole(report, report.details ?? [])) throw missing(`${path} is not what its digest says`)
  return report
}

function reportPathOf(step: RunReport['step'], { run, attempt = 1 }: RunInput): string {
  return `reports/${run}/${step}-${attempt}.json`
}
