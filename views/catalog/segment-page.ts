// The page of one Segment: who is in it and why, how it changed, whether it arrives, what it reads and who uses it.
import type { Phrase } from '#compiler'
import { attentionList, type Entry } from '../attention.ts'
import { type BarPart, ranked, type Step, sizeOverTime, stacked, swatch, waterfall } from '../charts.ts'
import type { DeliveryAt } from '../delivery.ts'
import { leftOutIn } from '../delivery.ts'
import { expressionHtml, phraseText, wordsHtml } from '../expression.ts'
import { type Html, html, listedParts, named, said, time } from '../html.ts'
import type { ReasonCounts } from '../knowledge.ts'
import { lineagePicture } from '../lineage.ts'
import { section } from '../page.ts'
import type { SegmentRow, StoreRow } from '../run-document.ts'
import { clock, count, counted, date, fullTime, percent, shortTime, signed, spelled } from '../words.ts'
import type { CatalogSegment } from './catalog.ts'
import { type Frame, linkTo, ownerFacts, pathOf, type SiteFile, sitePage } from './frame.ts'
import { segmentLineage } from './lineage-of.ts'

/** How many other Segments with the same people are told. */
const mostShared = 9

export function segmentPage(frame: Omit<Frame, 'path'>, segment: CatalogSegment): SiteFile {
  const own: Frame = { ...frame, path: pathOf(segment) }
  const { name, namespace, displayName, store, rows } = segment
  const [first] = rows
  const evaluatedAt = first?.evaluatedAt ?? null
  const storeRow = frame.catalog.run.stores.find((each) => each.name === store && each.namespace === namespace) ?? null
  const people = storeRow?.people ?? (['person', 'people'] as const)
  const size = sizeSection(segment)
  const overlap = overlapSection(own, segment, people)
  const tests = testsSection(segment)
  return sitePage(own, {
    title: displayName,
    meta: html`Segment · <b>${named(name)}</b>${frame.catalog.isSpread && html` in ${named(namespace)}`}${store !== null && html` · store ${linkTo(own, 'ProfileStore', namespace, store)}`}${evaluatedAt !== null && html` · evaluated ${time(evaluatedAt, fullTime(evaluatedAt))}`}`,
    headline: named(displayName, 120),
    lead: leadOf(segment, people),
    body: [
      factsList(own, segment),
      attentionOf(segment),
      size,
      definitionSection(own, segment),
      waterfallSection(segment, storeRow),
      deliverySection(own, segment),
      lastDeliveries(own, segment),
      ...(overlap && tests ? [html`<div class="two">${overlap}${tests}</div>`] : [overlap, tests]),
      sweepSection(segment, people, storeRow),
      section('way', 'Its way', 'What it reads and where it goes.', lineagePicture(segmentLineage(own, segment))),
      sourceSection(segment),
    ],
  })
}

function leadOf({ description, rows }: CatalogSegment, people: StoreRow['people']): Html | null {
  const [first] = rows
  const members = first?.members ?? null
  if (!first || members === null) return description === null ? null : html`${description}`
  const { entered, exited, previousMembers, standing } = first
  const isFirst = previousMembers === null
  const change = isFirst ? 0 : members - previousMembers
  const than =
    change === 0 ? 'as many as before' : `${count(Math.abs(change))} ${change > 0 ? 'more' : 'fewer'} than before`
  const moved = isFirst
    ? html`, at its first evaluation`
    : (entered ?? 0) + (exited ?? 0) === 0
      ? html`; nobody came or went`
      : html`, ${than}: <b class="${(entered ?? 0) > 0 && 'came'}">${count(entered ?? 0)} came</b>, <b class="${(exited ?? 0) > 0 && 'went'}">${count(exited ?? 0)} went</b>`
  const there = standing?.inCampaign ?? null
  const list =
    there === null || standing?.held
      ? null
      : html` <b>${count(there)} of ${count(standing!.members)}</b> are in Campaign.`
  return html`${description !== null && `${description.replace(/\.?\s*$/, '.')} `}<b>${counted(members, ...people)}</b>${moved}.${list}`
}

