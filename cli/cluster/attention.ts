import {
  type Activation,
  dataComplete,
  evaluated,
  expectationsMet,
  type Kind,
  kindNames,
  longHoldRuns,
  type Resource,
  type ResourceByKind,
  type RunnableKind,
  runnableKinds,
} from '#crds'
import { relativeTo } from '../instants.ts'
import { conditionOf, type Inventory, isFinished, isSuspended, keyOf, runsOf, stateOf } from './resources.ts'

/** Something that does not go on by itself, or that somebody should know of. */
export type Attention = {
  readonly severity: 'error' | 'warning'
  /** null for the cluster as a whole. */
  readonly resource: { readonly kind: Kind; readonly namespace: string; readonly name: string } | null
  /** The Run that this is about, where `resource` is the Run's target; null: it is about no Run. */
  readonly run: string | null
  /** A fact in a few words, to stand behind the resource's name. */
  readonly what: string
  /** The code of a finding, or a condition's reason in CamelCase. */
  readonly reason: string
  /** Details with the values and, often, the next step; may be empty, or several lines. */
  readonly message: string
  readonly since: string | null
  /** The next step, as command lines of this program. */
  readonly next: readonly (readonly string[])[]
}

/** A slot counts as late after this; the operator begins it within seconds. */
const lateSeconds = 300
/** A resource counts as unseen after this. */
const unseenSeconds = 30
const recently = 7 * 86_400

/** What needs attention at an instant: errors first, then by kind, namespace and name. */
export function attentionOf(inventory: Inventory, now: Date): readonly Attention[] {
  const found: Attention[] = []
  for (const resources of Object.values(inventory))
    for (const resource of resources) if (resource.kind !== 'Run') found.push(...conditionsOf(resource))
  const refused = new Set(inventory.Segment.filter((segment) => conditionsOf(segment).length > 0).map(keyOf))
  for (const target of runnableKinds.flatMap((kind) => [...inventory[kind]]))
    found.push(...failedRuns(inventory, target, now), ...slotsOf(target, now))
  for (const activation of inventory.Activation) found.push(...heldSegments(activation, refused))
  // What a target's Ready condition repeats of its Runs and Segments is told there in full.
  const told = new Set(
    found.filter(({ run }) => run !== null).map(({ resource }) => `${resource?.kind}/${resource?.name}`),
  )
  const isRepeated = ({ reason, resource }: Attention): boolean =>
    (reason === 'RunFailed' || reason === 'SegmentsHeld') && told.has(`${resource?.kind}/${resource?.name}`)
  const order: readonly string[] = kindNames
  const rank = ({ severity, resource }: Attention): number =>
    (severity === 'error' ? 0 : order.length) + order.indexOf(resource?.kind ?? '')
  const nameOf = ({ resource }: Attention): string => `${resource?.namespace}/${resource?.name}`
  return [
    ...unseen(inventory, now),
    ...found
      .filter((each) => !isRepeated(each))
      .sort((a, b) => rank(a) - rank(b) || (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0)),
  ]
}

function conditionsOf(resource: Resource): readonly Attention[] {
  const guardrails = conditionOf(resource, 'guardrailsPassed')
  if (guardrails?.status === 'False') {
    const code = kebab(guardrails.reason)
    return [
      entry('error', resource, `does not pass: ${code}`, code, {
        message: guardrails.message,
        since: guardrails.lastTransitionTime,
        next: [['explain', code]],
      }),
    ]
  }
  const stalled = conditionOf(resource, 'stalled')
  if (stalled?.status === 'True')
    return [
      entry('error', resource, `is stalled: ${stalled.reason}`, stalled.reason, {
        message: stalled.message,
        since: stalled.lastTransitionTime,
      }),
    ]
  const reconciling = conditionOf(resource, 'reconciling')
  // All resources of a namespace say the same, and once is enough.
  if (reconciling?.reason === 'CompileStopped' && resource.kind === 'ProfileStore')
    return [
      entry('error', resource, 'and its namespace cannot be compiled', reconciling.reason, {
        message: reconciling.message,
        since: reconciling.lastTransitionTime,
      }),
    ]
  const data = resource.kind === 'Dataset' || resource.kind === 'Segment' ? dataOf(resource) : []
  if (data.length > 0) return data
  const ready = conditionOf(resource, 'ready')
  if (ready?.status !== 'False' || isSuspended(resource) || reconciling?.status === 'True') return []
  return [
    entry('warning', resource, `is not ready: ${ready.reason}`, ready.reason, {
      message: ready.message,
      since: ready.lastTransitionTime,
    }),
  ]
}

