import type { Kind, ResourceByKind, Run, RunnableKind } from '#crds'
import { lengthOf, relativeTo } from '../instants.ts'
import type { Paint } from '../paint.ts'
import { type TableCell, table } from '../table.ts'
import { conditionOf, type Inventory, isFinished, isSuspended, runsOf, stateOf } from './resources.ts'

/** A fact about a resource. JSON has it as it is (times in RFC 3339), text in people's words. */
export type Fact = string | number | boolean | Date | null

type Column<R> = {
  /** The fact's key in JSON, and its header where the column has no other. */
  readonly key: string
  readonly header?: string
  readonly fact: (resource: R, inventory: Inventory, now: Date) => Fact
  readonly text?: (resource: R, inventory: Inventory, now: Date) => string | number | null
}

const time = (value: string | undefined): Date | null => (value === undefined ? null : new Date(value))

/** The tables, in the order in which they are shown. */
const tables: { readonly [K in Kind]: readonly Column<ResourceByKind[K]>[] } = {
  Organization: [{ key: 'state', fact: readiness }],
  ProfileStore: [
    { key: 'state', fact: readiness },
    { key: 'profiles', fact: ({ status }) => status?.profiles ?? null },
    { key: 'events', fact: ({ status }) => status?.events ?? null },
    { key: 'segments', fact: ({ status }) => status?.segments ?? null },
    { key: 'evaluatedAt', header: 'evaluated', fact: ({ status }) => time(status?.evaluatedAt) },
    { key: 'lastBatchTime', fact: ({ status }) => time(status?.lastBatchTime), text: () => null },
    { key: 'nextBatchTime', header: 'next batch', fact: ({ status }) => time(status?.nextBatchTime) },
    { key: 'nextStreamingTime', header: 'next streaming', fact: ({ status }) => time(status?.nextStreamingTime) },
    { key: 'outcome', header: 'last outcome', fact: outcome },
  ],
  Dataset: [
    { key: 'state', fact: readiness },
    { key: 'record', fact: ({ spec }) => spec.record.toLowerCase() },
    { key: 'files', fact: ({ status }) => status?.files ?? null },
    { key: 'records', fact: ({ status }) => status?.records ?? null },
    { key: 'rejected', fact: ({ status }) => status?.rejected ?? null },
    { key: 'lastIngestedTime', header: 'ingested', fact: ({ status }) => time(status?.lastIngestedTime) },
  ],
  Segment: [
    { key: 'state', fact: readiness },
    { key: 'members', fact: ({ status }) => status?.members ?? null },
    { key: 'entered', fact: ({ status }) => status?.entered ?? null },
    { key: 'exited', fact: ({ status }) => status?.exited ?? null },
    { key: 'effectiveLatency', header: 'latency', fact: ({ status }) => status?.effectiveLatency ?? null },
    { key: 'lastEvaluatedTime', header: 'evaluated', fact: ({ status }) => time(status?.lastEvaluatedTime) },
    { key: 'activations', fact: ({ status }) => status?.activations ?? null },
  ],
  CampaignInstance: [
    { key: 'state', fact: readiness },
    { key: 'version', fact: ({ spec }) => spec.version },
    {
      key: 'segments',
      fact: ({ status }) => status?.segments ?? null,
      text: ({ status }) =>
        status?.segments === undefined
          ? ''
          : status.segmentLimit === undefined
            ? status.segments
            : `${status.segments} of ${status.segmentLimit}`,
    },
    { key: 'segmentLimit', fact: ({ status }) => status?.segmentLimit ?? null, text: () => null },
    { key: 'heldSegments', header: 'held', fact: ({ status }) => status?.heldSegments ?? null },
    { key: 'destinations', fact: ({ status }) => status?.destinations ?? null },
  ],
  Destination: [
    { key: 'state', fact: readiness },
    { key: 'activations', fact: ({ status }) => status?.activations ?? null },
    { key: 'lastDeliveredTime', header: 'delivered', fact: ({ status }) => time(status?.lastDeliveredTime) },
  ],
  Activation: [
    { key: 'state', fact: readiness },
    { key: 'segments', fact: ({ status }) => status?.segments ?? null },
    {
      key: 'held',
      fact: ({ status }) => (status ? (status.held ?? []).length : null),
    },
    { key: 'withoutConsent', header: 'no consent', fact: ({ status }) => status?.withoutConsent ?? null },
    { key: 'lastScheduledTime', header: 'last run', fact: ({ status }) => time(status?.lastScheduledTime) },
    { key: 'outcome', header: 'last outcome', fact: outcome },
    { key: 'nextScheduledTime', header: 'next run', fact: ({ status }) => time(status?.nextScheduledTime) },
  ],
  CampaignSource: [
    { key: 'state', fact: readiness },
    { key: 'rows', fact: ({ status }) => status?.rows ?? null },
    { key: 'lastScheduledTime', header: 'last run', fact: ({ status }) => time(status?.lastScheduledTime) },
    { key: 'outcome', header: 'last outcome', fact: outcome },
    { key: 'nextScheduledTime', header: 'next run', fact: ({ status }) => time(status?.nextScheduledTime) },
  ],
  Run: [
    {
      key: 'target',
      fact: ({ spec }) => `${spec.target.kind}/${spec.target.name}`,
    },
    { key: 'trigger', fact: ({ spec }) => spec.trigger },
    { key: 'scheduledTime', header: 'slot', fact: ({ spec }) => new Date(spec.scheduledTime) },
    { key: 'state', fact: stateOf },
    { key: 'step', fact: ({ status }) => status?.step ?? null },
    { key: 'attempt', fact: ({ status }) => status?.attempt ?? null },
    {
      key: 'startedAt',
      header: 'took',
      fact: ({ status }) => time(status?.startedAt),
      text: ({ status }, _, now) =>
        status?.startedAt === undefined
          ? ''
          : lengthOf((time(status.finishedAt) ?? now).getTime() - Date.parse(status.startedAt)),
    },
  ],
}

