// The first page, and lists of all Segments by letter where there are too many for it.
import { attentionList, type Entry } from '../attention.ts'
import { type Html, html, listedParts, named, said } from '../html.ts'
import { section } from '../page.ts'
import { count, counted, listed } from '../words.ts'
import type { Catalog, CatalogSegment } from './catalog.ts'
import { type Frame, pathOf, relativeTo, type SiteFile, sitePage } from './frame.ts'
import { searchScript } from './search.ts'
import { marksOf, segmentTable } from './segment-table.ts'

/** How many Segments the first page shows; of more, those that need a look or moved most. */
const mostRows = 50
/** How many Segments one page of a letter has. */
const perPage = 100

export function indexPage(frame: Omit<Frame, 'path'>): SiteFile {
  const own: Frame = { ...frame, path: 'index.html' }
  const { segments, resources, run } = frame.catalog
  const shown = shownOf(segments)
  const pages = letterPages(segments)
  return sitePage(own, {
    title: 'Catalog',
    meta: html`Catalog · ${kindsText(frame.catalog)}`,
    headline: html`${headlineOf(frame.catalog)}`,
    lead: segments.length === 0 ? html`<code>convoke init</code> writes a project that runs.` : leadOf(frame.catalog),
    body: [
      section('attention', 'What needs attention', null, attentionList(attentionOf(own))),
      segments.length === 0
        ? null
        : section(
            'segments',
            'Segments',
            shown.length < segments.length
              ? `${counted(shown.length, 'Segment')} of ${count(segments.length)}: those that need a look or moved most. Search or the letters lead to the others.`
              : 'Those that need a look first, then by how much they moved.',
            html`<div id="finder" hidden><label class="unseen" for="search">Search ${counted(segments.length, 'Segment')} by name, description, owner or tag</label><input class="search" id="search" type="search" autocomplete="off" spellcheck="false" placeholder="Search ${counted(segments.length, 'Segment')} by name, tag or owner"><p class="sub" id="found" role="status"></p><ol class="plain" id="results"></ol></div>`,
            html`<div id="listed">${segmentTable(own, shown)}</div>`,
            pages.length > 0
              ? html`<nav aria-label="All Segments by letter"><ul class="letters">${pages.map(({ path, title, segments: each }) => html`<li><a href="${path}">${title}</a> <span class="dim">${count(each.length)}</span></li>`)}</ul></nav>`
              : null,
          ),
      othersSection(own, resources),
      run.gaps.length > 0
        ? section(
            'gaps',
            'Not known',
            null,
            html`<ul class="plain">${run.gaps.map((gap) => html`<li>${said(gap)}</li>`)}</ul>`,
          )
        : null,
    ],
    ...(segments.length > 0 && { script: { text: searchScript, loads: ['search.js'] } }),
  })
}

function kindsText({ resources }: Catalog): string {
  const kinds = [...Map.groupBy(resources, ({ kind }) => kind)].map(([kind, all]) => counted(all.length, kind))
  return kinds.length === 0 ? 'nothing yet' : listed(kinds)
}

function headlineOf({ segments, run }: Catalog): string {
  const errors = run.findings.filter(({ severity }) => severity === 'error').length
  if (segments.length === 0)
    return errors > 0 ? `${counted(errors, 'error')}: no Segment can be read.` : 'No Segment yet.'
  const of = (is: (segment: CatalogSegment) => boolean): number => segments.filter(is).length
  const broken = of(({ findings }) => findings.some(({ severity }) => severity === 'error'))
  const held = of(({ rows }) => rows.some((row) => row.held !== null))
  const delivered = of(({ rows }) => rows.some(({ activation }) => activation !== null))
  const sentences = [
    ...(broken > 0
      ? [`${counted(broken, 'Segment')} of ${count(segments.length)} ${broken === 1 ? 'has' : 'have'} an error.`]
      : []),
    ...(broken === 0 && errors > 0 ? [`${counted(errors, 'error')}.`] : []),
    ...(broken === 0
      ? [
          delivered === segments.length
            ? segments.length === 1
              ? 'One Segment, and it goes to Campaign.'
              : `All ${counted(segments.length, 'Segment')} go to Campaign.`
            : `${count(delivered)} of ${counted(segments.length, 'Segment')} ${delivered === 1 ? 'goes' : 'go'} to Campaign.`,
        ]
      : []),
    ...(held > 0 ? [held === 1 ? 'One is held.' : `${count(held)} are held.`] : []),
  ]
  return sentences.join(' ')
}