function factsList(frame: Frame, segment: CatalogSegment): Html {
  const { namespace, store, evaluation, latency, rows, usedBy, references, labels, owner, cases } = segment
  const { run } = frame.catalog
  const slot = run.next.find(
    (each) => each.kind === 'ProfileStore' && each.name === store && each.evaluation === evaluation,
  )
  const ways = rows.filter(({ activation }) => activation !== null)
  const facts: (readonly [string, Html])[] = [
    [
      'Evaluated',
      html`${evaluation === 'Streaming' ? 'as data come' : 'in a batch'}${slot && html`, next ${time(slot.at, shortTime(slot.at, run.at))}`}`,
    ],
    ['A change shows after', html`${latencyWords(latency)} at most`],
    [
      'Delivered by',
      ways.length === 0
        ? html`<span class="held">nothing</span>`
        : html`${listedParts(ways.map(({ activation }) => linkTo(frame, 'Activation', namespace, activation!)))}`,
    ],
    [
      'Used by',
      usedBy.length === 0
        ? html`no other Segment`
        : listedParts(
            usedBy.map((name) => linkTo(frame, 'Segment', namespace, name)),
            6,
          ),
    ],
    ...(references.length > 0
      ? [
          [
            'Made of',
            listedParts(
              [...new Set(references)].map((name) => linkTo(frame, 'Segment', namespace, name)),
              6,
            ),
          ] as const,
        ]
      : []),
    [
      'Tests',
      cases.length === 0
        ? html`<span class="held">none says what it means</span>`
        : html`${counted(cases.length, 'case')}`,
    ],
    ...ownerFacts({ owner, labels }),
  ]
  return html`<dl class="facts">${facts.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`
}

/** `24 hours` for `24h` */
function latencyWords(text: string): string {
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? []
  if (amount === undefined || unit === undefined) return text
  return counted(Number(amount), { s: 'second', m: 'minute', h: 'hour', d: 'day' }[unit] ?? unit)
}

function attentionOf(segment: CatalogSegment): Html | null {
  const { findings, rows, isUnused, stale, allowed, name } = segment
  const entries: Entry[] = [
    ...findings.map(
      ({ code, severity, message, help }): Entry => ({
        level: severity === 'error' ? 'bad' : severity === 'warning' ? 'look' : 'know',
        title: said(message),
        why: help === null ? null : said(help),
        act: html`<code>convoke explain ${code}</code>`,
      }),
    ),
    ...rows.flatMap(({ held, activation }): Entry[] =>
      held === null
        ? []
        : [
            {
              level: 'decide',
              title: html`It is held${held.since !== null && html` since ${date(held.since)}`}`,
              why: said(held.message),
              act: html`Deliver it as it is:<br><code>convoke approve ${activation ?? ''} ${name}</code>`,
            },
          ],
    ),
    ...rows.flatMap(({ standing, held }): Entry[] =>
      standing && held === null && standing.members > 0 && standing.leftOut.missingMandatory === standing.members
        ? [
            {
              level: 'bad',
              title: html`Nobody of it can be delivered`,
              why: html`All ${count(standing.members)} lack ${listedParts(Object.keys(standing.missing).map((column) => html`<code>${column}</code>`))}.`,
              act: null,
            },
          ]
        : [],
    ),
    ...(isUnused
      ? [
          {
            level: 'look' as const,
            title: html`Nothing uses it`,
            why: html`No Activation delivers it and no other Segment refers to it; it is evaluated all the same.`,
            act: null,
          },
        ]
      : []),
    ...(stale === null
      ? []
      : [{ level: 'look' as const, title: html`It ${stale}`, why: html`Is it still wanted?`, act: null }]),
    ...allowed.map(
      ({ code, reason }): Entry => ({
        level: 'know',
        title: html`<code>${code}</code> is allowed`,
        why: html`“${named(reason, 200)}”`,
        act: null,
      }),
    ),
  ]
  if (entries.length === 0) return null
  return section('attention', 'What needs attention', null, attentionList(entries))
}

