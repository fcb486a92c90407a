/**
 * Totals of evaluations whose versions are no longer remembered: `membership/totals/YYYY-MM.ndjson`, one line for each evaluation of that
 * month. A line may stand there twice, where a run was killed between writing it and removing the version; it counts once.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { MembershipManifest } from './profile-store.ts'

/** One evaluation and the Segments that it evaluated; Segments carried over from the one before are left out. */
export type Evaluation = {
  readonly run: string
  readonly evaluation: 'Batch' | 'Streaming'
  /** RFC 3339. */
  readonly evaluatedAt: string
  readonly segments: readonly {
    readonly segment: string
    /** Digest of the definition; it differs from that of the evaluation before where the Segment was edited. */
    readonly digest: string
    readonly members: number
    readonly entered: number
    readonly exited: number
  }[]
}

export const totalsFolder = 'totals'

const dayMs = 86_400_000

/** Totals are kept this long. */
const totalsMs = 400 * dayMs

export function totalsOf({ run, evaluation, evaluatedAt, segments }: MembershipManifest): Evaluation {
  return {
    run,
    evaluation,
    evaluatedAt,
    segments: segments
      .filter((segment) => segment.evaluatedAt === evaluatedAt)
      .map(({ segment, digest, members, entered, exited }) => ({ segment, digest, members, entered, exited })),
  }
}

/** Writes down what versions say that are to be forgotten, and removes what is too old by now. */
export function keepTotals(root: string, forgotten: readonly MembershipManifest[], now: Date): void {
  const folder = join(root, 'membership', totalsFolder)
  const byMonth = Map.groupBy(forgotten, ({ evaluatedAt }) => evaluatedAt.slice(0, 7))
  if (byMonth.size > 0) mkdirSync(folder, { recursive: true })
  for (const [month, manifests] of byMonth) {
    const lines = manifests.map(({ version, ...manifest }) =>
      JSON.stringify({ version, ...totalsOf({ version, ...manifest }) }),
    )
    const file = openSync(join(folder, `${month}.ndjson`), 'a')
    try {
      writeSync(file, lines.map((line) => `${line}\n`).join(''))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }
  if (!existsSync(folder)) return
  // A month is gone when its last day is.
  const oldest = new Date(now.getTime() - totalsMs).toISOString().slice(0, 7)
  for (const name of readdirSync(folder)) if (name.slice(0, 7) < oldest) rmSync(join(folder, name), { force: true })
}

/** Totals that were written down of evaluations since an instant, oldest first. */
export function keptTotals(root: string, since: number): readonly Evaluation[] {
  const folder = join(root, 'membership', totalsFolder)
  if (!existsSync(folder)) return []
  const found = new Map<string, Evaluation>()
  const first = new Date(since).toISOString().slice(0, 7)
  for (const name of readdirSync(folder).sort()) {
    if (name.slice(0, 7) < first) continue
    for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) {
      const kept = parsed(line)
      if (kept && Date.parse(kept.evaluatedAt) >= since) found.set(kept.version, kept)
    }
  }
  return [...found.values()]
    .map(({ run, evaluation, evaluatedAt, segments }) => ({ run, evaluation, evaluatedAt, segments }))
    .sort((a, b) => Date.parse(a.evaluatedAt) - Date.parse(b.evaluatedAt))
}

/** The line as it was written; null for one that was cut off. */
function parsed(line: string): (Evaluation & { readonly version: string }) | null {
  if (!line.endsWith('}')) return null
  try {
    return JSON.parse(line) as Evaluation & { readonly version: string } // written by `keepTotals`
  } catch {
    return null
  }
}
