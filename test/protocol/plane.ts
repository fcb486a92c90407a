// A data plane in memory, for whoever drives Runs: what the steps do when people are few and files are lists. What goes wrong in it is said by
// the test, and Campaign remembers what it was told, so that an increment that counts from something else is found out.
import type { Detail, JobPlan, RunInput, RunReport } from '#crds'
import { digestOf } from '#crds'

export type Work = { readonly step: RunReport['step']; readonly plan: JobPlan; readonly input: RunInput }

/** How an attempt of a step ends. Without `at`, before anything is done; with it, at that Segment: those before it are done. */
export type Trouble = {
  readonly at?: string
  /** Whether the Segment it ended at was done all the same; nobody hears of it. */
  readonly applied?: boolean
  readonly retryable?: boolean
  /** The process dies: there is no report. */
  readonly dies?: boolean
}

export class Killed extends Error {}

/** One delivered file: people with `realized` or `exited`, in their order. */
export type File = {
  readonly run: string
  readonly planDigest: string
  /** The Run that it counts from; null: it holds everybody. */
  readonly from: string | null
  readonly rows: readonly string[]
}

export type Plane = {
  /** One attempt of one step. Throws Killed where the process dies. */
  readonly perform: (work: Work) => RunReport
  /** By name `activation/segment/scheduledTime`. */
  readonly files: ReadonlyMap<string, File>
  /** By `activation/segment`, who is on Campaign's list. */
  readonly lists: ReadonlyMap<string, ReadonlySet<string>>
  /** By Segment, who was a member at the latest evaluation. */
  readonly members: ReadonlyMap<string, ReadonlySet<string>>
  /** Everything that was begun, `step run attempt`. */
  readonly begun: readonly string[]
  /** Increments that were counted from what Campaign did not have. */
  readonly wrong: readonly string[]
}

export function openPlane({
  membersOf,
  troubleOf = () => null,
  expectationsOf = () => [],
}: {
  /** Of a Segment of the plan, by what defines it, at an instant. */
  readonly membersOf: (segment: string, digest: string, now: string) => readonly string[]
  readonly troubleOf?: (work: Work) => Trouble | null
  /** What an ingest says of what is expected of its Dataset. */
  readonly expectationsOf?: (work: Work) => NonNullable<Detail['expectations']>
}): Plane {
  const files = new Map<string, File>()
  const lists = new Map<string, Set<string>>()
  const members = new Map<string, ReadonlySet<string>>()
  /** By `activation/segment/run`, the delivered set. */
  const delivered = new Map<string, ReadonlySet<string>>()
  /** By `activation/segment`, the Run whose delivery the list is of. */
  const listed = new Map<string, string>()
  const begun: string[] = []
  const wrong: string[] = []
  return { perform, files, lists, members, begun, wrong }

  function perform(work: Work): RunReport {
    const { step, plan, input } = work
    begun.push(`${step} ${input.run} ${input.attempt}`)
    const trouble = troubleOf(work)
    if (trouble && trouble.at === undefined) return ended(work, [], trouble)
    switch (step) {
      case 'ingest':
        return ended(work, [{ dataset: 'all', counts: { records: 1 }, expectations: expectationsOf(work) }], null)
      case 'extract':
        return ended(work, [], null)
      case 'evaluate':
        members.clear()
        for (const { name, digest } of plan.evaluate!.segments)
          members.set(name, new Set(membersOf(name, digest, input.now)))
        return ended(
          work,
          plan.evaluate!.segments.map(({ name }) => ({ segment: name, members: members.get(name)!.size })),
          null,
        )
      case 'export':
      case 'import':
        return segmentBySegment(work, trouble)
    }
  }

  function segmentBySegment(work: Work, trouble: Trouble | null): RunReport {
    const { step, plan, input } = work
    const departed = new Set((input.departed ?? []).map(({ name }) => name))
    const details: Detail[] = []
    for (const segment of [...plan.export!.segments.map(({ name }) => name), ...departed]) {
      const act = (): Detail | null =>
        step === 'export' ? publish(work, segment, departed.has(segment)) : take(work, segment)
      if (trouble?.at === segment) {
        if (trouble.applied) act()
        details.push({ segment, counts: { uncertain: 1 } })
        return ended(work, details, trouble)
      }
      const detail = act()
      if (detail) details.push(detail)
    }
    return ended(work, details, null)
  }

  function publish({ plan, input }: Work, segment: string, isDeparted: boolean): Detail {
    const activation = plan.target.name
    const name = `${activation}/${segment}/${input.scheduledTime}`
    const here = `${activation}/${segment}/${input.run}`
    const now = isDeparted ? new Set<string>() : (members.get(segment) ?? new Set<string>())
    const known = files.get(name)
    const told = { segment, members: now.size, ...(isDeparted && { departed: true }) }
    if (known?.run === input.run && known.planDigest === plan.digest)
      return { ...told, members: delivered.get(here)!.size, backfill: known.from === null, manifest: name }
    const from = input.baselines?.[segment]
    const before = from === undefined ? undefined : delivered.get(`${activation}/${segment}/${from}`)
    const rows = [
      ...[...now].filter((person) => !before?.has(person)).map((person) => `${person} realized`),
      ...[...(before ?? [])].filter((person) => !now.has(person)).map((person) => `${person} exited`),
    ].sort()
    delivered.set(here, now)
    if (before && rows.length === 0) return { ...told, realized: 0, exited: 0, backfill: false }
    const exited = rows.filter((row) => row.endsWith('exited')).length
    files.set(name, { run: input.run, planDigest: plan.digest, from: before ? from! : null, rows })
    // Without a database Campaign reads the landing zone itself.
    if (!plan.import) apply(name, activation, segment)
    return { ...told, realized: rows.length - exited, exited, backfill: before === undefined, manifest: name }
  }

  function take({ plan, input }: Work, segment: string): Detail | null {
    const activation = plan.target.name
    const name = `${activation}/${segment}/${input.scheduledTime}`
    const file = files.get(name)
    if (file?.run !== input.run || file.planDigest !== plan.digest) return null
    apply(name, activation, segment)
    return { segment, file: name, manifest: name, counts: { rowsRead: file.rows.length } }
  }

  /** Once: the ledger knows what the list is of. */
  function apply(name: string, activation: string, segment: string): void {
    const place = `${activation}/${segment}`
    const { run, from, rows } = files.get(name)!
    if (listed.get(place) === run) return
    if (from !== null && listed.get(place) !== from)
      wrong.push(
        `${run}: ${segment} is delivered as what changed since ${from}, and Campaign has it of ${listed.get(place)}`,
      )
    const list = from === null ? new Set<string>() : (lists.get(place) ?? new Set<string>())
    for (const row of rows) {
      const [person, status] = row.split(' ') as [string, string]
      if (status === 'realized') list.add(person)
      else list.delete(person)
    }
    lists.set(place, list)
    listed.set(place, run)
  }
}

function ended({ step, input }: Work, details: readonly Detail[], trouble: Trouble | null): RunReport {
  if (trouble?.dies) throw new Killed('the process is gone')
  const retryable = trouble?.retryable ?? true
  return {
    step,
    run: input.run,
    attempt: input.attempt ?? 1,
    outcome: trouble ? 'Failed' : 'Succeeded',
    startedAt: input.now,
    finishedAt: input.now,
    totals: {},
    reportDigest: digestOf(details),
    details: [...details],
    ...(trouble && {
      error: { reason: retryable ? 'LocationUnavailable' : 'DatabaseRefused', message: 'It was not to be.', retryable },
    }),
  }
}
