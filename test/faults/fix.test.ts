import { expect, test } from 'vitest'
import { applyFixes, type Diagnostic } from '#compiler'

const text = '0123456789'

/** A finding with a safe fix that puts `-` in the place of these characters. */
const finding = (start: number, end: number): Diagnostic => ({
  code: 'invalid-value',
  severity: 'error',
  message: 'wrong',
  file: 'a.yaml',
  span: { start, end },
  resource: null,
  path: '',
  related: [],
  fixes: [{ title: 'Replace', safety: 'safe', edits: [{ file: 'a.yaml', start, end, text: '-' }] }],
})

test.each([
  ['apart, the later one first', [finding(7, 9), finding(1, 3)], '0-3456-9', 2],
  ['side by side', [finding(1, 3), finding(3, 5)], '0--56789', 2],
  ['one inside another', [finding(1, 6), finding(2, 3)], '0-6789', 1],
  ['one around another', [finding(4, 5), finding(1, 8)], '0123-56789', 1],
  ['over the end of another', [finding(1, 4), finding(3, 6), finding(6, 7)], '0-45-789', 2],
  ['an insertion, and another before it', [finding(4, 4), finding(4, 4), finding(3, 4)], '012--456789', 2],
  ['at the very end', [finding(10, 10), finding(0, 1)], '-123456789-', 2],
] as const)('of fixes that overlap the first is applied: %s', (_, findings, expected, count) => {
  const { changed, applied } = applyFixes([{ file: 'a.yaml', text }], findings, ['safe'])
  expect([changed[0]?.text, applied]).toEqual([expected, count])
})

test('tens of thousands of fixes in one file take no time', () => {
  const lines = 50_000
  const findings = Array.from({ length: lines }, (_, index) => finding(index * 6 + 3, index * 6 + 5))
  const before = process.threadCpuUsage()
  const { changed, applied } = applyFixes([{ file: 'a.yaml', text: 'a: NO\n'.repeat(lines) }], findings, ['safe'])
  const { user, system } = process.threadCpuUsage(before)
  expect([changed[0]?.text, applied]).toEqual(['a: -\n'.repeat(lines), lines])
  expect((user + system) / 1000).toBeLessThan(2000)
})
