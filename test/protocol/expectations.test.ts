// How statuses say whether data is as expected, and that nothing is delivered while it is not.
import { expect, test } from 'vitest'
import type { Detail } from '#crds'
import { expectationsIn, holdOf, withExpectations } from '#protocol'

const ready = {
  type: 'Ready',
  status: 'True',
  lastTransitionTime: '2026-01-01T00:00:00Z',
  reason: 'Ready',
  message: '',
} as const
const fresh = { name: 'fresh', severity: 'Warn', met: false, message: 'it is 30 h old' } as const
const size = { name: 'size', severity: 'HoldActivations', met: false, message: 'it has 3 records' } as const
const at = (day: number) => Date.UTC(2026, 0, day)
const told = (...expectations: NonNullable<Detail['expectations']>) =>
  expectationsIn({ outcome: 'Succeeded' }, [{ dataset: 'orders', expectations }, { dataset: 'returns' }])!
const of = (...expectations: NonNullable<Detail['expectations']>) =>
  withExpectations([ready], told(...expectations), 3, at(2))

test.each([
  ['nothing is expected', of(), undefined],
  ['all is met', of({ ...size, met: true }), ['True', 'ExpectationsMet', '']],
  ['a warning', of(fresh, { ...size, met: true }), ['False', 'ExpectationUnmet', 'orders, fresh: it is 30 h old.']],
  [
    'what holds is told first',
    of(fresh, size),
    [
      'False',
      'ActivationsHeld',
      'Nothing of the store is delivered until this is met. orders, size: it has 3 records. orders, fresh: it is 30 h old.',
    ],
  ],
])('%s', (_, conditions, expected) => {
  expect(conditions[0]).toBe(ready)
  const found = conditions[1]
  expect(found && [found.status, found.reason, found.message]).toEqual(expected)
})

test('its time moves with the status alone, and it goes where nothing is expected any more', () => {
  const again = withExpectations(of(size), told(fresh), 4, at(3))
  expect(again[1]).toMatchObject({ observedGeneration: 4, lastTransitionTime: '2026-01-02T00:00:00Z' })
  expect(withExpectations(again, told(), 4, at(4))).toEqual([ready])
})

test('of an ingest that was cut off nothing is known', () => {
  expect(expectationsIn({ outcome: 'Failed' }, [])).toBeNull()
  expect(expectationsIn({ outcome: 'Succeeded' }, [])).toEqual([])
})

test('only HoldActivations holds, in words', () => {
  expect(holdOf('customers', of(fresh))).toBeNull()
  expect(holdOf('customers', undefined)).toBeNull()
  expect(holdOf('customers', of(size))).toBe(
    'The data of the ProfileStore customers is not as expected, so that nothing of it is delivered. orders, size: it has 3 records. Each ingestion of the store looks again; `severity: Warn` of the expectation delivers all the same.',
  )
})
