// The report of one run: whether it arrived, who came and left and why, what needs somebody, what comes next.
import { attentionList, attentionOf, peopleWords } from './attention.ts'
import { type BarPart, flow, share, sparkline, stacked, swatch } from './charts.ts'
import { leftOutIn } from './delivery.ts'
import { amount, type Html, html, named, said, time } from './html.ts'
import { anchorOf, namesOf } from './names.ts'
import { pageText, section } from './page.ts'
import type { RunDocument, SegmentRow } from './run-document.ts'
import {
  dataSection,
  limitsSection,
  lineageSection,
  nextSection,
  nextWords,
  sentSection,
  stepsSection,
} from './run-sections.ts'
import { count, counted, cut, date, duration, fullTime, listed, percent, shortTime, signed, spelled } from './words.ts'

/** How many rows of Segments a page shows one by one; of more, those that need a look or moved most. */
const mostRows = 50

export type RunReportOptions = {
  /** The text at the right of the bar: a project's folder. */
  readonly where: string
  /** Whether it tells of one Run among many, so that other Runs deliver the rest. */
  readonly isPart?: boolean
}

export function runReport(document: RunDocument, { where, isPart = false }: RunReportOptions): string {
  const shown = shownRows(document.segments)
  const names = namesOf({ ...document, segments: shown })
  const { headline, title } = headlineOf(document, isPart)
  const delivered = document.segments.filter(({ activation }) => activation !== null)
  const isBare = document.runs.length === 0 && document.stores.length === 0
  return pageText({
    title,
    where,
    meta: metaOf(document),
    headline,
    lead: leadOf(document, delivered),
    body: [
      section('attention', 'What needs attention', null, attentionList(attentionOf(document, names))),
      balanceSection(delivered),
      segmentsSection(document, shown),
      sentSection(document),
      ...(isBare ? [] : [html`<div class="two">${limitsSection(document)}${stepsSection(document)}</div>`]),
      ...(isBare ? [] : [html`<div class="two">${nextSection(document)}${dataSection(document)}</div>`]),
      lineageSection(document),
    ],
    footer: [
      html`Times are UTC. No personal data is in this page: it counts people and names none.`,
      ...(document.runs.length > 0
        ? [
            html`Report of ${counted(document.runs.length, 'run')}: ${listed(
              document.runs.map(({ run }) => run),
              12,
            )}.`,
          ]
        : []),
    ],
  })
}

function metaOf({ at, stores, segments, seconds, runs }: RunDocument): Html {
  const instances = [...new Set(segments.flatMap(({ instance }) => instance ?? []))]
  const places = [
    ...stores.slice(0, 3).map(({ name }) => html`store ${named(name)}`),
    ...instances.slice(0, 3).map((name) => html`Campaign ${named(name)}`),
  ]
  return html`Run report · <b>${time(at, fullTime(at))}</b> · ${places.map((place, index) => html`${index > 0 && ', '}${place}`)}${places.length > 0 && ' · '}${runs.length === 0 ? 'nothing was due' : html`${counted(runs.length, 'run')} that ${runs.length === 1 ? 'was' : 'were'} due, ${duration(seconds)}`}`
}

type State = 'arrived' | 'held' | 'failed' | 'none'

/** The state of a row. A Segment without anything to deliver counts as arrived: Campaign has all there is. */
function stateOf(row: SegmentRow): State {
  if (row.error !== null) return 'failed'
  if (row.held !== null) return 'held'
  if (row.standing === null || row.standing.undelivered > 0) return 'failed'
  return 'arrived'
}