/** Problems of a Dataset's data, or of a Segment's evaluation. The store repeats those of its data. */
function dataOf(resource: Resource): readonly Attention[] {
  return (resource.status?.conditions ?? []).flatMap(({ type, status, reason, message, lastTransitionTime: since }) => {
    if (status !== 'False' || (type !== dataComplete && type !== expectationsMet && type !== evaluated)) return []
    const what =
      type === evaluated
        ? 'cannot be evaluated'
        : type === dataComplete
          ? 'has refused files'
          : reason === 'ActivationsHeld'
            ? 'is not as expected, so that nothing is delivered'
            : 'is not as expected'
    return [entry(reason === 'ActivationsHeld' ? 'error' : 'warning', resource, what, reason, { message, since })]
  })
}

/** For each schedule of a target, the latest finished Run, where it failed. */
function failedRuns(inventory: Inventory, target: Resource, now: Date): readonly Attention[] {
  const runs = runsOf(inventory, target)
  return (['Batch', 'Streaming'] as const).flatMap((evaluation) => {
    const own = runs.filter((run) => (run.spec.evaluation ?? 'Batch') === evaluation)
    const latest = own.find(isFinished)
    const succeeded = latest && conditionOf(latest, 'succeeded')
    if (!latest || !succeeded || stateOf(latest) !== 'failed' || ['Replaced', 'TargetGone'].includes(succeeded.reason))
      return []
    const { steps = [], retryTime, step } = latest.status ?? {}
    const failed = steps.find(({ outcome }) => outcome === 'Failed')
    const name = failed?.name ?? step
    const isRetried = retryTime !== undefined && Date.parse(retryTime) > now.getTime()
    const after = isRetried ? `; it is tried again ${relativeTo(now, new Date(retryTime))}` : ''
    return [
      {
        ...entry(
          isRetried ? 'warning' : 'error',
          target,
          `failed${name === undefined ? '' : ` in ${name}`}: ${failed?.reason ?? succeeded.reason}${after}`,
          failed?.reason ?? succeeded.reason,
          {
            message: failed?.message ?? succeeded.message,
            since: latest.status?.finishedAt ?? succeeded.lastTransitionTime,
            next: [
              ['logs', latest.metadata.name],
              ['run', '--retry', latest.metadata.name, '--wait'],
            ],
          },
        ),
        run: latest.metadata.name,
      },
    ]
  })
}

function heldSegments(activation: Activation, refused: ReadonlySet<string>): readonly Attention[] {
  return (activation.status?.held ?? []).flatMap((held) => {
    const { segment, reason, message = '', run, since, runs = 0, list, left, baseline } = held
    // The Segment's own entry says it already.
    if (reason === 'CompileFailed' && refused.has(`${activation.metadata.namespace}/${segment}`)) return []
    const isBreaker = reason === 'CircuitBreaker'
    return [
      {
        ...entry(
          runs >= longHoldRuns ? 'error' : 'warning',
          activation,
          isBreaker ? `holds \`${segment}\` back` : `does not deliver \`${segment}\`: ${reason}`,
          reason,
          {
            message: isBreaker
              ? [message, ...aboutHold(runs, list, left, baseline)].filter(Boolean).join(' ')
              : message,
            since: since ?? null,
            next: isBreaker ? [['approve', activation.metadata.name, segment]] : [],
          },
        ),
        run: run ?? null,
      },
    ]
  })
}

