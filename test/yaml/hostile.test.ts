import { expect, test } from 'vitest'
import { readYaml } from '../../compiler/yaml/index.ts'

const million = 1_000_000

/** Milliseconds of this thread: what else the machine does is no matter. */
function timed<T>(work: () => T): { readonly result: T; readonly milliseconds: number } {
  const before = process.threadCpuUsage()
  const result = work()
  const { user, system } = process.threadCpuUsage(before)
  return { result, milliseconds: (user + system) / 1000 }
}

const bomb = `a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n${Array.from({ length: 12 }, (_, index) => `a${index + 1}: &a${index + 1} [${Array.from({ length: 10 }, () => `*a${index}`).join(', ')}]\n`).join('')}`

const faulty: readonly (readonly [title: string, text: string])[] = [
  ['an alias bomb', bomb],
  ['an alias to itself', 'a: &a [*a]\n'],
  [
    'a bomb of merge keys',
    `a0: &a0 {x: 1}\n${Array.from({ length: 30 }, (_, index) => `a${index + 1}: &a${index + 1} {<<: [*a${index}, *a${index}], k${index}: 1}\n`).join('')}`,
  ],
  ['10,000 nested lists on a line', `a: ${'['.repeat(10_000)}${']'.repeat(10_000)}\n`],
  ['10,000 nested maps on a line', `${'{a: '.repeat(10_000)}1${'}'.repeat(10_000)}\n`],
  ['10,000 open brackets', '['.repeat(10_000)],
  ['10,000 dashes', `${'- '.repeat(10_000)}a\n`],
  ['10,000 question marks', '? '.repeat(10_000)],
  ['1,000 nested block maps', Array.from({ length: 1000 }, (_, index) => `${' '.repeat(index)}a:\n`).join('')],
  ['a line of 10 MB that needs the full reader', `a: ${'b?'.repeat(5 * million)}\nc: &x 1\n`],
  ['10 MB of closing brackets', ']'.repeat(10 * million)],
  ['10 MB of NUL', '\0'.repeat(10 * million)],
  ['100,000 closing brackets', ']'.repeat(100_000)],
  ['an unclosed quote of 1 MB', `a: "${'x\n'.repeat(500_000)}`],
  ['a lone surrogate', 'a: "\ud800"\n'],
  ['a lone surrogate in an escape', 'a: "\\ud800"\n'],
  ['a NUL', 'a: b\0c\n'],
  ['a tab as indentation', 'a:\n\tb: 1\n'],
  ['an unknown tag', 'a: !!js/function x\n'],
  ['100,000 documents with anchors', '---\na: &x 1\nb: *x\n'.repeat(100_000)],
  ['100,000 documents with tags', '---\na: !!str 1\n'.repeat(100_000)],
  ['100,000 larger documents with anchors', '---\na: &x 1\nb: some text\nc: more text\nd: 12\n'.repeat(100_000)],
]

test.each(faulty)('%s ends in a fault within a second or so', (_, text) => {
  const { result, milliseconds } = timed(() => readYaml(text))
  const { faults } = result
  // The promise is one second; the rest is for a slow machine.
  expect(milliseconds).toBeLessThan(3000)
  expect(faults.length).toBeGreaterThan(0)
  expect(faults.length).toBeLessThan(100)
  expect(faults.every(({ start, end }) => start <= end && end <= text.length)).toBe(true)
})

test('of 100,000 faulty documents a part is reported, and that the rest is unread', () => {
  const { result, milliseconds } = timed(() => readYaml('---\na: [\n'.repeat(100_000)))
  expect(milliseconds).toBeLessThan(3000)
  expect(result.faults.length).toBeGreaterThan(1000)
  expect(result.faults.at(-1)?.message).toMatch(/left unread from here on$/)
})

/** As kustomize writes it: long texts folded over lines. */
const resource = (description: string): string => `---
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata:
  labels:
    team: crm
  name: lapsed-buyers
spec:
  description: ${description}
  expression: |
    loyalty.points > 3
  profileStoreRef:
    name: retail
`

const fine: readonly (readonly [title: string, text: string, documents: number])[] = [
  ['100,000 documents', 'a: 1\n---\n'.repeat(100_000), 100_000],
  [
    '10,000 resources with folded text',
    resource('Bought at least three times, but nothing in the\n    last 90 days').repeat(10_000),
    10_000,
  ],
  ['10,000 resources for the full reader', resource('&text Bought at least three times').repeat(10_000), 10_000],
  ['10,000 resources with an end', `${resource('Bought often').repeat(10_000)}...\n`, 10_000],
  ['20,000 documents for the full reader', '---\na: &x 1\n'.repeat(20_000), 20_000],
  ['10 MB of document separators', '---\n'.repeat(2.5 * million), 0],
  ['a line of 10 MB', `a: ${'b'.repeat(10 * million)}\n`, 1],
  ['a quoted line of 10 MB', `a: "${'b\\n'.repeat(3 * million)}"\n`, 1],
  ['10 MB of blank lines', '\n'.repeat(10 * million), 0],
  ['10 MB of comments', '# x\n'.repeat(2.5 * million), 0],
  ['a list of a million', `a:\n${'- b\n'.repeat(million)}`, 1],
  ['a map of 100,000 keys', Array.from({ length: 100_000 }, (_, index) => `k${index}: v\n`).join(''), 1],
  ['a key named __proto__', '__proto__: {a: 1}\n', 1],
]

test.each(fine)('%s is read in linear time', (_, text, documents) => {
  const { result: read, milliseconds } = timed(() => readYaml(text))
  expect(milliseconds).toBeLessThan(5000)
  expect(read.faults).toEqual([])
  expect(read.documents).toHaveLength(documents)
})
