import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Detail, type ExportPlan, type RunReport, type Trip, tripOf } from '#crds'
import { canonicalJson } from '../digest.ts'
import { openDuckDB } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import {
  type DataManifest,
  type MembershipManifest,
  readDataManifest,
  readMembershipManifest,
  storeRootOf,
} from '../profile-store.ts'
import { faultOf, runStep, type StepContext, type StepResult } from '../step.ts'
import { openLandingStore } from '../stores/index.ts'
import { deliveredSets, pruneDelivered } from './delivered-set.ts'
import { departedOf } from './departed.ts'
import { detailOf, exitsOf, publishAll, publishedBefore, withdrawalOf } from './publish.ts'
import { prepare } from './rows.ts'
import {
  canExit,
  canWithdraw,
  type Delivery,
  type Evaluated,
  type Key,
  listingOf,
  type Segment,
  type Work,
} from './work.ts'

/**
 * Delivers an Activation's Segments: for each, its data files first and its delivery manifest last. What this run has published before
 * stays as it is, so a repeated run only does what is missing.
 */
export function exportSegments(context: StepContext): Promise<RunReport> {
  return runStep('export', context, () => deliver(context))
}

async function deliver(context: StepContext): Promise<StepResult> {
  const { plan: job, input, ports } = context
  const plan = job.export
  if (!plan || !job.store)
    throw new JobError('InvalidPlan', 'The plan has no export part. Compile the Activation again.')
  const root = storeRootOf(job.store, ports)
  const [data, membership] = [readDataManifest(root), readMembershipManifest(root)]
  if (!data || !membership) {
    throw new JobError(
      'NotEvaluated',
      `The ProfileStore ${job.store.name} has no membership yet. Run its evaluation first.`,
    )
  }
  const landing = await openLandingStore(plan.destination.location, ports)
  const scratch = mkdtempSync(join(ports.scratch, 'export-'))
  try {
    await using engine = await openDuckDB(job.store, ports)
    await engine.run('SET preserve_insertion_order = true')
    const work: Work = {
      context,
      plan,
      engine,
      landing,
      listing: listingOf(landing),
      root,
      scratch,
      key: keyOf(plan),
      sets: deliveredSets(root, plan.activation),
      ...aligned(data, membership),
    }
    const details = new Map<string, Detail>()
    const warnings: { code?: string; message: string }[] = []
    const open: Evaluated[] = []
    const departed = departedOf(plan, input)
    const leaving: Segment[] = []
    for (const segment of departed) {
      const before = await publishedBefore(work, segment)
      details.set(segment.name, { ...(before ?? nobodyIn(segment)), departed: true })
      if (!before && canExit(plan) && input.baselines?.[segment.name] !== undefined) leaving.push(segment)
    }
    for (const segment of plan.segments) {
      const before = await publishedBefore(work, segment)
      // Who approves a held Segment wants all of it.
      if (before && !(before.held !== undefined && input.approved?.includes(segment.name))) {
        details.set(segment.name, before)
        continue
      }
      const evaluated = membership.segments.find((candidate) => candidate.segment === segment.name)
      if (evaluated) open.push({ segment, evaluated })
      else {
        details.set(segment.name, { segment: segment.name })
        warnings.push({
          code: 'NotEvaluated',
          message: `The Segment ${segment.name} is not in membership version ${membership.version} yet; the next run after its evaluation delivers it.`,
        })
      }
    }
    if (plan.segments.length > 0 && warnings.length === plan.segments.length && leaving.length === 0) {
      throw new JobError(
        'NotEvaluated',
        `No Segment of the Activation ${plan.activation} is in membership version ${membership.version}. Run the ProfileStore's evaluation first.`,
      )
    }
    const deliveries = open.length + leaving.length === 0 ? [] : await prepare(work, open, leaving)
    const held = new Map<string, Pick<Detail, 'held' | 'hold'>>()
    const passed: Delivery[] = []
    for (const delivery of deliveries) {
      const { segment } = delivery
      if (delivery.departed && delivery.baseline === null)
        warnings.push({
          code: 'LostBaseline',
          message: `What was delivered of the Segment ${segment.name}, which is deleted, cannot be compared with any more: its last file has no rows and empties the audience without naming who leaves.`,
        })
      const trip = input.approved?.includes(segment.name) ? null : tripFor(plan, delivery)
      if (trip === null) {
        passed.push(delivery)
        continue
      }
      const own = heldFields(trip, delivery, input.baselines?.[segment.name])
      const { withdrawn } = delivery
      const exits = plan.circuitBreaker?.hold === 'Entries' ? await exitsOf(work, delivery, own.held) : null
      const withdraws = exits === null && withdrawn > 0 && canWithdraw(plan, job.import !== undefined)
      if (exits) passed.push(exits)
      else if (withdraws) passed.push(withdrawalOf(delivery, own.held, plan))
      held.set(segment.name, exits ? { ...own, hold: { ...own.hold, left: 0 } } : own)
      details.set(segment.name, { ...detailOf(delivery, plan), ...own })
      const leaving = (people: number, who: string) =>
        ` ${people} ${who} ${people === 1 ? 'leaves' : 'leave'} all the same.`
      warnings.push({
        code: 'Held',
        message: `The Segment ${segment.name} is held: ${own.held} Approve it, or wait for the next evaluation.${exits ? leaving(exits.exited, 'on the list') : withdraws ? leaving(withdrawn, 'who may no longer be sent') : ''}`,
      })
    }
    const published = await publishAll(work, passed)
    for (const [name, detail] of published.details) details.set(name, { ...detail, ...held.get(name) })
    if (published.fault !== null) {
      const told = [...plan.segments, ...departed].map(({ name }) => details.get(name) ?? { segment: name })
      return { totals: totalsOf(told), details: told, warnings, fault: faultOf(published.fault) }
    }
    pruneDelivered({ root, activation: plan.activation, run: input.run }, input.baselines ?? {})
    const ordered = [...plan.segments, ...departed].map(({ name }) => details.get(name)!)
    return {
      totals: totalsOf(ordered),
      details: ordered,
      warnings,
      ...(ordered.some(({ held }) => held !== undefined) && { outcome: 'Held' as const }),
    }
  } finally {
    await landing.close()
    rmSync(scratch, { recursive: true, force: true })
  }
}

