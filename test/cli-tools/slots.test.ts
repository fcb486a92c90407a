import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { compile, effectiveLatency } from '#compiler'
import { convoke, folderOf } from './command-line.ts'

const bundle = readFileSync(new URL('../fixtures/retail.yaml', import.meta.url), 'utf8')

/** The bundle with these Segments added, by name: `Batch` or `Streaming`, and the Segments it refers to. */
function withSegments(segments: Readonly<Record<string, readonly string[]>>): string {
  return (
    bundle +
    Object.entries(segments)
      .map(
        ([name, [evaluation, ...references]]) => `---
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: { name: ${name} }
spec:
  profileStoreRef: { name: readers }
  evaluation: ${evaluation}
  expression: ${references.length === 0 ? 'club.credits > 3' : references.map((other) => `inSegment("${other}")`).join(' and ')}
`,
      )
      .join('')
  )
}

test.each([
  ['the interval of streaming', {}, 'patrons', '5m', 'patrons'],
  ['a day for a Batch Segment', {}, 'quiet-buyers', '24h', 'quiet-buyers'],
  [
    'that of the Batch Segment which a Streaming one refers to',
    { a: ['Streaming', 'quiet-buyers'] },
    'a',
    '24h',
    'quiet-buyers',
  ],
  [
    'that of a Segment far behind',
    { a: ['Streaming', 'patrons', 'b'], b: ['Streaming', 'c'], c: ['Batch'] },
    'a',
    '24h',
    'c',
  ],
  [
    'the interval over any number of Streaming ones',
    { a: ['Streaming', 'b'], b: ['Streaming', 'patrons'] },
    'a',
    '5m',
    'a',
  ],
  ['its own, where a Batch Segment refers to a Streaming one', { a: ['Batch', 'patrons'] }, 'a', '24h', 'a'],
  [
    'the slowest of a circle',
    { a: ['Streaming', 'b'], b: ['Streaming', 'a', 'quiet-buyers'] },
    'a',
    '24h',
    'quiet-buyers',
  ],
] as const)('a Segment is as late as %s', (_, segments, name, text, slowest) => {
  const { model } = compile([{ file: 'bundle.yaml', text: withSegments(segments) }])
  const segment = model.segments.find(({ resource }) => resource.name === name)!
  const latency = effectiveLatency(segment, model)
  expect([latency.text, latency.slowest.resource.name]).toEqual([text, slowest])
  expect(latency.seconds).toBe(text === '5m' ? 300 : 86_400)
})

test('the interval is that of the store', () => {
  const { model } = compile([{ file: 'bundle.yaml', text: bundle.replace('every: 5m', 'every: 90s') }])
  const segment = model.segments.find(({ resource }) => resource.name === 'patrons')!
  expect(effectiveLatency(segment, model)).toMatchObject({ seconds: 90, text: '90s' })
})

test('every Segment is listed with how late it may be, and why', async () => {
  const folder = folderOf({ 'bundle.yaml': withSegments({ 'new-patrons': ['Streaming', 'patrons', 'quiet-buyers'] }) })
  const { code, out } = await convoke(folder, ['slots', '.'])
  expect(code).toBe(0)
  expect(out.split('\n').filter((line) => line.startsWith('Segment '))).toEqual([
    'Segment new-patrons (Streaming): up to 24h late, as `quiet-buyers` is',
    'Segment patrons (Streaming): up to 5m late',
    'Segment quiet-buyers (Batch): up to 24h late',
    'Segment quiet-patrons (Batch): up to 24h late',
  ])
  const { segments } = JSON.parse((await convoke(folder, ['slots', '.', '-o', 'json'])).out)
  expect(segments[0]).toEqual({
    namespace: 'default',
    name: 'new-patrons',
    evaluation: 'Streaming',
    effectiveLatency: '24h',
    effectiveLatencySeconds: 86_400,
    slowest: 'quiet-buyers',
  })
  expect((await convoke(folder, ['graph', '.', '-o', 'dot'])).out).toContain(
    'patrons\\nSegment: Streaming, up to 5m late',
  )
})

test('an instant stands with what clocks say where the schedule has a time zone of its own', async () => {
  const folder = folderOf({ 'all.yaml': bundle })
  const linesOf = async (from: string, to: string): Promise<readonly string[]> =>
    (await convoke(folder, ['slots', '.', '--from', from, '--to', to])).out.split('\n')
  expect(await linesOf('2026-07-01', '2026-07-02')).toContain('  2026-07-01T01:15:00Z  Wed 03:15 +0200')
  expect(await linesOf('2026-12-01', '2026-12-02')).toContain('  2026-12-01T02:15:00Z  Tue 03:15 +0100')
  expect(await linesOf('2026-12-01', '2026-12-02')).toContain('  2026-12-01T00:30:00Z')
})