function headlineOf(document: RunDocument, isPart: boolean): { readonly headline: Html; readonly title: string } {
  const { segments, runs, at, next, findings } = document
  const say = (text: string): { headline: Html; title: string } => ({
    headline: html`${text}`,
    title: `${date(at)}: ${text}`,
  })
  const ways = segments.filter(({ activation }) => activation !== null)
  const errors = findings.filter(({ severity }) => severity === 'error').length
  if (segments.length === 0)
    return say(errors > 0 ? `Nothing could run: ${counted(errors, 'error')}.` : 'No Segment yet.')
  if (runs.length === 0 && errors > 0) return say(`Nothing was run: ${counted(errors, 'error')}.`)
  if (runs.length === 0) {
    const [soonest] = next
    return say(
      `Nothing was due. ${soonest ? `Next is ${nextWords(soonest)} at ${shortTime(soonest.at, at)}.` : 'Nothing is scheduled.'}`,
    )
  }
  const failedRuns = runs.filter(({ steps }) => steps.some(({ error }) => error !== undefined))
  const count_ = (state: State): number => ways.filter((row) => stateOf(row) === state).length
  const [arrived, held, failed] = [count_('arrived'), count_('held'), count_('failed')]
  const broken = segments.filter(({ activation, error }) => activation === null && error !== null).length
  if (ways.length === 0) {
    const evaluated = segments.filter(({ members }) => members !== null).length
    return say(
      failedRuns.length > 0
        ? isPart
          ? 'The run failed.'
          : `${capital(counted(failedRuns.length, 'run'))} of ${runs.length} failed.`
        : isPart
          ? `${counted(evaluated, 'Segment')} ${evaluated === 1 ? 'was' : 'were'} evaluated.`
          : `${counted(evaluated, 'Segment')} ${evaluated === 1 ? 'was' : 'were'} evaluated. None is delivered: no Activation names one.`,
    )
  }
  const empty = ways.filter(
    ({ standing }) =>
      standing && standing.members > 0 && standing.delivered === 0 && standing.held === 0 && standing.waiting === 0,
  ).length
  const whole = arrived - empty
  const asksCampaign = ways.some(({ standing }) => standing?.inCampaign !== null)
  const reached = asksCampaign ? 'reached Campaign' : 'are written for Campaign'
  if (ways.length === 1 && arrived + held === 1 && failedRuns.length === 0) {
    const { displayName, standing } = ways[0]!
    if (held === 1) return say(`${displayName} is held and waits for you.`)
    if (empty === 1) return say(`Nobody in ${displayName} can be delivered.`)
    if (standing?.members === 0) return say(`Nobody is in ${displayName}.`)
  }
  const sentences = [
    whole === ways.length
      ? ways.length === 1
        ? `The one Segment ${asksCampaign ? 'reached Campaign' : 'is written for Campaign'}.`
        : `All ${ways.length} Segments ${reached}.`
      : `${count(whole)} of ${counted(ways.length, 'Segment')} ${reached}.`,
    ...(failed > 0 ? [`${capital(spelled(failed))} ${failed === 1 ? 'was' : 'were'} not delivered.`] : []),
    ...(empty > 0 ? [`Of ${spelled(empty)} nobody can be delivered.`] : []),
    ...(held > 0
      ? [`${capital(spelled(held))} ${held === 1 ? 'is held and waits' : 'are held and wait'} for you.`]
      : []),
    ...(broken > 0 ? [`${capital(spelled(broken))} ${broken === 1 ? 'has' : 'have'} an error.`] : []),
    ...(failed === 0 && failedRuns.length > 0
      ? [`${capital(listed(failedRuns.map(({ target }) => target.name)))} failed.`]
      : []),
  ]
  return say(sentences.join(' '))
}

function capital(text: string): string {
  return text === '' ? '' : text[0]!.toUpperCase() + text.slice(1)
}

/** Sums over rows: members = delivered + leftOut + held + undelivered + unaccounted. */
export type Totals = {
  readonly members: number
  readonly delivered: number
  readonly leftOut: number
  readonly held: number
  readonly undelivered: number
  readonly unaccounted: number
  readonly inCampaign: number | null
  /** Delivered, and waiting for a recipient in Campaign. */
  readonly waiting: number
  readonly rejected: number
}

