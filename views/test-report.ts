// The page of SegmentTests: what fails and why, what passes, and which conditions no test has seen both true and false.
import { attentionList, type Entry } from './attention.ts'
import { gauge } from './charts.ts'
import { type Html, html, named } from './html.ts'
import { pageText, section } from './page.ts'
import { count, counted, cut, fullTime, listed, percent } from './words.ts'

export type TestedDocument = {
  /** When the tests ran. RFC 3339. */
  readonly at: string
  readonly cases: readonly {
    readonly suite: string
    readonly name: string
    readonly engine: string
    readonly passed: boolean
    /** The Segment under test; null for a case's own expression. */
    readonly segment: string | null
    /** Why it failed, line by line as a terminal shows it. */
    readonly lines: readonly string[]
  }[]
  /** null where coverage was not asked for. */
  readonly coverage:
    | readonly {
        readonly of: string
        readonly leaves: readonly { readonly text: string; readonly true: number; readonly false: number }[]
      }[]
    | null
  readonly segments: number
}

/** How many cases and Segments a page shows one by one. */
const mostCases = 400
const mostFailed = 60

export function testReport(document: TestedDocument, { where }: { readonly where: string }): string {
  const { cases, at, coverage } = document
  const failed = cases.filter(({ passed }) => !passed)
  const engines = [...new Set(cases.map(({ engine }) => engine))]
  const headline =
    cases.length === 0
      ? 'No case was run.'
      : failed.length === 0
        ? cases.length === 1
          ? 'The one case passes.'
          : `All ${counted(cases.length, 'case')} pass.`
        : `${counted(failed.length, 'case')} of ${count(cases.length)} ${failed.length === 1 ? 'fails' : 'fail'}.`
  const tested = new Set(cases.flatMap(({ segment }) => segment ?? []))
  return pageText({
    title: headline.replace(/\.$/, ''),
    where,
    meta: html`Tests · <b><time datetime="${at}">${fullTime(at)}</time></b> · ${engines.length === 0 ? 'no engine' : `on ${listed(engines)}`}`,
    headline: html`${headline}`,
    lead: html`${count(tested.size)} of ${counted(document.segments, 'Segment')} ${tested.size === 1 ? 'has' : 'have'} tests. A SegmentTest says, with people made up for it, who must be in.`,
    body: [
      failed.length === 0
        ? null
        : section('failed', 'What fails', null, attentionList(failed.slice(0, mostFailed).map(failureEntry))),
      suitesSection(cases),
      coverage === null ? null : coverageSection(coverage),
    ],
    footer: [html`Times are UTC. The people in this page are made up for the tests.`],
  })
}

function failureEntry({ name, suite, engine, segment, lines }: TestedDocument['cases'][number]): Entry {
  return {
    level: 'bad',
    title: html`${named(name, 160)}`,
    why: html`${segment !== null && html`${named(segment)}, `}${named(suite)}, on ${engine}`,
    act: null,
    picture: html`<pre>${cut(lines.join('\n'), 4000)}</pre>`,
  }
}

function suitesSection(cases: TestedDocument['cases']): Html | null {
  if (cases.length === 0) return null
  const shown = cases.slice(0, mostCases)
  const suites = [...Map.groupBy(shown, ({ suite }) => suite)]
  return section(
    'cases',
    'Cases',
    null,
    html`<ul class="plain">${suites.map(([suite, own]) => html`<li><b class="strong">${named(suite)}</b> <span class="dim">${counted(own.length, 'case')}</span>${own.map(({ name, passed, engine }) => html`<span class="block">${passed ? html`<span class="came">passes</span>` : html`<span class="bad">fails</span>`} ${named(name, 160)}${engine !== 'reference' && html` <span class="dim">${engine}</span>`}</span>`)}</li>`)}</ul>${cases.length > shown.length && html`<p class="empty">And ${count(cases.length - shown.length)} more.</p>`}`,
  )
}

function coverageSection(coverage: NonNullable<TestedDocument['coverage']>): Html {
  const both = ({ leaves }: (typeof coverage)[number]): number =>
    leaves.filter((leaf) => leaf.true > 0 && leaf.false > 0).length
  const seen = coverage.filter(({ leaves }) => leaves.some((leaf) => leaf.true + leaf.false > 0))
  const unseen = coverage.filter(({ leaves }) => leaves.every((leaf) => leaf.true + leaf.false === 0))
  const total = coverage.reduce((sum, { leaves }) => sum + leaves.length, 0)
  const covered = coverage.reduce((sum, each) => sum + both(each), 0)
  return section(
    'coverage',
    'Coverage',
    html`${count(covered)} of ${counted(total, 'condition')} (${percent(covered, total)}) ${covered === 1 ? 'was' : 'were'} true for some and false for others.`,
    html`<ul class="gauges">${seen.slice(0, 200).map((each) => {
      const open = each.leaves.filter((leaf) => leaf.true === 0 || leaf.false === 0)
      return html`<li><span><span class="strong">${named(each.of)}</span>${open.slice(0, 6).map(({ text, true: yes }) => html`<span class="block soft"><span class="held">${yes === 0 ? 'never true' : 'never false'}</span> <code>${cut(text.replaceAll(/\s+/g, ' '), 160)}</code></span>`)}</span><span class="num">${count(both(each))} of ${count(each.leaves.length)}</span>${gauge(both(each), each.leaves.length)}</li>`
    })}</ul>${
      unseen.length > 0 &&
      html`<p class="empty">No case reaches ${listed(
        unseen.map(({ of }) => of),
        40,
      )}.</p>`
    }`,
  )
}
