// The catalog in a real browser: every kind of page, whatever is in it, and the search.
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import {
  type Compilation,
  compile,
  coverageOf,
  numbersOf,
  segmentWaterfall,
  valuesAround,
} from '../../compiler/index.ts'
import { type Catalog, catalogOf, catalogSite, type RunDocument, runDocument } from '../../views/index.ts'
import { browserForTests, checkPage, chromium, wanted, ways } from './browser.ts'
import { at, compiled, type Fate, oddNames, project, sceneOf } from './scenes.ts'

// Some seventy looks of a browser, which on a busy machine takes its time.
vi.setConfig({ testTimeout: 240_000 })

const examples = join(import.meta.dirname, '../../examples')

/** Every second of them takes a few more hundred, as conditions do; each shares people with the ones beside it. */
function catalogFrom(compilation: Compilation, run: RunDocument): Catalog {
  const { segments } = compilation.model
  const names = segments.map(({ resource }) => resource.name)
  return catalogOf({
    compilation,
    run,
    cases: compilation.suites.flatMap(({ document, cases }) =>
      cases.map(({ name, expressions }, index) => ({
        suite: document.name,
        namespace: document.namespace,
        name,
        segment: expressions[0]?.name ?? null,
        passed: index > 0,
      })),
    ),
    coverage: coverageOf(compilation.suites, compilation.model),
    waterfalls: new Map(
      segments.flatMap((segment) => {
        const fall = segmentWaterfall(segment, compilation.model)
        if (!fall) return []
        const steps = fall.steps.map(({ phrase, otherwise }, index) => ({ phrase, otherwise, value: 2000 >> index }))
        return [[`default/${segment.resource.name}`, { joint: fall.joint, whole: 2469, steps }] as const]
      }),
    ),
    sweeps: new Map(
      segments.flatMap(({ resource, condition }) => {
        const [number] = numbersOf(resource.spec.expression)
        if (!condition || !number) return []
        const points = valuesAround(number).map((value, index) => ({ value, people: 40 * index * index }))
        return [[`default/${resource.name}`, { number, points }] as const]
      }),
    ),
    overlaps: new Map(
      names.map((name, row) => [
        `default/${name}`,
        names
          .slice(Math.max(0, row - 6), row + 6)
          .filter((other) => other !== name)
          .map((segment, index) => ({ segment, people: index * 13 })),
      ]),
    ),
  })
}

function withoutData(compilation: Compilation): Catalog {
  const knowledge = { stores: [], activations: [], gaps: ['What the ProfileStore x holds is not known: no volume'] }
  return catalogFrom(compilation, runDocument({ compilation, at, outcomes: [], notices: [], knowledge }))
}

function withData(compilation: Compilation, fate: (index: number) => Fate): Catalog {
  const names = compilation.model.segments.map(({ resource }) => resource.name)
  return catalogFrom(compilation, sceneOf(compilation, new Map(names.map((name, index) => [name, fate(index)]))))
}

const fate = (index: number): Fate => ({
  members: index % 11 === 5 ? 0 : 100 + index,
  entered: index % 9,
  exited: index % 4,
  missing: index % 3,
  wasBefore: 100 + index,
  ...(index === 1 && { held: 'too many would leave.' }),
})

const retail = (): Compilation =>
  compile(
    globSync('retail/{resources,tests}/*.yaml', { cwd: examples })
      .sort()
      .map((file) => ({ file, text: readFileSync(join(examples, file), 'utf8') })),
    { verifyFixes: false },
  )

