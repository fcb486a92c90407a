import { expect, test } from 'vitest'
import { compile, type Engine, reference, runCase, type Suite } from '#compiler'

const suiteOf = (timeline: string): Suite =>
  compile([
    {
      file: 'a.test.yaml',
      text: `apiVersion: convoke.dev/v1alpha1
kind: SegmentTest
metadata: {name: shop}
spec:
  schema: {profile: {type: object, properties: {name: {type: string}}}, event: {type: object, properties: {price: {type: number}}}}
  profiles:
    - {id: early, events: [{timestamp: "2026-01-10T00:00:00Z"}]}
    - {id: late, events: [{timestamp: "2026-01-14T00:00:00Z"}]}
    - {id: ahead, events: [{timestamp: "2026-03-01T00:00:00Z"}]}
    - {id: never}
  cases:
    - name: a
      expression: exists E from xEvent where E.timestamp occurs <= 7 days before now
      timeline:
${timeline}
`,
    },
  ]).suites[0]!

const suite = suiteOf(`        - {at: "2026-01-15T00:00:00Z", members: [early, late]}
        - {at: "2026-01-16T00:00:00Z", members: [early, late]}
        - {at: "2026-01-18T00:00:00Z", members: [late]}
        - {at: "2026-01-19T00:00:00Z", profiles: [{id: never, attributes: {name: X}}], events: [{profile: early}], members: [early, late]}
        - {at: "2026-03-01T00:00:00Z", members: [ahead]}`)

test('only people whose data changed, or whose membership can turn by time, are evaluated again', async () => {
  const asked: string[][] = []
  const engine: Engine = (segments, people, at) => {
    asked.push([...people.keys()].sort())
    return reference(segments, people, at)
  }
  expect((await runCase(suite.cases[0]!, engine)).passed).toBe(true)
  const everybody = ['ahead', 'early', 'late', 'never']
  expect(asked).toEqual([
    everybody,
    ...[[], ['early'], ['early', 'never'], ['ahead', 'early', 'late']].flatMap((again) => [everybody, again]),
  ])
})

test('a case fails where the incremental evaluation finds others than the full one, though the members are right', async () => {
  // Right for everybody at once, wrong for a few.
  const engine: Engine = async (segments, people, at) => {
    const members = await reference(segments, people, at)
    return people.size === 4 ? members : new Set([...members, 'early'])
  }
  const result = await runCase(suite.cases[0]!, engine)
  if (result.kind !== 'steps') throw new Error(result.kind)
  expect(result.steps.map(({ passed }) => passed)).toEqual([true, true, false, true, false])
  expect(result.steps[2]).toMatchObject({ members: ['late'], incremental: ['early', 'late'] })
})