function leadOf({ segments, run, cases }: Catalog): Html {
  const known = run.stores.filter(({ profiles }) => profiles > 0)
  const people = known.map((store) => html`<b>${counted(store.profiles, ...store.people)}</b> in ${named(store.name)}`)
  const tested = segments.filter((segment) => segment.cases.length > 0).length
  return html`${people.length > 0 && html`About ${listedParts(people, 4)}. `}${tested === 0 ? 'No Segment has a test.' : html`${count(tested)} of ${counted(segments.length, 'Segment')} ${tested === 1 ? 'has' : 'have'} tests, ${counted(cases.length, 'case')} in all.`}`
}

function attentionOf(frame: Frame): readonly Entry[] {
  const { segments, run } = frame.catalog
  const group = (
    level: Entry['level'],
    some: readonly CatalogSegment[],
    one: string,
    many: string,
    why: string | null,
  ): Entry[] =>
    some.length === 0
      ? []
      : [
          {
            level,
            title:
              some.length === 1
                ? html`${linkOf(frame, some[0]!)} ${one}`
                : html`${counted(some.length, 'Segment')} ${many}`,
            why: html`${
              some.length > 1 &&
              html`${listedParts(
                some
                  .slice(0, 6)
                  .map((segment) => linkOf(frame, segment))
                  .concat(some.slice(6).map(() => html``)),
                6,
              )}. `
            }${why}`,
            act: null,
          },
        ]
  const errors = run.findings.filter(({ severity }) => severity === 'error')
  const elsewhere = errors.filter(({ kind }) => kind !== 'Segment')
  const all = elsewhere.slice(0, elsewhere.length > 8 ? 7 : 8)
  return [
    ...all.map(
      ({ message, kind, name, code, path }): Entry => ({
        level: 'bad',
        title: html`${named(name === null ? path : `${kind} ${name}`)}: ${said(message)}`,
        why: null,
        act: html`<code>convoke explain ${code}</code>`,
      }),
    ),
    ...(elsewhere.length > all.length
      ? [
          {
            level: 'bad' as const,
            title: html`${count(elsewhere.length - all.length)} more errors`,
            why: null,
            act: html`<code>convoke check</code>`,
          },
        ]
      : []),
    ...group(
      'bad',
      segments.filter(({ findings }) => findings.some(({ severity }) => severity === 'error')),
      'has an error',
      'have an error',
      null,
    ),
    ...group(
      'bad',
      segments.filter(({ cases }) => cases.some(({ passed }) => !passed)),
      'fails a test',
      'fail a test',
      null,
    ),
    ...group(
      'decide',
      segments.filter(({ rows }) => rows.some(({ held }) => held !== null)),
      'is held',
      'are held',
      'Its list in Campaign stays as it was until somebody decides.',
    ),
    ...group(
      'look',
      segments.filter(({ rows }) => rows[0]?.members === 0),
      'has nobody',
      'have nobody',
      null,
    ),
    ...group(
      'look',
      segments.filter(({ isUnused }) => isUnused),
      'is unused',
      'are unused',
      'No Activation delivers them, and no other Segment refers to them.',
    ),
    ...group(
      'look',
      segments.filter(({ stale }) => stale !== null),
      'seems to be forgotten',
      'seem to be forgotten',
      'Nobody came or went for two weeks, or they are not evaluated any more.',
    ),
    ...group(
      'know',
      segments.filter(({ findings }) => findings.some(({ severity }) => severity === 'warning')),
      'has a warning',
      'have a warning',
      null,
    ),
    ...(segments.some(({ cases }) => cases.length > 0)
      ? group(
          'know',
          segments.filter(({ cases }) => cases.length === 0),
          'has no test',
          'have no test',
          null,
        )
      : []),
    ...group(
      'know',
      segments.some(({ owner }) => owner !== null) ? segments.filter(({ owner }) => owner === null) : [],
      'has no owner',
      'have no owner',
      null,
    ),
  ]
}

