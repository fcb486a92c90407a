import { style } from '../style.ts'
import type { Catalog } from './catalog.ts'
import { limitsPage, lineagePage, ownersPage, testsPage } from './chapters.ts'
import type { SiteFile } from './frame.ts'
import { indexPage, listPages } from './index-pages.ts'
import { resourcePage } from './resource-page.ts'
import { searchData } from './search.ts'
import { segmentPage } from './segment-page.ts'

/**
 * The files of a catalog, one after the other, so that thousands of pages are never held together. The site works from a disk and on any
 * host of files; `where`, in the bar, says which project it is.
 */
export function* catalogSite(catalog: Catalog, { where }: { readonly where: string }): Generator<SiteFile> {
  const frame = { catalog, where }
  yield { path: 'style.css', text: style }
  yield { path: 'search.js', text: searchData(catalog) }
  yield indexPage(frame)
  yield* listPages(frame)
  for (const page of [lineagePage, ownersPage, testsPage, limitsPage]) yield page(frame)
  for (const resource of catalog.resources) if (resource.kind !== 'Segment') yield resourcePage(frame, resource)
  for (const segment of catalog.segments) yield segmentPage(frame, segment)
  yield { path: 'catalog.json', text: `${JSON.stringify(documentOf(catalog))}\n` }
}

/** What the pages show, for programs. */
function documentOf({ run, segments, resources, cases }: Catalog): object {
  const { stores, guardrails, next, findings, gaps, at } = run
  return {
    at,
    segments: segments.map(({ text: _, ...segment }) => segment),
    resources: resources.filter(({ kind }) => kind !== 'Segment').map(({ text: _, ...resource }) => resource),
    tests: cases,
    stores,
    guardrails,
    next,
    findings,
    gaps,
  }
}