function nobodyIn({ name }: Segment): Detail {
  return { segment: name, members: 0, entered: 0, realized: 0, exited: 0, backfill: false }
}

/** Data and membership with the same buckets; where they were written with different bucket counts, everything is one bucket. */
function aligned(data: DataManifest, membership: MembershipManifest) {
  if (data.buckets === membership.buckets) return { data, membership }
  return {
    data: { ...data, buckets: 1, profiles: [data.profiles.flat()] },
    membership: {
      ...membership,
      buckets: 1,
      files: [membership.files.flat()],
      changed: [(membership.changed ?? []).flat()],
    },
  }
}

function keyOf(plan: ExportPlan): Key {
  const columns = plan.columns.flatMap(({ deduplicationKey }, index) => (deduplicationKey ? [index] : []))
  const names = columns.length === 0 ? ['k0'] : columns.map((_, index) => `k${index}`)
  const definition = canonicalJson(
    columns.map((index) => [plan.columns[index]!.target, plan.columns[index]!.source, plan.columns[index]!.transform]),
  )
  return { columns, names, list: names.join(', '), definition }
}

/**
 * Why the circuit breaker holds a delivery; null where it lets it pass. Backfills and deleted Segments always pass. Who may no longer be sent
 * leaves in any case, and is not what the breaker looks at.
 */
function tripFor({ circuitBreaker }: ExportPlan, delivery: Delivery): Trip | null {
  const { departed, baseline, baselineSize, active, entered, left, withdrawn } = delivery
  if (departed || baseline === null) return null
  return tripOf(circuitBreaker, { list: baselineSize - withdrawn, active, entered, left: left - withdrawn })
}

/** The same as a sentence, and what it compared. */
function heldFields(
  { direction, people, percent, limit }: Trip,
  delivery: Delivery,
  baseline: string | undefined,
): Required<Pick<Detail, 'held' | 'hold'>> {
  const [list, left] = [delivery.baselineSize - delivery.withdrawn, delivery.left - delivery.withdrawn]
  const gone =
    direction === 'exited' || left === 0
      ? ''
      : ` ${left === list ? 'All' : left} of those on the list ${left === 1 && left !== list ? 'is' : 'are'} no longer in it.`
  return {
    held:
      direction === 'empty'
        ? `nobody is in it any more, after ${list} delivered members.`
        : `${people} would ${direction === 'entered' ? 'enter' : 'leave'}, ${percent}% of the ${list} delivered members; the limit is ${limit}%.${gone}`,
    hold: {
      direction,
      people,
      percent,
      ...(limit !== null && { limit }),
      list,
      left,
      ...(baseline !== undefined && { baseline }),
    },
  }
}

function totalsOf(details: readonly Detail[]): Record<string, number> {
  const sum = (of: (detail: Detail) => number | undefined) =>
    details.reduce((total, detail) => total + (of(detail) ?? 0), 0)
  const delivered = details.filter(({ held }) => held === undefined)
  return {
    segments: details.length,
    held: details.length - delivered.length,
    files: sum(({ files }) => files?.length),
    rows: sum(({ files }) => files?.reduce((total, { rows }) => total + rows, 0)),
    bytes: sum(({ files }) => files?.reduce((total, { bytes }) => total + bytes, 0)),
    realized: delivered.reduce((total, { realized }) => total + (realized ?? 0), 0),
    exited: delivered.reduce((total, { exited }) => total + (exited ?? 0), 0),
    missingMandatory: sum(({ counts }) => counts?.['missingMandatory']),
    duplicateKey: sum(({ counts }) => counts?.['duplicateKey']),
    ...(details.some(({ counts }) => counts?.['withoutConsent'] !== undefined) && {
      withoutConsent: sum(({ counts }) => counts?.['withoutConsent']),
      withdrawn: sum(({ counts }) => counts?.['withdrawn']),
    }),
  }
}
