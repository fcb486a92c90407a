// What Jobs do when nothing is really read or written: how they end is drawn by lot, and Campaign remembers what was delivered to it, so that an
// increment that counts from something else is found out.
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Detail } from '#crds'
import { last, type Seen } from './observer.ts'
import { type Behaviour, type Played, reportOf, type Work } from './player.ts'
import type { Run } from './promises.ts'

export type Campaign = {
  readonly behaviour: Behaviour
  /** From now on every Job succeeds. */
  readonly calm: () => void
  /** By Segment, as of the latest evaluation whose result was stored; empty where nobody knows. A Segment that it had not heard of has none. */
  readonly members: (seen: Seen) => ReadonlyMap<string, number>
  /** Deliveries and baselines that do not fit what Campaign has. */
  readonly wrong: (seen: Seen) => readonly string[]
}

/** By the share of Jobs up to which each applies. */
const fates = [
  [0.7, 'good'],
  [0.75, 'log lost'],
  [0.8, 'log lost, report stored'],
  [0.84, 'done, and killed before the report'],
  [0.9, 'failed'],
  [0.93, 'failed for good'],
  [0.97, 'killed'],
  [1, 'too long'],
] as const

const reprintSuffix = /-report$/

type Fate = (typeof fates)[number][1]

/** `luck: false`: every Job succeeds. */
export function openCampaign(seed: number, luck = true): Campaign {
  /** By Segment of an Activation the Run whose delivery was imported last. */
  const imported = new Map<string, string>()
  /** By Run, what its export was told that Campaign has, and what it delivered. */
  const exported = new Map<
    string,
    { readonly baselines: Readonly<Record<string, string>>; readonly segments: readonly string[] }
  >()
  /** By evaluation Job, its Segments. */
  const evaluated = new Map<string, readonly string[]>()
  /** Jobs whose details nobody has heard of. */
  const lost = new Set<string>()
  const names = new Map<string, string[]>()
  const wrong: string[] = []
  let isCalm = !luck

  return {
    calm: () => void (isCalm = true),
    async behaviour(work) {
      await sleep(drawn('time', work.job) * 150)
      const lot = drawn('fate', work.job)
      return play(isCalm ? 'good' : fates.find(([share]) => lot <= share)![1], work)
    },
    members({ runs }) {
      const ends = runs.flatMap(({ versions }) => {
        const end = versions.find(({ value }) => evaluationOf(value)?.outcome === 'Succeeded')
        return end ? [{ revision: end.revision, job: evaluationOf(end.value)!.job! }] : []
      })
      const latest = ends.sort((a, b) => a.revision - b.revision).at(-1)
      if (latest === undefined || lost.has(latest.job)) return new Map()
      return new Map(evaluated.get(latest.job)!.map((name) => [name, membersBy(latest.job)]))
    },
    wrong({ targets }) {
      const baselines = targets.map(last).flatMap(({ kind, name, status }) => {
        if (kind !== 'Activation') return []
        const known = (status as { baselines?: readonly { segment: string; run: string }[] }).baselines ?? []
        return known.flatMap(({ segment, run }) => {
          const has = imported.get(`${name}/${segment}`)
          return has === run ? [] : [`${name}: Campaign has ${segment} of ${has}, its baseline says ${run}`]
        })
      })
      return [...wrong, ...baselines]
    },
  }

  function play(fate: Fate, work: Work): Played {
    // A report is asked for again once only.
    if (work.reprint && fate !== 'good') lost.add(work.job.replace(reprintSuffix, ''))
    const failed = (retryable: boolean): Played => ({
      kind: 'report',
      report: reportOf(work, [], {
        outcome: 'Failed',
        error: { reason: 'Unlucky', message: 'It was not to be.', retryable },
      }),
    })
    switch (fate) {
      case 'good':
        return { kind: 'report', report: reportOf(work, done(work)) }
      case 'log lost':
        lost.add(work.job)
        return { kind: 'report', report: reportOf(work, done(work)), log: null }
      case 'log lost, report stored':
        return { kind: 'report', report: reportOf(work, done(work), { reportPath: 'report.json' }), log: null }
      case 'done, and killed before the report':
        done(work)
        return { kind: 'crash', exitCode: 143, reason: 'Error', message: 'killed at the very end' }
      case 'failed':
        return failed(true)
      case 'failed for good':
        return failed(false)
      case 'killed':
        return { kind: 'crash', exitCode: 137, reason: 'OOMKilled', message: '' }
      case 'too long':
        return { kind: 'deadline' }
    }
  }

  function done({ step, job, plan, input, reprint }: Work): readonly Detail[] {
    switch (step) {
      case 'ingest':
        return plan.ingest!.datasets.map(({ name }) => ({
          dataset: name,
          counts: { files: 1, records: 10, badRows: 0 },
        }))
      case 'evaluate': {
        const names = plan.evaluate!.segments.map(({ name }) => name)
        evaluated.set(job.replace(reprintSuffix, ''), names)
        return names.map((segment) => ({ segment, members: membersBy(job) }))
      }
      case 'export': {
        const details = plan.export!.segments.map(({ name }) => ({
          segment: name,
          members: 10,
          ...(hasNews(input.run, name) && { manifest: `${name}.json` }),
        }))
        if (reprint) return details
        const segments = details.flatMap(({ segment, manifest }) => (manifest ? [segment] : []))
        exported.set(input.run, { baselines: input.baselines ?? {}, segments })
        if (!plan.import) for (const segment of segments) take(plan.target.name, segment, input.run)
        return details
      }
      default: {
        const { segments } = exported.get(input.run)!
        if (!reprint) for (const segment of segments) take(plan.target.name, segment, input.run)
        return segments.map((segment) => ({ segment, file: `${segment}.csv`, counts: { updated: 1 } }))
      }
    }
  }

  /** An increment counts from what Campaign has; a backfill replaces it all, and what it has already changes nothing. */
  function take(activation: string, segment: string, run: string): void {
    const place = `${activation}/${segment}`
    const has = imported.get(place)
    const from = exported.get(run)!.baselines[segment]
    if (has !== run && from !== undefined && from !== has)
      wrong.push(`${run}: ${segment} is delivered as what changed since ${from}, and Campaign has it of ${has}`)
    imported.set(place, run)
  }

  /** Not every Segment has changed at every Run; asked again, the answer is the same. */
  function hasNews(run: string, segment: string): boolean {
    return drawn('news', `${run} ${segment}`) < 0.85
  }

  /** Few numbers, so that the same comes back. */
  function membersBy(job: string): number {
    return 10 + Math.floor(drawn('members', job.replace(reprintSuffix, '')) * 3)
  }

  /** From 0 to less than 1; of a name that holds the minute of a Run, which of those that differ in nothing else it is. */
  function drawn(what: string, name: string): number {
    const rest = name.replace(/\d{6,}/, '')
    const alike = names.get(rest) ?? []
    names.set(rest, alike)
    if (!alike.includes(name)) alike.push(name)
    const text = `${seed} ${what} ${rest} ${alike.indexOf(name)}`
    return createHash('sha256').update(text).digest().readUIntBE(0, 6) / 2 ** 48
  }
}

function evaluationOf({ status }: Run) {
  return status.steps?.find(({ name }) => name === 'evaluate')
}