const scenes: Readonly<Record<string, readonly [make: () => Catalog, pages: readonly string[]]>> = {
  empty: [() => withoutData(compiled('')), ['index', 'lineage', 'owners', 'tests', 'limits']],
  broken: [
    () =>
      withoutData(
        compiled(
          project([{ name: 'good' }, { name: 'wrong', expression: 'agee >= 18 and (age < 3 or email.isNotNull())' }]),
        ),
      ),
    ['index', 'lineage', 'segment/default/wrong', 'segment/default/good'],
  ],
  retail: [
    () => withoutData(retail()),
    [
      'index',
      'lineage',
      'owners',
      'tests',
      'limits',
      'segment/default/new-parents',
      'segment/default/slipping-best-customers',
      'segment/default/best-customers',
      'profilestore/default/grocery',
      'activation/default/retention',
      'campaigninstance/default/production',
      'dataset/default/baskets',
      'organization/default/fresh-market',
    ],
  ],
  odd: [
    () =>
      withData(
        compiled(
          project(
            oddNames.map((displayName, index) => ({
              name: `odd-${index}`,
              displayName,
              expression:
                index % 2 === 0 ? `email = ${JSON.stringify(displayName)}` : 'age >= 18 and email.startsWith("<b>")',
            })),
          ),
        ),
        fate,
      ),
    [
      'index',
      'lineage',
      'owners',
      'segment/default/odd-0',
      'segment/default/odd-1',
      'segment/default/odd-4',
      'segment/default/odd-6',
    ],
  ],
  thousands: [
    () =>
      withData(
        compiled(
          project(
            Array.from({ length: 4000 }, (_, index) => ({
              name: `segment-${index + 1}`,
              displayName: `${['Apples', 'Éclairs', 'Milk', '7 up'][index % 4]} number ${index + 1}`,
            })),
          ),
        ),
        fate,
      ),
    [
      'index',
      'lineage',
      'owners',
      'all/e-1',
      'segment/default/segment-2',
      'profilestore/default/people',
      'activation/default/letters-3',
    ],
  ],
}

describe(`catalogs in a browser${wanted}`, () => {
  const { folder, browser } = browserForTests()

  test.skipIf(chromium === null).each(Object.keys(scenes))('%s', async (name) => {
    const [make, pages] = scenes[name]!
    const site = write(make(), join(folder, name))
    for (const page of pages) {
      expect(Buffer.byteLength(site.get(`${page}.html`)!)).toBeLessThan(500_000)
      for (const way of ways.filter(({ scheme }) => scheme === 'light' || /^(?:index|segment)/.test(page)))
        await checkPage(
          browser(),
          join(folder, name, `${page}.html`),
          `catalog-${name}-${page.replaceAll('/', '-')}`,
          way,
        )
    }
  })

  test.skipIf(chromium === null)('search finds one of 4,000 by any word, and shows names as they are', async () => {
    const large = join(folder, 'search')
    const odd = scenes['odd']![0]()
    write(scenes['thousands']![0](), large)
    await checkPage(browser(), join(large, 'index.html'), 'catalog-search', ways[0]!, async (page) => {
      await page.fill('#search', 'eclairs 3998')
      expect(await page.locator('#results li a').allInnerTexts()).toEqual(['Éclairs number 3998'])
      expect(await page.locator('#found').innerText()).toBe('1 Segment.')
      await page.click('#results li a')
      expect(await page.locator('h1').innerText()).toBe('Éclairs number 3998')
    })
    write(odd, join(folder, 'search-odd'))
    await checkPage(
      browser(),
      join(folder, 'search-odd', 'index.html'),
      'catalog-search-odd',
      ways[0]!,
      async (page) => {
        await page.fill('#search', '<script>')
        expect(await page.locator('#results li a').allInnerTexts()).toEqual([oddNames[0]])
      },
    )
  })
})

test('every link of a catalog leads to a page of it', () => {
  for (const name of ['broken', 'retail', 'odd']) {
    const files = new Map(
      [...catalogSite(scenes[name]![0](), { where: 'a project' })].map(({ path, text }) => [path, text]),
    )
    const wrong = [...files].flatMap(([path, text]) =>
      path.endsWith('.html')
        ? [...text.matchAll(/ (?:href|src)="([^"#]+)"/g)].flatMap(([, href]) => {
            const target = new URL(href!, `https://site/${path}`).pathname.slice(1)
            return files.has(target) ? [] : [`${name}: ${path} → ${href}`]
          })
        : [],
    )
    expect(wrong).toEqual([])
  }
})

function write(catalog: Catalog, folder: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const { path, text } of catalogSite(catalog, { where: 'a project' })) {
    files.set(path, text)
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return files
}
