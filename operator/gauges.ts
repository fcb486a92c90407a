import type { Resource } from './definition.ts'
import type { Clock } from './kernel/clock.ts'
import type { OperatorMetrics } from './metrics.ts'

/** Gauges named by resources: set while the resource is there, gone with it, and never more than so many. */
export type ResourceGauges = {
  readonly show: (resource: Resource) => void
  readonly hide: (kind: string, namespace: string, name: string) => void
}

const most = 1000

export function openGauges(metrics: OperatorMetrics, clock: Clock): ResourceGauges {
  const shown = { Segment: new Set<string>(), Activation: new Set<string>(), CampaignInstance: new Set<string>() }

  return {
    show(resource) {
      const { kind, namespace, name } = resource
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
          const { lastSuccessfulTime } = (resource as Resource<'Activation'>).status
          if (lastSuccessfulTime === undefined) return
          const atMs = Date.parse(lastSuccessfulTime)
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
    hide(kind, namespace, name) {
      if (!(kind in shown) || !shown[kind as keyof typeof shown].delete(`${namespace}/${name}`)) return
      switch (kind as keyof typeof shown) {
        case 'Segment':
          return metrics.remove('convoke_segment_members', { namespace, segment: name })
        case 'Activation':
          return metrics.remove('convoke_delivery_age_seconds', { namespace, activation: name })
        case 'CampaignInstance': {
          const labels = { namespace, instance: name, limit: 'segments' }
          metrics.remove('convoke_guardrail_use', labels)
          metrics.remove('convoke_guardrail_limit', labels)
        }
      }
    },
  }
}
