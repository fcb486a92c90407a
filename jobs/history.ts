import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunnableKind, type RunReport, runNameOf, type StorePlan, validatorOf } from '#crds'
import type { Ports } from './ports.ts'
import { type MembershipManifest, readMembershipManifest, readMembershipVersion, storeRootOf } from './profile-store.ts'
import { type Evaluation, keptTotals, totalsOf } from './totals.ts'

/**
 * The evaluations that the store remembers, oldest first: those of the last days before the newest, at most `most` of them, since each is
 * a file to read. Of versions that are gone, what was written down is read. Empty for a store that was never evaluated.
 */
export function evaluationsOf(
  store: Pick<StorePlan, 'volume'>,
  { days, most = 1000 }: { readonly days: number; readonly most?: number },
  ports: Pick<Ports, 'claim'>,
): readonly Evaluation[] {
  const root = storeRootOf(store, ports)
  const newest = readMembershipManifest(root)
  if (newest === null) return []
  const since = Date.parse(newest.evaluatedAt) - days * 86_400_000
  const found: Evaluation[] = []
  let manifest: MembershipManifest | null = newest
  for (; manifest !== null && found.length < most && Date.parse(manifest.evaluatedAt) >= since; ) {
    found.unshift(totalsOf(manifest))
    manifest = manifest.previous === null ? null : readMembershipVersion(root, manifest.previous)
  }
  if (manifest !== null || found.length >= most) return found
  const seen = new Set(found.map(({ run, evaluatedAt }) => `${run} ${evaluatedAt}`))
  const earlier = keptTotals(root, since).filter(({ run, evaluatedAt }) => !seen.has(`${run} ${evaluatedAt}`))
  return [...earlier, ...found].slice(-most)
}

/** One run with the last attempt of each of its steps. */
export type ReportedRun = { readonly run: string; readonly steps: readonly RunReport[] }

/** The newest runs of a target before an instant that the store remembers, oldest first. Reports that cannot be read are left out. */
export function reportedRuns(
  store: Pick<StorePlan, 'volume'>,
  target: {
    readonly kind: RunnableKind
    readonly name: string
    readonly evaluation: 'Batch' | 'Streaming' | null
  },
  { most, before = null }: { readonly most: number; readonly before?: Date | null },
  ports: Pick<Ports, 'claim'>,
): readonly ReportedRun[] {
  const folder = join(storeRootOf(store, ports), 'reports')
  if (!existsSync(folder)) return []
  const begin = runNameOf({ ...target, slot: new Date(0) }).replace(/0$/, '')
  const minutesOf = (name: string): number | null => {
    const [, minutes] = (name.startsWith(begin) && /^(\d+)(?:-[0-9a-f]{8})?$/.exec(name.slice(begin.length))) || []
    return minutes === undefined ? null : Number(minutes)
  }
  return readdirSync(folder)
    .flatMap((run) => {
      const minutes = minutesOf(run)
      return minutes === null || (before && minutes * 60_000 >= before.getTime()) ? [] : [{ run, minutes }]
    })
    .sort((a, b) => a.minutes - b.minutes || (a.run < b.run ? -1 : 1))
    .slice(-most)
    .map(({ run }) => ({ run, steps: stepsOf(join(folder, run)) }))
}

function stepsOf(folder: string): readonly RunReport[] {
  const last = new Map<string, RunReport>()
  for (const name of readdirSync(folder)) {
    if (!/^[a-z]+-\d+\.json$/.test(name)) continue
    const report = readReport(join(folder, name))
    if (report && report.attempt >= (last.get(report.step)?.attempt ?? 0)) last.set(report.step, report)
  }
  return [...last.values()].sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1))
}

function readReport(path: string): RunReport | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return validatorOf('RunReport')(value).length === 0 ? (value as RunReport) : null // as validated above
  } catch {
    return null
  }
}