export function totalsOf(rows: readonly SegmentRow[]): Totals {
  const standing = rows.flatMap((row) => row.standing ?? [])
  const sum = (of: (each: (typeof standing)[number]) => number): number =>
    standing.reduce((total, each) => total + of(each), 0)
  const open = standing.filter(({ held }) => held === 0)
  const asked = open.filter(({ inCampaign }) => inCampaign !== null)
  return {
    members: sum(({ members }) => members),
    delivered: sum(({ delivered }) => delivered),
    leftOut: sum(({ leftOut }) => leftOutIn(leftOut)),
    held: sum(({ held }) => held),
    undelivered: sum(({ undelivered }) => undelivered),
    unaccounted: sum(({ unaccounted }) => unaccounted),
    // If a part was not asked, nothing can be said of the whole.
    inCampaign:
      open.length > 0 && asked.length === open.length
        ? asked.reduce((total, each) => total + each.inCampaign!, 0)
        : null,
    waiting: asked.reduce((total, each) => total + (each.waiting ?? 0), 0),
    rejected: asked.reduce((total, each) => total + (each.rejected ?? 0), 0),
  }
}

function leadOf({ stores, segments, runs }: RunDocument, delivered: readonly SegmentRow[]): Html | null {
  if (segments.length === 0) return html`<code>convoke init</code> writes a project that runs.`
  const totals = totalsOf(delivered)
  const [one, many] = peopleWords(stores)
  const people = stores.reduce((sum, store) => sum + (store.inDelivered?.members ?? 0), 0)
  const isFirst =
    stores.some(({ evaluatedAt }) => evaluatedAt !== null) && stores.every(({ previousAt }) => previousAt === null)
  const first = new Set<string>()
  const unique = delivered.filter(
    ({ namespace, segment }) => !first.has(`${namespace}/${segment}`) && first.add(`${namespace}/${segment}`),
  )
  const came = unique.reduce((sum, { entered }) => sum + (entered ?? 0), 0)
  const went = unique.reduce((sum, { exited }) => sum + (exited ?? 0), 0)
  const since = stores[0]?.previousAt
  const arrived =
    totals.members === 0
      ? null
      : totals.inCampaign === null
        ? html`<b>${count(totals.delivered)} of ${counted(totals.members, 'membership')}</b> ${totals.members === 1 ? 'is' : 'are'} delivered`
        : html`<b>${count(totals.inCampaign)} of ${count(totals.members)}</b> ${totals.members === 1 ? 'membership is' : 'memberships are'} in Campaign (${percent(totals.inCampaign, totals.members, true)})`
  const of =
    people > 0 && arrived ? html`, of <b>${counted(people, one, many)}</b>: one may be in several Segments` : null
  const changes = isFirst
    ? html` This was the first evaluation.`
    : since
      ? html` Since ${time(since, shortTime(since))} <b class="came">${count(came)} came</b> and <b class="went">${count(went)} went</b>.`
      : null
  if (!arrived) return runs.length === 0 ? null : html`${changes}`
  return html`${arrived}${of}.${changes}`
}

