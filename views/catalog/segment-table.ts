// A list of Segments: name, size, change, where they go, and what needs a look.
import { sparkline } from '../charts.ts'
import { amount, type Html, html, named } from '../html.ts'
import { cut, signed } from '../words.ts'
import type { CatalogSegment } from './catalog.ts'
import { type Frame, linkTo, pathOf, relativeTo } from './frame.ts'

export function segmentTable(frame: Frame, segments: readonly CatalogSegment[], caption = 'Segments'): Html {
  return html`<table class="segments cards"><caption class="unseen">${caption}</caption><thead><tr><th scope="col">Segment</th><th scope="col">Size</th><th scope="col" class="num">Members</th><th scope="col" class="num change">Change</th><th scope="col" class="nw">Goes to</th><th scope="col" class="nw">Look at</th></tr></thead><tbody>${segments.map((segment) => rowOf(frame, segment))}</tbody></table>`
}

function rowOf(frame: Frame, segment: CatalogSegment): Html {
  const { displayName, name, namespace, rows, description } = segment
  const [first] = rows
  const members = first?.members ?? null
  const change = members !== null && first?.previousMembers != null ? members - first.previousMembers : null
  const ways = rows.filter(({ activation }) => activation !== null)
  const marks = marksOf(segment)
  return html`<tr><th scope="row" class="name"><a href="${relativeTo(frame.path, pathOf(segment))}">${named(displayName)}</a>${displayName !== name && html`<span class="id">${named(name)}</span>`}${description !== null && html`<span class="soft block" title="${description}">${cut(description, 110)}</span>`}</th><td class="spark pic">${sparkline((first?.history ?? []).map(({ at, members: value }) => ({ at, value })))}</td><td class="num members">${members === null ? html`<span class="dim">—</span>` : html`<span class="strong">${amount(members)}</span>`}</td><td class="num change${change === 0 && ' dim'}">${change === null ? '' : signed(change)}</td><td class="flow goes">${ways.length === 0 ? html`<span class="dim">—</span>` : ways.slice(0, 3).map(({ activation }, index) => html`${index > 0 && ', '}${linkTo(frame, 'Activation', namespace, activation!)}`)}</td><td class="arrived">${marks.length === 0 ? html`<span class="dim">—</span>` : marks.map(([tone, words], index) => html`${index > 0 && ' '}<span class="tag${tone !== '' && ` ${tone}`}">${words}</span>`)}</td></tr>`
}

/** What needs a look, the worst first, in a word each. */
export function marksOf({
  findings,
  rows,
  isUnused,
  stale,
  cases,
}: CatalogSegment): readonly (readonly [tone: string, words: string])[] {
  const marks: (readonly [string, string])[] = []
  if (findings.some(({ severity }) => severity === 'error')) marks.push(['bad', 'error'])
  if (cases.some(({ passed }) => !passed)) marks.push(['bad', 'test fails'])
  if (rows.some(({ held }) => held !== null)) marks.push(['held', 'held'])
  if (rows[0]?.members === 0) marks.push(['', 'nobody'])
  if (isUnused) marks.push(['', 'unused'])
  if (stale !== null) marks.push(['', 'stale'])
  if (findings.some(({ severity }) => severity === 'warning')) marks.push(['', 'warning'])
  return marks
}