/** How old a hold is, and what became of the list meanwhile, as sentences. */
function aboutHold(
  runs: number,
  list: number | undefined,
  left: number | undefined,
  baseline: string | undefined,
): readonly string[] {
  return [
    ...(runs > 1 ? [`Held in ${runs} Runs in a row.`] : []),
    ...(list === undefined
      ? []
      : [
          `The list has ${list} people${baseline === undefined ? '' : `, delivered by ${baseline}`}; ${left ?? 0} of them have left.`,
        ]),
  ]
}

/** Slots that nobody ran: those that are late now, and those that were missed for good. */
function slotsOf(target: ResourceByKind[RunnableKind], now: Date): readonly Attention[] {
  const { status } = target
  if (!status || isSuspended(target)) return []
  const found: Attention[] = []
  const nextTimes =
    target.kind === 'ProfileStore'
      ? [target.status?.nextBatchTime, target.status?.nextStreamingTime]
      : [target.status?.nextScheduledTime]
  const late = nextTimes.filter((time) => time !== undefined && now.getTime() - Date.parse(time) > lateSeconds * 1000)
  if (late[0] !== undefined && (status.activeRuns ?? []).length === 0)
    found.push(
      entry('warning', target, `was due ${relativeTo(now, new Date(late[0]))}, and no Run was made`, 'Late', {
        message: 'Is the operator running?',
        since: null,
      }),
    )
  const { missedSlots = 0 } = status
  const lastMissed = status.lastMissedTime ?? null
  const isRecent = lastMissed === null || now.getTime() - Date.parse(lastMissed) < recently * 1000
  if (missedSlots > 0 && isRecent)
    found.push(
      entry(
        'warning',
        target,
        `missed ${missedSlots.toLocaleString('en')} ${missedSlots === 1 ? 'slot' : 'slots'} since it was made`,
        'MissedSlots',
        { since: lastMissed },
      ),
    )
  return found
}

/** Resources that the operator has not seen, or not since their latest change: one entry for all of them. */
function unseen(inventory: Inventory, now: Date): readonly Attention[] {
  const waiting = Object.values(inventory)
    .flat()
    .filter((resource) => {
      const seen = resource.status?.observedGeneration ?? -1
      const age = now.getTime() - Date.parse(resource.metadata.creationTimestamp ?? now.toISOString())
      return seen < (resource.metadata.generation ?? 0) && age > unseenSeconds * 1000
    })
  if (waiting.length === 0) return []
  const names = waiting.slice(0, 3).map((resource) => `${resource.kind}/${resource.metadata.name}`)
  const others = waiting.length - names.length
  return [
    {
      severity: 'warning',
      resource: null,
      run: null,
      what: `${waiting.length} ${waiting.length === 1 ? 'resource waits' : 'resources wait'} for the operator`,
      reason: 'NotObserved',
      message: `${names.join(', ')}${others > 0 ? ` and ${others} more` : ''}. Is the operator running, and does it watch this namespace?`,
      since: null,
      next: [],
    },
  ]
}

function entry(
  severity: Attention['severity'],
  resource: Resource,
  what: string,
  reason: string,
  more: { readonly message?: string; readonly since: string | null; readonly next?: Attention['next'] },
): Attention {
  const { kind, metadata } = resource
  return {
    severity,
    resource: { kind, namespace: metadata.namespace ?? '', name: metadata.name },
    run: null,
    what,
    reason,
    message: more.message ?? '',
    since: more.since,
    next: more.next ?? [],
  }
}

/** `TooManySegments` → `too-many-segments`. */
function kebab(reason: string): string {
  return reason.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '-').toLowerCase()
}