function balanceSection(rows: readonly SegmentRow[]): Html | null {
  const standing = rows.filter((row) => row.standing !== null)
  if (standing.length === 0) return null
  const totals = totalsOf(standing)
  const { members, delivered, leftOut, held, undelivered, unaccounted, inCampaign, waiting, rejected } = totals
  const byActivation = [...Map.groupBy(standing, ({ activation }) => activation ?? '')].map(([activation, own]) => ({
    activation,
    members: own.reduce((sum, { standing: each }) => sum + each!.members, 0),
  }))
  const ways = byActivation.sort((a, b) => b.members - a.members)
  const sentNow = Math.min(
    delivered,
    standing.reduce(
      (sum, row) => sum + (row.isInRun && row.held === null && row.error === null ? (row.realized ?? 0) : 0),
      0,
    ),
  )
  const missing = new Map<string, number>()
  for (const { standing: each } of standing)
    for (const [column, people] of Object.entries(each!.missing))
      missing.set(column, (missing.get(column) ?? 0) + people)
  const doubles = standing.reduce((sum, { standing: each }) => sum + each!.leftOut.duplicateKey, 0)
  const withheld = standing.reduce((sum, { standing: each }) => sum + each!.leftOut.withoutConsent, 0)
  const reasons = [
    ...(withheld > 0 ? [[withheld, html`no consent`] as const] : []),
    ...[...missing].map(([column, people]) => [people, html`no ${named(column)}`] as const),
    ...(doubles > 0 ? [[doubles, html`the key of somebody else`] as const] : []),
  ]
  const lacking = reasons.map(([people, words]) => (reasons.length === 1 ? words : html`${words} ${count(people)}`))
  const heldRows = standing.filter((row) => row.held !== null)
  const fault = (value: number): Html | null =>
    value === 0
      ? null
      : html`<li class="bad"><b>${count(Math.abs(value))}</b> ${value > 0 ? 'are not accounted for' : 'too many are accounted for'}</li>`
  const drop = (value: number, fill: BarPart['fill'], words: Html): Html | null =>
    value === 0 ? null : html`<li>${swatch(fill)}<b>${count(value)}</b> ${words}</li>`
  const memberParts = ways
    .slice(0, 4)
    .map(({ activation, members: own }): BarPart => ({ value: own, fill: 'soft', label: activation }))
  const rest = ways.slice(4).reduce((sum, each) => sum + each.members, 0)
  const equation = (whole: number, parts: readonly (readonly [number, string])[]): Html => {
    const told = parts.filter(([value], index) => value !== 0 || index === 0)
    return html`<span>${count(whole)} = ${told.map(([value, words]) => `${count(value)} ${words}`).join(' + ')}</span>`
  }
  return section(
    'balance',
    'Did it arrive?',
    html`A membership is one person in one Segment. Bars share one scale.`,
    html`<div class="panel pad"><div class="ledger">
<div class="row"><div class="head"><b>${count(members)}</b><span>${members === 1 ? 'membership' : 'memberships'} of the ${counted(new Set(standing.map(({ namespace, segment }) => `${namespace}/${segment}`)).size, 'Segment')} that ${standing.length === 1 ? 'is' : 'are'} delivered</span></div>${stacked(
      [...memberParts, { value: rest, fill: 'soft', label: 'others' }],
      members,
      `${count(members)} memberships: ${ways
        .map((way) => `${way.activation} ${count(way.members)}`)
        .slice(0, 6)
        .join(', ')}`,
    )}<ul class="parts">${ways.slice(0, 8).map((way, index) => html`<li class="${index < 4 && way.members * 11 > members * 0.08 * (way.activation.length + 6) && 'only-narrow'}">${named(way.activation)} <b>${count(way.members)}</b></li>`)}</ul></div>
<div class="row"><div class="head"><b>${count(delivered)}</b><span>delivered</span></div>${stacked(
      [
        { value: delivered - sentNow, fill: 'main2', label: 'sent before, unchanged since' },
        { value: sentNow, fill: 'main', label: 'sent in this run' },
        { value: leftOut, fill: 'out' },
        { value: held, fill: 'hatch' },
        { value: undelivered, fill: 'soft' },
        { value: Math.max(0, unaccounted), fill: 'bad' },
      ],
      members,
      `${count(delivered)} delivered, ${count(leftOut)} left out, ${count(held)} held, ${count(undelivered)} not delivered yet`,
    )}<ul class="parts"><li class="only-narrow">${swatch('main2')}<b>${count(delivered - sentNow)}</b> sent before</li><li class="only-narrow">${swatch('main')}<b>${count(sentNow)}</b> sent in this run</li>${drop(leftOut, 'out', html`left out${lacking.length > 0 && (reasons.length === 1 ? ', ' : ': ')}${lacking.map((words, index) => html`${index > 0 && ', '}${words}`)}`)}${drop(held, 'hatch', html`held, in ${counted(heldRows.length, 'Segment')}`)}${drop(undelivered, 'soft', html`not delivered yet`)}${fault(unaccounted)}</ul></div>
${
  inCampaign === null
    ? html`<div class="row"><div class="head"><span>Campaign reads the files itself, or was not asked: what it made of them is not known here.</span></div></div>`
    : html`<div class="row"><div class="head"><b>${count(inCampaign)}</b><span>in Campaign, ${percent(inCampaign, members, true)} of the ${members === 1 ? 'membership' : 'memberships'}</span></div>${stacked(
        [
          { value: inCampaign, fill: 'main' },
          { value: waiting, fill: 'main3' },
          { value: rejected, fill: 'bad' },
        ],
        members,
        `${count(inCampaign)} in Campaign, ${count(waiting)} waiting for a recipient, ${count(rejected)} rejected`,
      )}<ul class="parts">${drop(waiting, 'main3', html`wait for a recipient: Campaign has no such one yet`)}${drop(rejected, 'bad', html`rejected`)}${fault(delivered - inCampaign - waiting - rejected)}</ul></div>`
}</div>
<p class="sum"><b>${unaccounted === 0 ? 'Balances.' : 'Does not balance.'}</b>${equation(members, [
      [delivered, 'delivered'],
      [leftOut, 'left out'],
      [held, 'held'],
      [undelivered, 'not delivered yet'],
      [unaccounted, 'not accounted for'],
    ])}${
      inCampaign !== null &&
      equation(delivered, [
        [inCampaign, 'in Campaign'],
        [waiting, 'waiting for a recipient'],
        [rejected, 'rejected'],
      ])
    }</p></div>`,
  )
}

