import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commitJson } from '#jobs'

/** What `convoke run` remembers between runs, as the operator remembers it in statuses. */
export type WorkState = {
  readonly formatVersion: 1
  /** `Kind/namespace/name[/evaluation]` → scheduled time of the last run that succeeded. */
  readonly lastSlots: Readonly<Record<string, string>>
  /** `namespace/activation` → Segment → run whose delivered set is acknowledged. */
  readonly baselines: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Run → attempts made. */
  readonly attempts: Readonly<Record<string, number>>
}

const empty: WorkState = { formatVersion: 1, lastSlots: {}, baselines: {}, attempts: {} }

export type WorkDirectory = {
  readonly path: string
  readonly state: () => WorkState
  readonly update: (change: (state: WorkState) => WorkState) => void
}

/** Opens the work directory, making it where it is missing. Every update is on disk when it returns. */
export function openWorkDirectory(path: string): WorkDirectory {
  mkdirSync(path, { recursive: true })
  const file = join(path, 'state.json')
  let state: WorkState = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as WorkState) : empty // written below, from a WorkState
  return {
    path,
    state: () => state,
    update: (change) => {
      state = change(state)
      commitJson(file, state)
    },
  }
}
