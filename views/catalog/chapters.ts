// The pages in the bar beside the first: what feeds what, owners and tags, tests, limits.
import { gauge } from '../charts.ts'
import { type Html, html, listedParts, named } from '../html.ts'
import { lineagePicture } from '../lineage.ts'
import { section } from '../page.ts'
import { count, counted, percent } from '../words.ts'
import type { CatalogSegment } from './catalog.ts'
import { type Frame, linkTo, pathOf, relativeTo, type SiteFile, sitePage } from './frame.ts'
import { wholeLineage } from './lineage-of.ts'
import { gauges } from './resource-page.ts'

type Whole = Omit<Frame, 'path'>

/** How many Segments of one owner or tag are named. */
const mostNames = 40

export function lineagePage(frame: Whole): SiteFile {
  const own: Frame = { ...frame, path: 'lineage.html' }
  const { resources, segments } = frame.catalog
  const lineage = wholeLineage(own)
  const ways = resources.filter(({ kind }) => kind === 'Activation')
  return sitePage(own, {
    title: 'What feeds what',
    meta: html`Catalog · what feeds what`,
    headline: html`From files to Campaign`,
    lead: html`${lineage.words}`,
    body: [
      resources.length === 0
        ? html`<p class="empty">Nothing yet.</p>`
        : section(
            'lineage',
            'What feeds what',
            'Dashed: evaluated, but not delivered. Each leads to its page.',
            lineagePicture(lineage),
          ),
      ways.length === 0
        ? null
        : section(
            'ways',
            'Ways to Campaign',
            'Activations, and the Segments that each delivers.',
            html`<ul class="plain">${ways.map((way) => {
              const mine = segments.filter(
                ({ namespace, rows }) =>
                  namespace === way.namespace && rows.some(({ activation }) => activation === way.name),
              )
              return html`<li><b class="strong">${linkTo(own, 'Activation', way.namespace, way.name)}</b> <span class="soft">${names(own, mine)}</span></li>`
            })}</ul>`,
          ),
      compositionSection(own),
    ],
  })
}

/** The section on Segments that are made of others; null: there are none. */
function compositionSection(frame: Frame): Html | null {
  const made = frame.catalog.segments.filter(({ references }) => references.length > 0)
  if (made.length === 0) return null
  const shown = made.slice(0, 100)
  return section(
    'made-of',
    'Segments made of others',
    null,
    html`<ul class="plain">${shown.map(
      (segment) =>
        html`<li>${linkTo(frame, 'Segment', segment.namespace, segment.name)} <span class="soft">of ${listedParts(
          [...new Set(segment.references)].map((name) => linkTo(frame, 'Segment', segment.namespace, name)),
          8,
        )}</span></li>`,
    )}</ul>${made.length > shown.length && html`<p class="empty">And ${count(made.length - shown.length)} more.</p>`}`,
  )
}

/** The Segments' names with links; of many the first ones, and how many more. */
function names({ path }: Frame, segments: readonly CatalogSegment[]): Html {
  const shown = segments
    .slice(0, mostNames)
    .map((each) => html`<a href="${relativeTo(path, pathOf(each))}">${named(each.displayName, 60)}</a>`)
  return segments.length === 0
    ? html`none`
    : html`${listedParts(shown)}${segments.length > shown.length && ` and ${count(segments.length - shown.length)} more`}`
}

export function ownersPage(frame: Whole): SiteFile {
  const own: Frame = { ...frame, path: 'owners.html' }
  const { segments } = frame.catalog
  const owners = [...Map.groupBy(segments, ({ owner }) => owner)].sort(([a], [b]) =>
    a === null ? 1 : b === null ? -1 : a < b ? -1 : 1,
  )
  const tags = new Map<string, CatalogSegment[]>()
  for (const segment of segments)
    for (const [key, value] of Object.entries(segment.labels)) {
      const tag = `${key}: ${value}`
      tags.set(tag, [...(tags.get(tag) ?? []), segment])
    }
  const unowned = segments.filter(({ owner }) => owner === null).length
  const list = (groups: readonly (readonly [Html, readonly CatalogSegment[]])[]): Html =>
    html`<ul class="plain">${groups.slice(0, 200).map(([title, all]) => html`<li><b class="strong">${title}</b> <span class="dim">${counted(all.length, 'Segment')}</span><span class="soft block">${names(own, all)}</span></li>`)}</ul>`
  return sitePage(own, {
    title: 'Owners and tags',
    meta: html`Catalog · owners and tags`,
    headline:
      segments.length === 0
        ? html`No Segment yet.`
        : unowned === 0
          ? html`Every Segment has an owner.`
          : unowned === segments.length
            ? html`No Segment names an owner.`
            : html`${counted(unowned, 'Segment')} of ${count(segments.length)} ${unowned === 1 ? 'names' : 'name'} no owner.`,
    lead: html`The label or annotation <code>owner</code> or <code>team</code>, with any prefix, says who answers for a Segment.`,
    body: [
      segments.length === 0
        ? null
        : section(
            'owners',
            'Owners',
            null,
            list(owners.map(([owner, all]) => [owner === null ? html`nobody` : named(owner), all])),
          ),
      tags.size === 0
        ? section('tags', 'Tags', 'No Segment has a label.')
        : section(
            'tags',
            'Tags',
            'Labels of Segments.',
            list([...tags].sort(([a], [b]) => (a < b ? -1 : 1)).map(([tag, all]) => [named(tag), all])),
          ),
    ],
  })
}