function sizeSection({ rows }: CatalogSegment): Html | null {
  const history = rows[0]?.history ?? []
  const picture = sizeOverTime(history)
  const [first] = history
  const last = history.at(-1)
  if (!picture || !first || !last) return null
  const days = Math.round((Date.parse(last.at) - Date.parse(first.at)) / 86_400_000)
  const reasons = rows[0] ? reasonWords(rows[0]) : null
  const change = last.members - first.members
  const [came, went] = [sum(history.slice(1).map((day) => day.entered)), sum(history.slice(1).map((day) => day.exited))]
  return section(
    'size',
    'Size',
    html`${change === 0 ? 'As many as' : change > 0 ? `Up ${count(change)} in` : `Down ${count(-change)} in`} ${counted(days, 'day')}${change === 0 && ' ago'}. ${count(came)} came and ${count(went)} went; ${date(first.at)} is the first day shown. Above the line who came, below who went.${reasons !== null && ` ${reasons}`}`,
    picture,
    html`<details><summary>As a table</summary><table><caption class="unseen">Size by day</caption><thead><tr><th scope="col">Day</th><th scope="col" class="num">Members</th><th scope="col" class="num">Came</th><th scope="col" class="num">Went</th></tr></thead><tbody>${[...history].reverse().map((day, index) => html`<tr><th scope="row" class="nw">${time(day.at, date(day.at))}${day.edited && html` <span class="held">edited</span>`}</th><td class="num">${count(day.members)}</td>${index === history.length - 1 ? html`<td class="num dim">—</td><td class="num dim">—</td>` : html`<td class="num${day.entered === 0 ? ' dim' : ' came'}">${signed(day.entered)}</td><td class="num${day.exited === 0 ? ' dim' : ' went'}">${signed(-day.exited)}</td>`}</tr>`)}</tbody></table></details>`,
  )
}

/**
 * A sentence on why people came or left, or null where that is not known:
 * `At the last evaluation 11 came by time alone; 4 went: 3 because of new data, 1 by time alone.`
 */
