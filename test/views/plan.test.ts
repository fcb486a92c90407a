// The pages of plans and of tests in a real browser: whatever changes, whoever leaves, whatever fails.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { changePlan } from '../../compiler/index.ts'
import { type AudienceCount, planDocument, planReport, type TestedDocument, testReport } from '../../views/index.ts'
import { browserForTests, checkPage, chromium, wanted, ways } from './browser.ts'
import { at, compiled, oddNames, project, sceneOf } from './scenes.ts'

// A browser on a busy machine takes its time.
vi.setConfig({ testTimeout: 240_000 })

type Named = Parameters<typeof project>[0]

function pageOf(before: Named, after: Named, counts: readonly Partial<AudienceCount>[] | null): string {
  const [old, now] = [
    compiled(before.length === 0 ? '' : project(before)),
    compiled(after.length === 0 ? '' : project(after)),
  ]
  const known =
    after.length === 0 || counts === null
      ? null
      : sceneOf(now, new Map(after.map(({ name }, index) => [name, { members: 100 + index, wasBefore: 100 }])))
  const document = planDocument({
    plan: changePlan(old, now),
    before: old,
    after: now,
    at,
    against: 'origin/main',
    known,
    gaps: [],
    counts:
      counts?.map((count, index) => ({
        segment: after[index]!.name,
        namespace: 'default',
        store: 'people',
        before: 100,
        after: 100,
        entered: 0,
        exited: 0,
        campaign: {},
        withoutConsent: {},
        ...count,
      })) ?? null,
  })
  return planReport(document, { where: 'a project' })
}

const odd = oddNames.map((displayName, index) => ({ name: `odd-${index}`, displayName }))
const edited = odd.map(({ name, displayName }) => ({
  name,
  displayName: `${displayName} new`,
  expression: 'age >= 21',
}))
const many = Array.from({ length: 4000 }, (_, index) => ({
  name: `segment-${index + 1}`,
  displayName: `Number ${index + 1}`,
}))

const tested = (
  name: (index: number) => string,
  count: number,
  passes: (index: number) => boolean,
): TestedDocument => ({
  at: at.toISOString(),
  segments: count,
  cases: Array.from({ length: count }, (_, index) => ({
    suite: `suite ${index % 3}`,
    name: name(index),
    engine: index % 2 === 0 ? 'reference' : 'duckdb',
    passed: passes(index),
    segment: name(index),
    lines: passes(index) ? [] : [`at 2026-01-15: members: expected ${name(index)}; found nobody`, '  false  age >= 18'],
  })),
  coverage: Array.from({ length: count }, (_, index) => ({
    of: name(index),
    leaves: [
      { text: 'age >= 18', true: index % 4, false: index % 3 },
      { text: `email = "${name(index)}"`, true: 0, false: index % 2 },
    ],
  })),
})

const pages: Readonly<Record<string, readonly [make: () => string, headline: string]>> = {
  'plan of nothing': [() => pageOf([], [], null), 'Nothing changes.'],
  'plan with errors': [
    () => pageOf([{ name: 'good' }], [{ name: 'good', expression: 'agee > 1' }], null),
    '1 error: nothing of this can be applied yet.',
  ],
  'plan without data': [
    () => pageOf([{ name: 'good' }], [{ name: 'good', expression: 'age > 20' }], null),
    '1 Segment is defined anew.',
  ],
  'plan that is held': [
    () => pageOf([{ name: 'good' }], [{ name: 'good', expression: 'age > 20' }], [{ after: 40, exited: 60 }]),
    '60 readers would leave, and the next delivery of good would be held.',
  ],
  'plan of odd names': [
    () =>
      pageOf(
        odd,
        edited,
        edited.map((_, index) => ({ after: 100 - index * 9, exited: index * 10, entered: index })),
      ),
    'The next deliveries of 3 Segments would be held.',
  ],
  'plan of four thousand': [
    () =>
      pageOf(
        [],
        many,
        many.map(() => ({ before: null, entered: 100 })),
      ),
    '4,000 Segments would change: 400,000 would come, 0 would go.',
  ],
  'tests that pass': [
    () =>
      testReport(
        tested(
          (index) => `case ${index}`,
          3,
          () => true,
        ),
        { where: 'a project' },
      ),
    'All 3 cases pass.',
  ],
  'tests that fail': [
    () =>
      testReport(
        tested(
          (index) => oddNames[index]!,
          oddNames.length,
          (index) => index > 4,
        ),
        { where: 'a project' },
      ),
    '5 cases of 9 fail.',
  ],
  'tests of four thousand': [
    () =>
      testReport(
        tested(
          (index) => `case ${index}`,
          4000,
          (index) => index % 50 > 0,
        ),
        { where: 'a project' },
      ),
    '80 cases of 4,000 fail.',
  ],
}

test.each(Object.entries(pages))('%s says so first', (_, [make, headline]) => {
  const [, said] = /<h1>(.*?)<\/h1>/s.exec(make()) ?? []
  expect(said).toBe(headline)
})

describe(`plans and tests in a browser${wanted}`, () => {
  const { folder, browser } = browserForTests()
  test.skipIf(chromium === null).each(Object.keys(pages))('%s', async (name) => {
    const page = pages[name]![0]()
    const short = name.replaceAll(' ', '-')
    const file = join(folder, `${short}.html`)
    writeFileSync(file, page)
    expect(Buffer.byteLength(page)).toBeLessThan(500_000)
    for (const way of ways) await checkPage(browser(), file, short, way)
  })
})