export type Row = { readonly namespace: string; readonly name: string; readonly [key: string]: Fact }

/** The resources of a kind, as rows of facts. */
export function rowsOf<K extends Kind>(
  kind: K,
  resources: readonly ResourceByKind[K][],
  inventory: Inventory,
  now: Date,
): readonly Row[] {
  return resources.map((resource) => ({
    namespace: resource.metadata.namespace ?? '',
    name: resource.metadata.name,
    ...Object.fromEntries(columnsOf(kind).map(({ key, fact }) => [key, fact(resource, inventory, now)])),
  }))
}

/** The resources of a kind as a table, with their namespaces where there may be several. */
export function tableOf<K extends Kind>(
  kind: K,
  resources: readonly ResourceByKind[K][],
  inventory: Inventory,
  now: Date,
  { paint, withNamespace }: { readonly paint: Paint; readonly withNamespace: boolean },
): string {
  const columns = columnsOf(kind).filter(({ fact, text }) =>
    // A column that is empty for all of them only takes room.
    resources.some((resource) => (text ?? fact)(resource, inventory, now) !== null),
  )
  const rows = resources.map((resource) => [
    ...(withNamespace ? [resource.metadata.namespace ?? ''] : []),
    resource.metadata.name,
    ...columns.map(({ key, fact, text }) =>
      painted(key, text ? text(resource, inventory, now) : words(fact(resource, inventory, now), now), paint),
    ),
  ])
  return table(
    [...(withNamespace ? ['namespace'] : []), kind, ...columns.map(({ key, header }) => header ?? key)],
    rows,
  )
}

function columnsOf<K extends Kind>(kind: K): readonly Column<ResourceByKind[K]>[] {
  return tables[kind]
}

function words(fact: Fact, now: Date): string | number | null {
  if (fact instanceof Date) return relativeTo(now, fact)
  return typeof fact === 'boolean' ? (fact ? 'yes' : 'no') : fact
}

function painted(key: string, cell: string | number | null, paint: Paint): TableCell {
  if (typeof cell !== 'string' || !['state', 'outcome'].includes(key)) return cell
  if (/^(?:stalled|refused|failed)/.test(cell)) return { text: cell, paint: paint.red }
  if (/^(?:not ready|held|suspended|unseen)/.test(cell)) return { text: cell, paint: paint.yellow }
  return /^(?:ready|succeeded)/.test(cell) ? { text: cell, paint: paint.green } : cell
}

/** The conditions in one word. */
function readiness(resource: ResourceByKind[Exclude<Kind, 'Run'>]): string {
  if (conditionOf(resource, 'guardrailsPassed')?.status === 'False') return 'refused'
  if (conditionOf(resource, 'stalled')?.status === 'True') return 'stalled'
  if (isSuspended(resource)) return 'suspended'
  const ready = conditionOf(resource, 'ready')
  if (conditionOf(resource, 'reconciling')?.status === 'True') return 'updating'
  if (!ready) return 'unseen'
  return ready.status === 'True' ? 'ready' : ready.status === 'False' ? 'not ready' : 'unknown'
}

/** What a target's latest Run does now, or how it ended. */
function outcome(resource: ResourceByKind[RunnableKind], inventory: Inventory): Fact {
  const [latest] = runsOf(inventory, resource)
  if (latest) return outcomeOf(latest)
  const { status } = resource
  const [last, successful] =
    resource.kind === 'ProfileStore'
      ? [resource.status?.lastBatchTime, resource.status?.lastSuccessfulBatchTime]
      : [resource.status?.lastScheduledTime, resource.status?.lastSuccessfulTime]
  return status && last !== undefined && last === successful ? 'succeeded' : null
}

function outcomeOf(run: Run): string {
  const state = stateOf(run)
  if (isFinished(run)) return state === 'failed' ? `failed: ${conditionOf(run, 'succeeded')?.reason}` : state
  return state === 'running' ? `${run.status?.step ?? 'running'} …` : state
}