export function testsPage(frame: Whole): SiteFile {
  const own: Frame = { ...frame, path: 'tests.html' }
  const { segments, cases } = frame.catalog
  const tested = segments.filter((segment) => segment.cases.length > 0)
  const untested = segments.filter((segment) => segment.cases.length === 0)
  const failed = cases.filter(({ passed }) => !passed)
  const shown = tested.slice(0, 200)
  return sitePage(own, {
    title: 'Tests',
    meta: html`Catalog · tests`,
    headline:
      cases.length === 0
        ? html`No Segment has a test.`
        : failed.length > 0
          ? html`${counted(failed.length, 'case')} of ${count(cases.length)} ${failed.length === 1 ? 'fails' : 'fail'}.`
          : cases.length === 1
            ? html`The one case passes.`
            : html`All ${counted(cases.length, 'case')} pass.`,
    lead: html`${count(tested.length)} of ${counted(segments.length, 'Segment')} ${tested.length === 1 ? 'has' : 'have'} tests. A SegmentTest says with people made up for it who must be in.`,
    body: [
      failed.length === 0
        ? null
        : section(
            'failed',
            'What fails',
            null,
            html`<ul class="plain">${failed.slice(0, 100).map(({ name, suite, segment, namespace }) => html`<li><b class="strong">${named(name, 120)}</b> <span class="dim">${named(suite)}</span>${segment !== null && html` ${linkTo(own, 'Segment', namespace, segment)}`}</li>`)}</ul>`,
          ),
      tested.length === 0
        ? null
        : section(
            'tested',
            'Tested',
            'Of the conditions of an expression, those that the tests have seen true and false.',
            html`<ul class="gauges">${shown.map((segment) => html`<li><span>${linkTo(own, 'Segment', segment.namespace, segment.name)} <span class="dim">${counted(segment.cases.length, 'case')}</span></span><span class="num">${count(segment.covered.both)} of ${counted(segment.covered.leaves, 'condition')} <span class="dim">${percent(segment.covered.both, segment.covered.leaves)}</span></span>${gauge(segment.covered.both, segment.covered.leaves)}</li>`)}</ul>${tested.length > shown.length && html`<p class="empty">And ${count(tested.length - shown.length)} more.</p>`}`,
          ),
      untested.length === 0
        ? null
        : section('untested', 'Without a test', null, html`<p class="empty">${names(own, untested)}</p>`),
    ],
  })
}

export function limitsPage(frame: Whole): SiteFile {
  const own: Frame = { ...frame, path: 'limits.html' }
  const { run, resources } = frame.catalog
  const uses = run.guardrails
  const over = uses.filter(({ used, limit }) => used > limit).length
  const close = uses.filter(({ used, limit }) => used <= limit && used >= limit * 0.8).length
  const allowed = resources.flatMap((resource) => resource.allowed.map((each) => ({ resource, ...each })))
  return sitePage(own, {
    title: 'Limits',
    meta: html`Catalog · limits`,
    headline:
      uses.length === 0
        ? html`Nothing that has a limit is in use.`
        : over > 0
          ? html`${over === 1 ? 'One limit is' : `${count(over)} limits are`} exceeded.`
          : close > 0
            ? html`${close === 1 ? 'One limit is' : `${count(close)} limits are`} nearly reached.`
            : html`No limit is near.`,
    lead: html`Guardrails of Real-Time CDP and of Campaign, and how much of each is used. A platform team raises those of Campaign in the CampaignInstance.`,
    body: [
      uses.length === 0
        ? null
        : section(
            'limits',
            'Limits',
            'Closest first.',
            gauges(
              uses.slice(0, 100).map((use) => ({
                ...use,
                label: html`${use.what[0]!.toUpperCase()}${use.what.slice(1)} of ${linkTo(own, use.kind as 'Segment', use.namespace, use.name)}`,
              })),
            ),
          ),
      allowed.length === 0
        ? section('allowed', 'What is allowed', 'No finding is allowed anywhere.')
        : section(
            'allowed',
            'What is allowed',
            'Findings that are meant, and why.',
            html`<ul class="plain">${allowed.map(({ resource, code, reason }) => html`<li><code>${code}</code> at ${linkTo(own, resource.kind, resource.namespace, resource.name)} <span class="soft block">“${named(reason, 200)}”</span></li>`)}</ul>`,
          ),
    ],
  })
}