function movement(row: SegmentRow): number {
  return (row.entered ?? 0) + (row.exited ?? 0)
}

/** How urgent a row is: 2 for an error, 1 for a hold, 0 for all others. */
function urgency(row: SegmentRow): number {
  return row.error !== null ? 2 : row.held !== null ? 1 : 0
}

/** All rows; of very many, those that need a look or moved most. */
export function shownRows(rows: readonly SegmentRow[]): readonly SegmentRow[] {
  if (rows.length <= mostRows) return rows
  const kept = new Set(
    [...rows].sort((a, b) => urgency(b) - urgency(a) || movement(b) - movement(a)).slice(0, mostRows),
  )
  return rows.filter((row) => kept.has(row))
}

function segmentsSection(document: RunDocument, shown: readonly SegmentRow[]): Html {
  const { segments, next, at, findings } = document
  if (segments.length === 0) {
    const errors = findings.some(({ severity }) => severity === 'error')
    return section(
      'segments',
      'Segments',
      errors
        ? 'What is read so far has errors; see above.'
        : html`No Segment yet. <code>convoke init</code> writes one that runs.`,
    )
  }
  const most = Math.max(
    1,
    ...shown.filter(({ history }) => history.length > 1).map((row) => Math.max(row.entered ?? 0, row.exited ?? 0)),
  )
  const days = shown.flatMap(({ history }) => [history[0]?.at ?? [], history.at(-1)?.at ?? []].flat())
  const [from, to] = [
    days.reduce((a, b) => (a < b ? a : b), days[0] ?? at),
    days.reduce((a, b) => (a > b ? a : b), days[0] ?? at),
  ]
  const period = from.slice(0, 10) === to.slice(0, 10) ? 'Size' : `${date(from)} to ${date(to)}`
  const since = document.stores.length === 1 ? document.stores[0]!.previousAt : null
  const worst = (rows: readonly SegmentRow[]): number =>
    Math.max(...rows.map((row) => (row.activation === null ? -1 : urgency(row))))
  const groups = [...Map.groupBy(shown, ({ activation }) => activation)].sort(([, a], [, b]) => worst(b) - worst(a))
  const all = Map.groupBy(segments, ({ activation }) => activation)
  const isCut = shown.length < segments.length
  const head = html`<thead><tr><th scope="col">Segment</th><th scope="col">${period}</th><th scope="col" class="num">Members</th><th scope="col" class="num change">Change</th><th scope="col">Went · came${since && ` since ${shortTime(since, at)}`}</th><th scope="col">${segments.some(({ standing }) => standing?.inCampaign != null) ? 'In Campaign' : 'Delivered'}</th></tr></thead>`
  const body = groups.map(([activation, rows]) => {
    const whole = all.get(activation) ?? rows
    const slot = next.find(({ kind, name }) => kind === 'Activation' && name === activation)
    const words =
      activation === null
        ? html`<b>Not delivered</b> · ${counted(whole.length, 'Segment')}`
        : html`<b>${named(activation)}</b> · ${counted(whole.length, 'Segment')}${slot && html` · ${slot.often > 1 ? `${slot.often} times a day, ` : ''}next ${time(slot.at, shortTime(slot.at, at))}`}${
            isCut &&
            ` · ${counted(
              whole.reduce((sum, { members }) => sum + (members ?? 0), 0),
              'member',
            )}`
          }`
    const ordered = [...rows].sort(
      (a, b) => urgency(b) - urgency(a) || movement(b) - movement(a) || (a.segment < b.segment ? -1 : 1),
    )
    return html`<tbody><tr class="group"><th scope="rowgroup" colspan="6">${words}</th></tr>${ordered.map((row) => segmentRow(row, most))}</tbody>`
  })
  return section(
    'segments',
    'Segments',
    html`${isCut ? `${counted(shown.length, 'Segment')} of ${count(segments.length)}: those that need a look or moved most. ` : ''}Those that need a look first, then by how much they moved. Bars of one column share a scale; sparklines start at zero.`,
    html`<table class="segments cards"><caption class="unseen">Segments: size, change, and what is in Campaign</caption>${head}${body}</table>`,
  )
}

