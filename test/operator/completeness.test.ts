import { expect, test } from 'vitest'
import { refusedIn, withCompleteness } from '#protocol'

const ready = {
  type: 'Ready',
  status: 'True',
  lastTransitionTime: '2026-01-01T00:00:00Z',
  reason: 'Ready',
  message: '',
} as const
const details = [
  { dataset: 'customers', refused: [{ file: 'a.csv', reason: 'it has no row.', approval: '0123456789ab' }] },
  { dataset: 'orders', refused: [{ file: 'b.csv', reason: 'its gzip is damaged.' }] },
  { dataset: 'returns' },
]
const at = (day: number) => Date.UTC(2026, 0, day)

test('a condition says which files were refused, and how one passes; the others stay', () => {
  const [own, complete] = withCompleteness([ready], refusedIn(details), 3, at(2))
  expect(own).toBe(ready)
  expect(complete).toMatchObject({
    type: 'DataComplete',
    status: 'False',
    reason: 'FilesRefused',
    observedGeneration: 3,
    lastTransitionTime: '2026-01-02T00:00:00Z',
  })
  expect(complete?.message).toBe(
    '2 files were refused, and what was there before stays. customers, a.csv: it has no row. orders, b.csv: its gzip is damaged. What only lacks something passes by `kubectl convoke approve Dataset/customers`.',
  )
})

test('its time moves with the status alone', () => {
  const first = withCompleteness([ready], refusedIn(details), 3, at(2))
  const again = withCompleteness(first, refusedIn(details.slice(0, 1)), 3, at(3))
  expect(again[1]?.lastTransitionTime).toBe('2026-01-02T00:00:00Z')
  expect(withCompleteness(again, [], 3, at(4))[1]).toMatchObject({
    status: 'True',
    reason: 'AllFilesRead',
    lastTransitionTime: '2026-01-04T00:00:00Z',
    message: '',
  })
})
