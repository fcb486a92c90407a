import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commitJson, JobError, lockFolder } from '#jobs'
import type { ActivationMemory, Baseline, Condition, RunRecord, SlotMemory, SourceMemory, StoreMemory } from '#protocol'
import { UsageError } from './command.ts'

/** What `convoke run` remembers between runs, as the operator does in statuses. */
export type WorkState = {
  readonly formatVersion: typeof formatVersion
  /** The latest instant (`--at`) at which somebody asked what is due; null before the first. RFC 3339. */
  readonly lookedAt: string | null
  readonly targets: Readonly<Record<TargetKey, TargetState>>
  /** Runs that are not finished, and as many finished ones as `historyLimits` says; by `namespace/name`. */
  readonly runs: Readonly<Record<string, RunRecord>>
  /** Each Segment's latest activation and its Run, from which the shortest interval counts; by `namespace/CampaignInstance/Segment`. */
  readonly activated: Readonly<Record<string, { readonly run: string; readonly time: string }>>
}

/** `Activation/default/offers` */
export type TargetKey = `${RunRecord['spec']['target']['kind']}/${string}/${string}`

export type TargetState = SlotMemory &
  StoreMemory &
  SourceMemory &
  ActivationMemory & {
    /** For ProfileStores: whether the data is as expected. */
    readonly conditions?: readonly Condition[]
    /** For Activations: the Run that began last, and what Campaign was known to have then. */
    readonly begun?: { readonly run: string; readonly baselines: readonly Baseline[] }
    /** The slot that is due and may not begin yet. */
    readonly waitsFor?: string
    /** The same as the annotations with these names, for people who do not want to edit a file. */
    readonly approve?: string
    readonly requestedAt?: string
    readonly lastHandledApprove?: string
    readonly lastHandledRequestedAt?: string
  }

const formatVersion = 2
const empty: WorkState = { formatVersion, lookedAt: null, targets: {}, runs: {}, activated: {} }

export type WorkDirectory = Disposable & {
  readonly path: string
  readonly state: () => WorkState
  readonly update: (change: (state: WorkState) => WorkState) => void
}

/**
 * Opens the work directory for this process alone, until it is disposed of; makes it where it is missing. Every update is on disk when it
 * returns. Throws UsageError where another process works in it, or where its memory cannot be read.
 */
export function openWorkDirectory(path: string, now: () => Date): WorkDirectory {
  mkdirSync(path, { recursive: true })
  const lock = locked(path, now)
  const file = join(path, 'state.json')
  let state: WorkState
  try {
    state = readWorkState(path)
  } catch (error) {
    lock[Symbol.dispose]()
    throw error
  }
  return {
    path,
    state: () => state,
    update: (change) => {
      state = change(state)
      commitJson(file, state)
    },
    [Symbol.dispose]: () => lock[Symbol.dispose](),
  }
}

/** What a work directory remembers, for a look only: others may go on working in it. */
export function readWorkState(path: string): WorkState {
  const file = join(path, 'state.json')
  try {
    return existsSync(file) ? stateOf(JSON.parse(readFileSync(file, 'utf8')), file) : empty
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw damaged(file, error)
  }
}

function damaged(file: string, error: unknown): UsageError {
  return new UsageError(
    `\`${file}\` is damaged (${error instanceof Error ? error.message : String(error)}): it remembers what was delivered. Put back a copy of it, or begin with another --workdir, where the first files are backfills.`,
  )
}

/** What Campaign is known to have of an Activation: the Run whose delivered set was acknowledged, by Segment. */
export function baselinesOf(
  { state }: Pick<WorkDirectory, 'state'>,
  namespace: string,
  activation: string,
): Readonly<Record<string, string>> {
  const { baselines = [] } = state().targets[`Activation/${namespace}/${activation}`] ?? {}
  return Object.fromEntries(baselines.flatMap(({ segment, run, uncertain }) => (uncertain ? [] : [[segment, run]])))
}

function locked(path: string, now: () => Date): Disposable {
  try {
    return lockFolder(path, 'run.lock', { now })
  } catch (error) {
    if (!(error instanceof JobError && error.reason === 'StoreBusy')) throw error
    throw new UsageError(`Another \`convoke run\` works in \`${path}\`. Wait for it to end, or give another --workdir.`)
  }
}

/** How each earlier form becomes the next. */
const migrations: Readonly<Record<number, (state: never) => object>> = { 1: withRuns }

function stateOf(value: unknown, file: string): WorkState {
  let state = value as { readonly formatVersion?: unknown }
  const { formatVersion: found } = state
  if (typeof found !== 'number') throw new Error('it has no formatVersion')
  if (found > formatVersion)
    throw new UsageError(
      `\`${file}\` was written by a later version of Convoke (format ${found}, this one knows ${formatVersion}). Use that version, or another --workdir.`,
    )
  for (let version = found; version < formatVersion; version += 1) state = migrations[version]!(state as never)
  return state as WorkState // written by `update`, or migrated
}

type FormatOne = {
  /** Scheduled time of the last run that succeeded, by `Kind/namespace/name[/evaluation]`. */
  readonly lastSlots: Readonly<Record<string, string>>
  /** The run whose delivered set is acknowledged, by `namespace/activation` and Segment. */
  readonly baselines: Readonly<Record<string, Readonly<Record<string, string>>>>
}

function withRuns({ lastSlots, baselines }: FormatOne): WorkState {
  const targets: Record<string, TargetState> = {}
  const add = (key: string, memory: TargetState): void => void (targets[key] = { ...targets[key], ...memory })
  for (const [place, time] of Object.entries(lastSlots)) {
    const [kind, namespace, name, evaluation] = place.split('/')
    const fields =
      evaluation === 'Batch'
        ? { lastBatchTime: time, lastSuccessfulBatchTime: time }
        : evaluation === 'Streaming'
          ? { lastStreamingTime: time }
          : { lastScheduledTime: time, lastSuccessfulTime: time }
    add(`${kind}/${namespace}/${name}`, fields)
  }
  for (const [activation, runs] of Object.entries(baselines)) {
    const known = Object.entries(runs).map(([segment, run]): Baseline => {
      const acknowledgedAt = targets[`Activation/${activation}`]?.lastScheduledTime ?? '1970-01-01T00:00:00Z'
      return { segment, run, acknowledgedAt }
    })
    add(`Activation/${activation}`, { baselines: known.sort((a, b) => (a.segment < b.segment ? -1 : 1)) })
  }
  return { ...empty, targets }
}
