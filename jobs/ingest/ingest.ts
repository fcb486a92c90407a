import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Detail, RunReport } from '#crds'
import { openDuckDB } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { mergeData } from '../merge/merge.ts'
import { removeOrphans } from '../merge/orphans.ts'
import type { Ports } from '../ports.ts'
import { commitData, readDataManifest, storeRootOf } from '../profile-store.ts'
import { runStep, type StepContext, type StepResult } from '../step.ts'
import { lockStore } from '../writer-lock.ts'
import { type DatasetReading, readDataset } from './read-dataset.ts'

/**
 * Reads what is new in a store's Datasets (a Streaming run: in its Streaming ones) and commits the store's next data version. A file is
 * known by its name and content: the same again is passed over, changed content replaces its records, and a file that is gone from its
 * folder keeps them, because landing folders are emptied. Records of a Dataset that left the plan are kept but not merged.
 */
export function ingest(context: StepContext): Promise<RunReport> {
  return runStep('ingest', context, () => work(context))
}

async function work({ plan, input, ports }: StepContext): Promise<StepResult> {
  const { store, ingest: ingestPlan } = plan
  if (!store || !ingestPlan)
    throw new JobError('InvalidPlan', 'The plan has no ingest part; compile it for a ProfileStore.')
  const root = storeRootOf(store, ports)
  using lock = lockStore(root, ports)
  removeOrphans(root)
  const scratch = mkdtempSync(join(ports.scratch, 'ingest-'))
  try {
    const own: Ports = { ...ports, scratch }
    await using engine = await openDuckDB(store, own)
    const before = readDataManifest(root)
    const reading = ingestPlan.datasets.filter(
      ({ ingestion }) => input.evaluation !== 'Streaming' || ingestion === 'Streaming',
    )
    const read: DatasetReading[] = []
    for (const dataset of reading) {
      read.push(
        await readDataset(engine, {
          root,
          store,
          limits: ingestPlan.limits,
          dataset,
          known: before?.sources[dataset.name],
          approved: input.approved?.includes(dataset.name) ?? false,
          ports: own,
        }),
      )
    }
    const sources = Object.fromEntries(
      Object.entries({
        ...before?.sources,
        ...Object.fromEntries(read.map(({ dataset, state }) => [dataset, state])),
      }).sort(([a], [b]) => (a < b ? -1 : 1)),
    )
    const merged = await mergeData({ engine, root, store, plan: ingestPlan, ports: own }, before, sources)
    lock.check()
    // Unchanged data is not written again, so that a reader's version stays the one it knows.
    if (JSON.stringify(merged) !== JSON.stringify(before)) commitData(root, merged, merged.version !== before?.version)
    const faults = read.flatMap((one) => one.faults)
    const [fault] = faults
    return {
      totals: {
        ...sumOf(read.map(({ counts }) => counts)),
        profiles: merged.profileCount,
        events: merged.eventCount,
        leftOutEventsPerProfile: merged.leftOut.eventsPerProfile,
        leftOutIdentitiesPerProfile: merged.leftOut.identitiesPerProfile,
        buckets: merged.buckets,
      },
      details: read.map(
        ({ dataset, counts, refused, passedOver }): Detail => ({
          dataset,
          counts,
          ...(refused.length > 0 ? { refused } : {}),
          ...(passedOver.length > 0 ? { passedOver } : {}),
        }),
      ),
      warnings: [...read.flatMap((one) => one.warnings), ...leftOutWarnings(merged.leftOut, ingestPlan.limits)],
      ...(fault
        ? {
            fault: new JobError(
              fault.reason,
              `${fault.message}${
                faults.length > 1
                  ? ` (and ${faults.length - 1} more: ${faults
                      .slice(1, 4)
                      .map(({ message }) => message)
                      .join(' ')})`
                  : ''
              } All else was read and is committed.`,
              fault,
            ),
          }
        : {}),
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function leftOutWarnings(
  leftOut: { readonly eventsPerProfile: number; readonly identitiesPerProfile: number },
  limits: { readonly eventsPerProfile: number; readonly identitiesPerProfile: number },
): NonNullable<RunReport['warnings']> {
  const of = (count: number, what: string, code: string) =>
    count === 0 ? [] : [{ code, message: `${count} profiles have more than ${what} and are left out of segmentation.` }]
  return [
    ...of(leftOut.eventsPerProfile, `${limits.eventsPerProfile} events`, 'too-many-events'),
    ...of(leftOut.identitiesPerProfile, `${limits.identitiesPerProfile} identities`, 'too-many-identities'),
  ]
}

function sumOf(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const one of counts) for (const [key, count] of Object.entries(one)) sum[key] = (sum[key] ?? 0) + count
  return sum
}
