// A real browser for the pages that are made: what a reader gets, with what axe says of it.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect } from 'vitest'

const programs = [
  process.env['CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
]

/** Path of Chromium; null where there is none: a test that needs it says so and is skipped. */
export const chromium: string | null = programs.find((path) => path !== '' && existsSync(path)) ?? null

/** For the names of tests that are skipped without it. */
export const wanted = chromium === null ? ' (skipped: Chromium is missing; `apt-get install chromium`)' : ''

/** A browser and a folder of pages for the tests of a suite, which are gone after them; `browser` is for tests that do not skip. */
export function browserForTests(): { readonly folder: string; readonly browser: () => Browser } {
  const folder = mkdtempSync(scratch)
  let browser: Browser | null = null
  beforeAll(async () => {
    if (chromium !== null) browser = await openBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true })
  })
  return { folder, browser: () => browser! }
}

async function openBrowser(): Promise<Browser> {
  const { chromium: engine } = await import('playwright-core')
  return engine.launch({
    executablePath: chromium!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  })
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

type Seen = { readonly wide: number; readonly overflowing: readonly string[]; readonly findings: readonly string[] }

/** Runs in the page, so it is text here: how far it scrolls sideways, what reaches beyond its right edge, what axe finds. */
const look = (rules: Way['rules']): string => `(async () => {
  const { scrollWidth, clientWidth } = document.documentElement
  const reaching = [...document.querySelectorAll('h1, h2, h3, p, td, th, li, dd, pre')].filter((element) =>
    element.getBoundingClientRect().right > clientWidth + 1 && !element.closest('.scroll, .unseen, nav'))
  const wanted = ${rules === 'all' ? "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']" : "{ type: 'rule', values: ['color-contrast'] }"}
  const { violations } = ${rules === 'none' ? '{ violations: [] }' : 'await axe.run(document, { runOnly: wanted, preload: false })'}
  return {
    wide: scrollWidth - clientWidth,
    overflowing: reaching.map((element) => element.outerHTML.slice(0, 120)),
    findings: violations.map(({ id, nodes }) => id + ': ' + nodes[0].html.slice(0, 160)),
  }
})()`

export type Way = {
  readonly width: number
  readonly scheme: 'light' | 'dark'
  /** What axe looks for: all of it, or what another way may have changed. */
  readonly rules: 'all' | 'colours' | 'none'
}

/** How every page is looked at. */
export const ways: readonly Way[] = [
  { width: 1280, scheme: 'light', rules: 'all' },
  { width: 1280, scheme: 'dark', rules: 'colours' },
  { width: 375, scheme: 'light', rules: 'all' },
  { width: 320, scheme: 'dark', rules: 'none' },
]

/**
 * Opens a file as a reader does, and holds it to what every page keeps: axe finds nothing, nothing is said on the console, nobody else is
 * asked for anything, nothing scrolls sideways, no part lies on another. With `KEEP_PICTURES=DIR` a picture of it is left there.
 */
export async function checkPage(
  browser: Browser,
  file: string,
  name: string,
  { width, scheme, rules }: Way,
  then: (page: Page) => Promise<void> = async () => {},
): Promise<void> {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme })
  const said: string[] = []
  try {
    const page = await context.newPage()
    page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`))
    page.on('pageerror', (error) => said.push(error.message))
    page.on('request', (request) => {
      if (!request.url().startsWith('file:')) said.push(`request: ${request.url()}`)
    })
    await page.goto(pathToFileURL(file).href)
    if (rules !== 'none') await page.evaluate(axe)
    const { wide, overflowing, findings } = await page.evaluate<Seen>(look(rules))
    const folder = process.env['KEEP_PICTURES']
    if (folder) await page.screenshot({ path: join(folder, `${name}-${width}-${scheme}.png`), fullPage: true })
    expect({ findings, said, wide, overflowing }).toEqual({
      findings: [],
      said: [],
      wide: 0,
      overflowing: [],
    })
    await then(page)
  } finally {
    await context.close()
  }
}

/** A folder for pages, under the system's own. */
const scratch = join(tmpdir(), 'convoke-pages-')