function reasonWords({ turnover, entered, exited }: SegmentRow): string | null {
  if (turnover === null) return null
  const said = (people: number | null, verb: string, { byData, byTime, byEdit }: ReasonCounts): string | null => {
    const parts = [
      [byData, 'because of new data'] as const,
      [byTime, 'by time alone'] as const,
      [byEdit, 'by an edit'] as const,
    ].filter(([own]) => own > 0)
    const [first, ...others] = parts
    if (!first) return null
    const head = `${count(people ?? 0)} ${verb}`
    return others.length === 0
      ? `${head} ${first[1]}`
      : `${head}: ${parts.map(([own, words]) => `${count(own)} ${words}`).join(', ')}`
  }
  const both = [said(entered, 'came', turnover.entered), said(exited, 'went', turnover.exited)].filter(
    (each) => each !== null,
  )
  return both.length === 0 ? null : `At the last evaluation ${both.join('; ')}.`
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function definitionSection(frame: Frame, { words, expression, findings, namespace }: CatalogSegment): Html {
  const wrong = findings.flatMap(({ range }) => range ?? [])
  const written = html`<div><h3>Expression</h3>${expressionHtml(expression, wrong)}</div>`
  if (words === null)
    return section(
      'definition',
      'Who is in',
      'The expression does not compile, so that there are no words for it.',
      html`<div class="panel definition">${written}</div>`,
    )
  const link = (name: string): Html => linkTo(frame, 'Segment', namespace, name)
  return section(
    'definition',
    'Who is in',
    'The words are made from the expression, so that both always say the same.',
    html`<div class="panel definition"><div><h3>In words</h3>${wordsHtml(words, link)}</div>${written}</div>`,
  )
}

function waterfallSection({ waterfall: counted_ }: CatalogSegment, store: StoreRow | null): Html | null {
  if (!counted_ || counted_.steps.length === 0) return null
  const { joint, whole, steps } = counted_
  const [, many] = store?.people ?? (['person', 'people'] as const)
  const result = steps.at(-1)!.value
  const drawn: Step[] = [{ label: `All ${many}${store ? ` of ${store.name}` : ''}`, value: whole, kind: 'all' }]
  let before = joint === 'and' ? whole : 0
  for (const [index, { phrase, otherwise, value }] of steps.entries()) {
    const kind = index === steps.length - 1 ? 'result' : 'kept'
    if (joint === 'and') {
      drawn.push({ label: otherwiseText(otherwise), value: before - value, kind: 'dropped', from: value })
      drawn.push({ label: phraseText(phrase), value, kind })
    } else {
      drawn.push({ label: phraseText(phrase), value: value - before, kind: 'kept', from: before })
      if (kind === 'result') drawn.push({ label: 'Any of these', value, kind: 'result' })
    }
    before = value
  }
  return section(
    'waterfall',
    joint === 'and' ? 'What each condition keeps' : 'What each alternative adds',
    html`Of ${count(whole)} ${many} ${count(result)} ${result === 1 ? 'remains' : 'remain'} (${percent(result, whole)}), in the order of the expression. Dashed: who drops out.`,
    waterfall(drawn, whole),
  )
}

/** The words for those for whom a condition does not hold; a long condition is not spelled out again below itself. */
function otherwiseText(phrase: Phrase): string {
  const text = phraseText(phrase)
  return text.length > 70 ? 'the others drop out' : text
}

function deliverySection(frame: Frame, { rows, namespace }: CatalogSegment): Html | null {
  const ways = rows.filter(({ activation, standing }) => activation !== null && standing !== null)
  if (ways.length === 0) return null
  return section(
    'deliveries',
    'Did it arrive?',
    'Members, and what became of them.',
    html`<div class="panel pad"><div class="ledger">${ways.map((row) => wayRow(frame, namespace, row))}</div></div>`,
  )
}

function wayRow(frame: Frame, namespace: string, { activation, standing }: SegmentRow): Html {
  const { members, delivered, leftOut, held, undelivered, unaccounted, inCampaign, waiting, rejected, missing } =
    standing!
  const out = leftOutIn(leftOut)
  const reasons = [
    ...Object.keys(missing).map((column) => html`no ${named(column)}`),
    ...(leftOut.withoutConsent > 0 ? [html`${count(leftOut.withoutConsent)} without consent`] : []),
  ]
  const isAsked = inCampaign !== null && held === 0
  const parts: readonly (readonly [BarPart['fill'], number, Html])[] = [
    isAsked ? ['main', inCampaign, html`in Campaign`] : ['main', delivered, html`delivered`],
    ['main3', isAsked ? (waiting ?? 0) : 0, html`wait for a recipient`],
    ['bad', isAsked ? (rejected ?? 0) : 0, html`rejected`],
    ['out', out, html`left out${reasons.length > 0 && html`, ${listedParts(reasons)}`}`],
    ['hatch', held, html`held`],
    ['soft', undelivered, html`not delivered yet`],
    ['bad', Math.max(0, unaccounted), html`not accounted for`],
  ]
  const shown = parts.filter(([, value], index) => value > 0 || index === 0)
  return html`<div class="row"><div class="head"><b>${count(members)}</b><span>${members === 1 ? 'member' : 'members'} by ${linkTo(frame, 'Activation', namespace, activation!)}</span></div>${stacked(
    shown.map(([fill, value]) => ({ fill, value })),
    members,
    `${count(members)} members`,
    22,
  )}<ul class="parts">${shown.map(([fill, value, words]) => html`<li>${swatch(fill)}<b>${count(value)}</b> ${words}</li>`)}</ul></div>`
}

/** For each way to Campaign, the last few runs that tried it. */
function lastDeliveries(frame: Frame, { rows, namespace }: CatalogSegment): Html | null {
  const ways = rows.filter(({ deliveries }) => deliveries.length > 0)
  if (ways.length === 0) return null
  const most = Math.max(...ways.map(({ deliveries }) => deliveries.length))
  const isAsked = ways.some(({ deliveries }) => deliveries.some(({ added }) => added !== null))
  const number = (value: number | null, mark: string, isSigned = false): Html => {
    // Seldom read, and hidden where there is no room; zeros are faint.
    const hidden = mark === 'hide-narrow' ? ' hide-narrow' : ''
    const tone = value === null || value === 0 ? ' dim' : hidden === '' ? ` ${mark}` : ''
    return html`<td class="num${hidden}${tone}">${value === null ? '—' : isSigned ? signed(value) : count(value)}</td>`
  }
  const at = ({ at: slot, run }: DeliveryAt): Html =>
    slot === null ? named(run) : time(slot, `${date(slot)} ${clock(slot)}`)
  const row = (each: DeliveryAt): Html => {
    const { outcome, backfill, rows: sent, realized, exits, added, removed, rejected, waiting } = each
    if (outcome === 'held')
      return html`<tr><th scope="row" class="nw">${at(each)}</th><td class="held" colspan="${isAsked ? 7 : 3}">held</td></tr>`
    const note =
      outcome === 'failed'
        ? html` <span class="bad">failed</span>`
        : backfill && html` <span class="dim">everybody</span>`
    return html`<tr><th scope="row" class="nw">${at(each)}${note}</th>${number(sent, 'strong')}${number(realized, 'came', true)}${number(exits === null ? null : -exits, 'went', true)}${isAsked && html`${number(added, 'hide-narrow')}${number(removed, 'hide-narrow')}${number(waiting, 'hide-narrow')}${number(rejected, 'bad')}`}</tr>`
  }
  const table = ({ activation, deliveries }: SegmentRow): Html =>
    html`${ways.length > 1 && html`<h3>By ${linkTo(frame, 'Activation', namespace, activation!)}</h3>`}<div class="scroll" role="region" aria-label="Deliveries by ${activation}" tabindex="0"><table><caption class="unseen">Deliveries by ${activation}, newest first</caption><thead><tr><th scope="col">Slot</th><th scope="col" class="num">Rows</th><th scope="col" class="num">= came</th><th scope="col" class="num">+ went</th>${isAsked && html`<th scope="col" class="num hide-narrow">Joined the list</th><th scope="col" class="num hide-narrow">Left it</th><th scope="col" class="num hide-narrow">Waiting</th><th scope="col" class="num">Rejected</th>`}</tr></thead><tbody>${deliveries.map(row)}</tbody></table></div>`
  return section(
    'last',
    most === 1 ? 'The last delivery' : `The last ${spelled(most)} deliveries`,
    html`Newest first. Rows say who came and who went since the delivery before${isAsked && '; the list is that in Campaign'}.`,
    ...ways.map(table),
  )
}

/** The size with other values for the number that one would change first. */
function sweepSection(
  { sweep, rows }: CatalogSegment,
  people: StoreRow['people'],
  store: StoreRow | null,
): Html | null {
  if (!sweep || sweep.points.length < 2) return null
  const { number, points } = sweep
  const most = Math.max(...points.map(({ people: own }) => own))
  const evaluatedAt = rows[0]?.evaluatedAt ?? null
  if (most === 0 || evaluatedAt === null) return null
  const units = number.unit === 'century' ? 'centuries' : number.unit === 'millennium' ? 'millennia' : `${number.unit}s`
  const words = (value: number): string => (number.unit === null ? `${value}` : counted(value, number.unit, units))
  return section(
    'sweep',
    number.unit === null ? 'If it said another number' : `If it said another number of ${units}`,
    html`How many ${people[1]} there would be with other values; it says <b>${words(number.value)}</b>. By the data of ${time(evaluatedAt, fullTime(evaluatedAt))}.`,
    ranked(
      points.map(({ value, people: own }) => ({
        label: value === number.value ? html`<b>${words(value)}</b>` : html`${words(value)}`,
        value: own,
      })),
      store?.profiles || most,
    ),
  )
}

function overlapSection(
  frame: Frame,
  { overlap, rows, namespace }: CatalogSegment,
  people: StoreRow['people'],
): Html | null {
  const members = rows[0]?.members ?? 0
  const shared = overlap.filter(({ people: own }) => own > 0).slice(0, mostShared)
  if (overlap.length === 0 || members === 0) return null
  const none = overlap.length - overlap.filter(({ people: own }) => own > 0).length
  return section(
    'overlap',
    'Who else they are',
    html`How many of the ${counted(members, ...people)} are in other Segments too.${none > 0 && ` None in ${count(none)} ${none === 1 ? 'other' : 'others'}.`}`,
    ranked(
      shared.map(({ segment, people: value }) => ({ label: linkTo(frame, 'Segment', namespace, segment), value })),
      members,
    ),
  )
}

function testsSection({ cases, covered }: CatalogSegment): Html | null {
  if (cases.length === 0) return null
  const failed = cases.filter(({ passed }) => !passed).length
  const shown = cases.slice(0, 12)
  return section(
    'tests',
    'Tests',
    html`${
      failed === 0
        ? cases.length === 1
          ? 'The one case passes.'
          : `All ${counted(cases.length, 'case')} pass.`
        : html`<span class="bad">${counted(failed, 'case')} of ${count(cases.length)} ${failed === 1 ? 'fails' : 'fail'}.</span>`
    } ${count(covered.both)} of ${counted(covered.leaves, 'condition')} ${covered.both === 1 ? 'was' : 'were'} seen true and false.`,
    html`<ul class="plain">${shown.map(({ name, suite, passed }) => html`<li>${named(name, 120)} <span class="dim">· ${named(suite)}</span>${!passed && html` <span class="tag bad">fails</span>`}</li>`)}</ul>${cases.length > shown.length && html`<p class="empty">And ${count(cases.length - shown.length)} more.</p>`}`,
  )
}

export function sourceSection({ text, file }: Pick<CatalogSegment, 'text' | 'file'>): Html | null {
  if (text === null) return null
  return section(
    'source',
    'As it is written',
    file === null ? null : html`<span class="id">${named(file, 160)}</span>`,
    html`<details><summary>YAML</summary><pre>${text}</pre></details>`,
  )
}