function segmentRow(row: SegmentRow, most: number): Html {
  const { displayName, segment, members, previousMembers, entered, exited, history, standing } = row
  const isFirst = history.length < 2
  const change = members !== null && previousMembers !== null ? members - previousMembers : null
  const last = history.at(-2)
  const title =
    displayName === segment
      ? html`<b>${named(segment)}</b>`
      : html`<b>${named(displayName)}</b><span class="id">${named(segment)}</span>`
  const problem =
    row.error === null ? null : html`<span class="bad block" title="${row.error}">${said(cut(row.error, 160))}</span>`
  const size =
    members === null
      ? last === undefined
        ? html`<span class="dim">—</span>`
        : html`<span class="dim">${count(last.members)} on ${date(last.at)}</span>`
      : html`<span class="strong">${amount(members)}</span>`
  const moved =
    entered === null || exited === null
      ? null
      : isFirst
        ? html`<span class="dim">first evaluation</span>`
        : html`${flow(exited, entered, most)}<span class="only-narrow"><span class="went">${signed(-exited)}</span> <span class="came">${signed(entered)}</span></span>`
  return html`<tr id="${anchorOf(row)}"><th scope="row" class="name">${title}${problem}</th><td class="spark pic">${sparkline(history.map(({ at, members: value }) => ({ at, value })))}</td><td class="num members">${size}</td><td class="num change${change === 0 && ' dim'}">${change === null ? '' : signed(change)}</td><td class="flow pic">${moved}</td><td class="arrived">${arrived(row, standing)}</td></tr>`
}

function arrived(row: SegmentRow, standing: SegmentRow['standing']): Html {
  if (row.activation === null) return html`<span class="dim">—</span>`
  if (row.error !== null) return html`<span class="tag bad">not delivered</span>`
  if (row.held !== null) {
    const { baseline, noLongerMembers } = row.held
    const stale =
      noLongerMembers !== null && noLongerMembers > 0 && row.held.runs > 1
        ? noLongerMembers === baseline
          ? ', all left'
          : `, ${count(noLongerMembers)} left`
        : ''
    return html`<span class="tag held">Held</span> <span class="soft">${baseline === null ? '' : `list has ${count(baseline)}${stale}`}</span>`
  }
  if (standing === null) return html`<span class="dim">never</span>`
  const { members, delivered, inCampaign, undelivered } = standing
  if (members > 0 && delivered === 0 && undelivered === 0) return html`<span class="bad">0 of ${count(members)}</span>`
  if (undelivered > 0 && delivered === 0) return html`<span class="soft">not yet</span>`
  const there = inCampaign ?? delivered
  return html`<span class="cell">${share(there, members)}<span><span class="strong">${count(there)}</span> <span class="soft">of ${count(members)}</span></span></span>`
}