function linkOf({ path }: Frame, segment: CatalogSegment): Html {
  return html`<a href="${relativeTo(path, pathOf(segment))}">${named(segment.displayName, 60)}</a>`
}

function urgency(segment: CatalogSegment): number {
  return marksOf(segment).reduce((most, [tone]) => Math.max(most, tone === 'bad' ? 3 : tone === 'held' ? 2 : 1), 0)
}

function shownOf(segments: readonly CatalogSegment[]): readonly CatalogSegment[] {
  const moved = ({ rows }: CatalogSegment): number => (rows[0]?.entered ?? 0) + (rows[0]?.exited ?? 0)
  const ordered = segments.map((segment) => ({ segment, need: urgency(segment), moved: moved(segment) }))
  return ordered
    .sort((a, b) => b.need - a.need || b.moved - a.moved || (a.segment.displayName < b.segment.displayName ? -1 : 1))
    .slice(0, mostRows)
    .map(({ segment }) => segment)
}

type LetterPage = { readonly path: string; readonly title: string; readonly segments: readonly CatalogSegment[] }

/** The pages by letter; empty where the first page shows all Segments. */
function letterPages(segments: readonly CatalogSegment[]): readonly LetterPage[] {
  if (segments.length <= mostRows) return []
  const order = new Intl.Collator('en', { numeric: true })
  const sorted = [...segments].sort((a, b) => order.compare(a.displayName, b.displayName))
  const letters = Map.groupBy(sorted, ({ displayName }) => {
    const letter = displayName.normalize('NFKD').replaceAll(/\p{M}/gu, '').trim()[0]?.toUpperCase() ?? ''
    return /[A-Z]/.test(letter) ? letter : /[0-9]/.test(letter) ? '0–9' : 'Other'
  })
  return [...letters].flatMap(([letter, all]) => {
    const slug = { '0–9': 'digits', Other: 'other' }[letter] ?? letter.toLowerCase()
    const pages = Math.ceil(all.length / perPage)
    return Array.from({ length: pages }, (_, page) => ({
      path: `all/${slug}-${page + 1}.html`,
      title: pages === 1 ? letter : `${letter} ${page + 1}`,
      segments: all.slice(page * perPage, (page + 1) * perPage),
    }))
  })
}

export function listPages(frame: Omit<Frame, 'path'>): readonly SiteFile[] {
  const pages = letterPages(frame.catalog.segments)
  return pages.map(({ path, title, segments }, index) => {
    const own: Frame = { ...frame, path }
    const beside = [pages[index - 1], pages[index + 1]]
    return sitePage(own, {
      title: `Segments, ${title}`,
      meta: html`Catalog · all Segments`,
      headline: html`Segments, ${title}`,
      lead: html`${named(segments[0]!.displayName, 40)} to ${named(segments.at(-1)!.displayName, 40)}: ${counted(segments.length, 'Segment')} of ${count(frame.catalog.segments.length)}.`,
      body: [
        section('segments', 'Segments', null, segmentTable(own, segments, `Segments, ${title}`)),
        html`<nav aria-label="Other letters"><ul class="letters">${beside.map((each, at) => each && html`<li><a href="${relativeTo(path, each.path)}">${at === 0 ? 'Before: ' : 'Next: '}${each.title}</a></li>`)}<li><a href="${relativeTo(path, 'index.html')}">All letters, and search</a></li></ul></nav>`,
      ],
    })
  })
}

function othersSection(frame: Frame, resources: Catalog['resources']): Html | null {
  const others = resources.filter(({ kind }) => kind !== 'Segment')
  if (others.length === 0) return null
  const kinds = [...Map.groupBy(others, ({ kind }) => kind)]
  return section(
    'resources',
    'Everything else',
    'What Segments read, and where they go.',
    html`<ul class="plain">${kinds.map(
      ([kind, all]) =>
        html`<li><b class="strong">${counted(all.length, kind)}</b> <span class="soft">${listedParts(
          all
            .slice(0, 60)
            .map((each) => html`<a href="${relativeTo(frame.path, pathOf(each))}">${named(each.displayName, 60)}</a>`)
            .concat(all.slice(60).map(() => html``)),
          60,
        )}</span></li>`,
    )}</ul>`,
  )
}
