import { type ConditionReason, dataComplete, evaluated, expectationsMet, type RunnableKind, runnableKinds } from '#crds'
import { type Condition, conditionOf } from '#protocol'
import type { Resource } from './definition.ts'
import type { Clock } from './kernel/clock.ts'
import type { OperatorMetrics } from './metrics.ts'
import { stuckReasons } from './target/decide.ts'

/** Gauges that are named by resources: each is set while its resource is there and goes with it; their number is bounded. */
export type ResourceGauges = {
  readonly show: (resource: Resource) => void
  readonly hide: (kind: string, namespace: string, name: string) => void
  /** Sets whether the latest compilation of a namespace was ended without an answer. */
  readonly compiling: (namespace: string, isStopped: boolean) => void
}

const most = 1000

export function openGauges(metrics: OperatorMetrics, clock: Clock): ResourceGauges {
  const shown = { Segment: new Set<string>(), Activation: new Set<string>(), CampaignInstance: new Set<string>() }
  /** For each target whose Run is stuck, why it is. */
  const stuck = new Map<string, ConditionReason>()
  /** For each Dataset, what is amiss with its data. */
  const amiss = new Map<string, readonly string[]>()
  /** Activations with a Segment that the circuit breaker holds. */
  const holding = new Set<string>()
  /** Segments that cannot be evaluated. */
  const faulty = new Set<string>()
  /** Namespaces whose compiling was ended. */
  const stopped = new Set<string>()

  return {
    show(resource) {
      const { kind, namespace, name } = resource
      if (isRunnable(kind)) showStuck(kind, namespace, name, conditionOf(resource.status.conditions, 'Ready')?.reason)
      if (kind === 'Dataset') showAmiss(namespace, name, resource.status.conditions ?? [])
      if (kind === 'Segment') showFaulty(namespace, name, isFaulty(resource.status.conditions ?? []))
      if (kind === 'Activation') showHold(namespace, name, (resource as Resource<'Activation'>).status.held ?? [])
      if (kind !== 'Segment' && kind !== 'Activation' && kind !== 'CampaignInstance') return
      const key = `${namespace}/${name}`
      if (!shown[kind].has(key) && shown[kind].size >= most) return
      switch (kind) {
        case 'Segment': {
          const { members } = (resource as Resource<'Segment'>).status
          if (members === undefined) return
          metrics.set('convoke_segment_members', { namespace, segment: name }, members)
          break
        }
        case 'Activation': {
          const { status, definition } = resource as Resource<'Activation'>
          if (status.withoutConsent !== undefined)
            metrics.set('convoke_activation_without_consent', { namespace, activation: name }, status.withoutConsent)
          if (status.observedSchedule === 'suspended') return this.hide(kind, namespace, name)
          // The age counts from the latest success, or from creation or the latest change of schedule where that is later.
          const times = [status.lastSuccessfulTime, status.scheduleChangedTime, definition.metadata.creationTimestamp]
          const atMs = Math.max(...times.flatMap((time) => (time === undefined ? [] : [Date.parse(time)])))
          metrics.read(
            'convoke_delivery_age_seconds',
            { namespace, activation: name },
            () => (clock.now() - atMs) / 1000,
          )
          break
        }
        case 'CampaignInstance': {
          const { segments, heldSegments = 0, segmentLimit } = (resource as Resource<'CampaignInstance'>).status
          if (segments === undefined || segmentLimit === undefined) return
          const labels = { namespace, instance: name, limit: 'segments' }
          metrics.set('convoke_guardrail_use', labels, segments + heldSegments)
          metrics.set('convoke_guardrail_limit', labels, segmentLimit)
        }
      }
      shown[kind].add(key)
    },
    compiling(namespace, isStopped) {
      if (isStopped && (stopped.has(namespace) || stopped.size < most)) {
        stopped.add(namespace)
        metrics.set('convoke_compile_stopped', { namespace }, 1)
      } else if (!isStopped && stopped.delete(namespace)) metrics.remove('convoke_compile_stopped', { namespace })
    },
    hide(kind, namespace, name) {
      if (isRunnable(kind)) showStuck(kind, namespace, name, undefined)
      if (kind === 'Dataset') showAmiss(namespace, name, [])
      if (kind === 'Segment') showFaulty(namespace, name, false)
      if (kind === 'Activation') showHold(namespace, name, [])
      if (!(kind in shown) || !shown[kind as keyof typeof shown].delete(`${namespace}/${name}`)) return
      switch (kind as keyof typeof shown) {
        case 'Segment':
          return metrics.remove('convoke_segment_members', { namespace, segment: name })
        case 'Activation':
          metrics.remove('convoke_activation_without_consent', { namespace, activation: name })
          return metrics.remove('convoke_delivery_age_seconds', { namespace, activation: name })
        case 'CampaignInstance': {
          const labels = { namespace, instance: name, limit: 'segments' }
          metrics.remove('convoke_guardrail_use', labels)
          metrics.remove('convoke_guardrail_limit', labels)
        }
      }
    },
  }

  function showStuck(kind: RunnableKind, namespace: string, target: string, reason: string | undefined): void {
    const key = `${kind}/${namespace}/${target}`
    const [before, now] = [stuck.get(key), stuckReasons.find((each) => each === reason)]
    if (before === now) return
    if (before !== undefined) metrics.remove('convoke_run_stuck', { namespace, kind, target, reason: before })
    stuck.delete(key)
    if (now === undefined || stuck.size >= most) return
    stuck.set(key, now)
    metrics.set('convoke_run_stuck', { namespace, kind, target, reason: now }, 1)
  }

  function showHold(namespace: string, activation: string, held: readonly { readonly runs?: number }[]): void {
    const key = `${namespace}/${activation}`
    const runs = Math.max(0, ...held.map((each) => each.runs ?? 0))
    if (runs > 0 && (holding.has(key) || holding.size < most)) {
      holding.add(key)
      metrics.set('convoke_hold_runs', { namespace, activation }, runs)
    } else if (runs === 0 && holding.delete(key)) metrics.remove('convoke_hold_runs', { namespace, activation })
  }

  function showFaulty(namespace: string, segment: string, isFaulty: boolean): void {
    const key = `${namespace}/${segment}`
    if (isFaulty === faulty.has(key) || (isFaulty && faulty.size >= most)) return
    if (isFaulty) {
      faulty.add(key)
      metrics.set('convoke_segment_faulty', { namespace, segment }, 1)
    } else {
      faulty.delete(key)
      metrics.remove('convoke_segment_faulty', { namespace, segment })
    }
  }

  function showAmiss(namespace: string, dataset: string, conditions: readonly Condition[]): void {
    const key = `${namespace}/${dataset}`
    const before = amiss.get(key) ?? []
    const now = conditions.flatMap(({ type, status, reason }) =>
      status === 'False' && (type === dataComplete || type === expectationsMet) ? [reason] : [],
    )
    for (const reason of before)
      if (!now.includes(reason)) metrics.remove('convoke_dataset_amiss', { namespace, dataset, reason })
    amiss.delete(key)
    if (now.length === 0 || amiss.size >= most) return
    amiss.set(key, now)
    for (const reason of now) metrics.set('convoke_dataset_amiss', { namespace, dataset, reason }, 1)
  }
}

function isFaulty(conditions: readonly Condition[]): boolean {
  return conditions.some(({ type, status }) => type === evaluated && status === 'False')
}

function isRunnable(kind: string): kind is RunnableKind {
  return runnableKinds.some((each) => each === kind)
}
