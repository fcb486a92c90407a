// What statuses and metrics say of those who may not be sent.
import { expect, test } from 'vitest'
import { apiVersion, type JobPlan, type RunStatus } from '#crds'
import { activationAfter } from '#protocol'
import { resourceOf } from '../../operator/definition.ts'
import { openGauges } from '../../operator/gauges.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import { openRegistry } from '../../operator/kernel/metrics-registry.ts'
import { operatorMetrics } from '../../operator/metrics.ts'
import { deliveriesAfter } from '../../protocol/deliveries.ts'
import { planOf } from '../export/store.ts'

const plan: JobPlan = planOf({})

/** What an Activation remembers of a Run whose export counted these. */
const after = (before: Parameters<typeof activationAfter>[0], totals: Record<string, number>, succeeded = true) => {
  const status: RunStatus = { steps: [{ name: 'export', outcome: 'Succeeded', totals }] }
  const spec = {
    target: { kind: 'Activation', name: 'offers' },
    scheduledTime: '2026-12-01T04:00:00Z',
    trigger: 'Schedule',
    planDigest: plan.digest,
  } as const
  return activationAfter(before, { name: 'run', spec, status }, plan, succeeded, () => null, 0).withoutConsent
}

test('a Run says of each Segment how many may not be sent, where a store has consent', () => {
  const details = [
    { segment: 'gold', members: 4, realized: 3, exited: 0, counts: { missingMandatory: 0, withoutConsent: 1 } },
    { segment: 'silver', members: 2, realized: 2, exited: 0, counts: { missingMandatory: 0 } },
  ]
  const told = deliveriesAfter([], 'export', plan, details, true)
  expect(told?.map(({ segment, withoutConsent }) => [segment, withoutConsent])).toEqual([
    ['gold', 1],
    ['silver', undefined],
  ])
})

test('a Segment that is held, and whose withdrawals were delivered, counts from that delivery', () => {
  const detail = { segment: 'gold', members: 4, held: 'too many', manifest: 'gold.csv.manifest.json', exited: 3 }
  const [told] = deliveriesAfter([], 'export', plan, [detail], true) ?? []
  expect(told).toMatchObject({ held: 'too many', acknowledged: true, manifest: 'gold.csv.manifest.json' })
})

test('an Activation has the number of the latest Run that succeeded; 0 once consent is lifted', () => {
  expect(after({}, { rows: 3 })).toBeUndefined()
  expect(after({}, { withoutConsent: 12 })).toBe(12)
  expect(after({ withoutConsent: 12 }, { withoutConsent: 13 }, false)).toBeUndefined()
  expect(after({ withoutConsent: 12 }, { rows: 3 })).toBe(0)
})

test('a gauge has it, while the Activation is there', async () => {
  const registry = openRegistry(operatorMetrics)
  const gauges = openGauges(registry, realClock)
  const activation = (name: string, withoutConsent: number | undefined) =>
    resourceOf('Activation', {
      apiVersion,
      kind: 'Activation',
      metadata: { namespace: 'shop', name, uid: name, resourceVersion: '1' },
      status: withoutConsent === undefined ? {} : { withoutConsent },
    })
  const shown = async () =>
    [...(await registry.text()).matchAll(/^convoke_activation_without_consent\{.*activation="(.*?)".*\} (\d+)$/gm)].map(
      ([, name, value]) => `${name} ${value}`,
    )
  gauges.show(activation('offers', 12))
  gauges.show(activation('others', undefined))
  expect(await shown()).toEqual(['offers 12'])
  gauges.show(activation('offers', 0))
  expect(await shown()).toEqual(['offers 0'])
  gauges.hide('Activation', 'shop', 'offers')
  expect(await shown()).toEqual([])
})
