// The report of a run, in a real browser: whatever happened, it says so, balances, and fits.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { type RunDocument, runDocument, runReport } from '../../views/index.ts'
import { browserForTests, checkPage, chromium, wanted, ways } from './browser.ts'
import { at, compiled, type Fate, oddNames, project, sceneOf } from './scenes.ts'

// A browser on a busy machine takes its time.
vi.setConfig({ testTimeout: 240_000 })

const many = Array.from({ length: 4000 }, (_, index) => ({
  name: `segment-${index + 1}`,
  displayName: `Segment number ${index + 1}`,
}))
const odd = oddNames.map((displayName, index) => ({ name: `odd-${index}`, displayName }))

const fates = (names: readonly string[], of: (index: number) => Fate): ReadonlyMap<string, Fate> =>
  new Map(names.map((name, index) => [name, of(index)]))

const scenes: Readonly<Record<string, () => RunDocument>> = {
  empty: () => notRun(''),
  broken: () => notRun(project([{ name: 'good' }, { name: 'wrong', expression: 'agee >= 18' }])),
  failed: () =>
    sceneOf(
      compiled(project(many.slice(0, 45))),
      fates(
        many.slice(0, 45).map(({ name }) => name),
        () => ({ members: 100, entered: 5, wasBefore: 95 }),
      ),
      'letters-2',
    ),
  'nothing arrives': () =>
    sceneOf(
      compiled(project([{ name: 'nobody-known' }])),
      fates(['nobody-known'], () => ({ members: 625, missing: 625 })),
    ),
  'odd names': () =>
    sceneOf(
      compiled(project(odd)),
      fates(
        odd.map(({ name }) => name),
        (index) => ({
          members: 10 + index,
          entered: index,
          exited: 1,
          missing: 1,
          unknown: 1,
          wasBefore: 11,
          ...(index === 0 && { held: 'too many would leave.' }),
        }),
      ),
    ),
  'four thousand': () =>
    sceneOf(
      compiled(project(many)),
      fates(
        many.map(({ name }) => name),
        (index) => ({
          members: 1000 + index,
          entered: index % 90,
          exited: index % 40,
          missing: index % 7,
          unknown: index % 3,
          wasBefore: 1000,
          ...(index % 200 === 0 && { held: `${index} would leave.` }),
        }),
      ),
    ),
}

function notRun(text: string): RunDocument {
  const knowledge = { stores: [], activations: [], gaps: [] }
  return runDocument({ compilation: compiled(text), at, outcomes: [], notices: [], knowledge })
}

describe(`reports in a browser${wanted}`, () => {
  const { folder, browser } = browserForTests()
  test.skipIf(chromium === null).each(Object.keys(scenes))('%s', async (name) => {
    const page = runReport(scenes[name]!(), { where: 'a project' })
    const file = join(folder, `${name.replaceAll(' ', '-')}.html`)
    writeFileSync(file, page)
    expect(Buffer.byteLength(page)).toBeLessThan(500_000)
    for (const way of ways) await checkPage(browser(), file, `report-${name.replaceAll(' ', '-')}`, way)
  })
})
