// What somebody should look at after a run: the worst first, and entries of one kind together, however many there are.
import { longHoldRuns } from '#crds'
import { holdPicture } from './charts.ts'
import { leftOutIn } from './delivery.ts'
import { type Html, html, listedParts, named, said, time } from './html.ts'
import type { Names } from './names.ts'
import type { RunDocument, SegmentRow, StoreRow } from './run-document.ts'
import { count, counted, date, listed, ordinal, percent, shortTime } from './words.ts'

export type Entry = {
  /** A failure; a decision that waits; something to look at; something good to know. */
  readonly level: 'bad' | 'decide' | 'look' | 'know'
  readonly title: Html
  readonly why: Html | null
  /** The command or place that helps; null: none. */
  readonly act: Html | null
  readonly picture?: Html | null
}

const levels = ['bad', 'decide', 'look', 'know'] as const

export function attentionOf(document: RunDocument, names: Names): readonly Entry[] {
  const entries = rules.flatMap((rule) => rule(document, names))
  return levels.flatMap((level) => entries.filter((entry) => entry.level === level))
}

/** Up to this many entries of one kind are told one by one; more are told together. */
const mostOfAKind = 3

type Rule = (document: RunDocument, names: Names) => readonly Entry[]

const rules: readonly Rule[] = [
  failedSteps,
  brokenSegments,
  nothingArrives,
  unaccounted,
  heldSegments,
  waiting,
  expectations,
  notices,
  rejected,
  leftOut,
  badRows,
  emptyDatasets,
  tooManyEvents,
  closeToLimits,
  nobody,
  turnedOver,
  edited,
  warnings,
  gaps,
]

function failedSteps({ runs, segments }: RunDocument): readonly Entry[] {
  return runs.flatMap(({ target, steps }) =>
    steps.flatMap((step): Entry[] => {
      if (!step.error) return []
      const hit = segments.filter((row) => row.activation === target.name && row.namespace === target.namespace)
      const lost = hit.filter(({ error }) => error !== null)
      const what =
        target.kind === 'Activation' && hit.length > 0
          ? html`: ${lost.length === hit.length ? `none of its ${counted(hit.length, 'Segment')} was delivered` : `${count(lost.length)} of ${counted(hit.length, 'Segment')} were not delivered`}`
          : null
      return [
        {
          level: 'bad',
          title: html`${named(target.name)} failed at ${step.step}${what}`,
          why: said(step.error.message),
          act: html`${step.error.retryable ? 'The same command tries it again.' : 'Correct it, then run the same command again.'}<br>What was delivered stays as it is.`,
        },
      ]
    }),
  )
}

function brokenSegments({ findings }: RunDocument): readonly Entry[] {
  const errors = findings.filter(({ severity }) => severity === 'error')
  return [...Map.groupBy(errors, ({ code }) => code)].map(([code, all]): Entry => {
    const [first] = all
    const about = all.map(({ kind, name, path }) => (name === null ? path : `${kind} ${name}`))
    return {
      level: 'bad',
      title:
        all.length === 1
          ? html`${named(about[0]!)} has an error: ${said(first!.message)}`
          : html`${count(all.length)} errors of one kind: ${said(first!.message)}`,
      why: html`${all.length === 1 ? first!.path : listed([...new Set(about)], 4)}`,
      act: html`<code>convoke explain ${code}</code>`,
    }
  })
}

/** Segments that can be delivered to nobody, or of which Campaign took nothing: never a tick. */
function nothingArrives({ segments }: RunDocument, { link, people }: Names): readonly Entry[] {
  const entries: Entry[] = []
  for (const row of segments) {
    const { standing, isInRun, rows, rejected: refused } = row
    if (!isInRun || !standing || standing.held > 0 || standing.members === 0) continue
    if (isLeftOutWhole(row))
      entries.push({
        level: 'bad',
        title: html`0 of ${people(row, standing.members)} of ${link(row)} can be delivered: ${reasonsOf(standing)}`,
        why: html`<i>${named(row.activation ?? '')}</i> asks for it of everybody.`,
        act: null,
      })
    else if (rows !== null && rows > 0 && refused === rows)
      entries.push({
        level: 'bad',
        title: html`Campaign took none of the ${counted(rows, 'row')} of ${link(row)}`,
        why: html`${rejectWords(row)}.`,
        act: html`Lines and reasons: <code>….rejects.csv</code> beside each file`,
      })
  }
  if (entries.length <= mostOfAKind) return entries
  return [
    {
      level: 'bad',
      title: html`Of ${counted(entries.length, 'Segment')} nothing arrives`,
      why: html`Everybody in them is left out, or rejected by Campaign; the table says which and why.`,
      act: null,
    },
  ]
}

function isLeftOutWhole({ standing }: SegmentRow): boolean {
  if (!standing || standing.members === 0) return false
  return leftOutIn(standing.leftOut) === standing.members
}

function reasonsOf({
  missing,
  leftOut: { missingMandatory, duplicateKey, withoutConsent },
}: NonNullable<SegmentRow['standing']>): string {
  const lacking = Object.keys(missing)
  return [
    ...(lacking.length > 0 ? [`no ${listed(lacking)}`] : missingMandatory > 0 ? ['a mandatory value is missing'] : []),
    ...(withoutConsent > 0 ? ['no consent'] : []),
    ...(duplicateKey > 0 ? ['the same key as somebody else'] : []),
  ].join('; ')
}

function rejectWords({ rejectedBy, rejected: refused }: SegmentRow): string {
  const reasons = Object.entries(rejectedBy)
  const words = reasons.map(([reason, rows]) => `${count(rows)}: ${reason}`)
  return words.length > 0 ? listed(words, 3) : `${counted(refused ?? 0, 'row')} rejected`
}

function unaccounted({ segments }: RunDocument, { link }: Names): readonly Entry[] {
  const wrong = segments.filter(({ standing }) => standing && standing.unaccounted !== 0)
  if (wrong.length === 0) return []
  const total = wrong.reduce((sum, { standing }) => sum + Math.abs(standing!.unaccounted), 0)
  return [
    {
      level: 'bad',
      title: html`${counted(total, 'membership')} ${total === 1 ? 'is' : 'are'} not accounted for`,
      why: html`In ${wrong.slice(0, 3).map((row, index) => html`${index > 0 && ', '}${link(row)}`)}${wrong.length > 3 && ` and ${counted(wrong.length - 3, 'other')}`} members and what became of them do not add up. That is a fault; please report it.`,
      act: null,
    },
  ]
}

function heldSegments({ segments, at }: RunDocument, names: Names): readonly Entry[] {
  const held = segments.filter((row) => row.held !== null)
  const entries = held.map((row) => heldEntry(row, at, names))
  if (entries.length <= mostOfAKind) return entries
  const ways = [...new Set(held.map(({ activation }) => activation ?? ''))]
  return [
    {
      level: 'decide',
      title: html`${counted(held.length, 'Segment')}${ways.length === 1 && html` of ${named(ways[0]!)}`} are held`,
      why: html`${namesOf(held)}. Their lists in Campaign stay as they were until somebody decides.`,
      act: html`Deliver one as it is:<br><code>convoke approve ${ways.length === 1 ? ways[0]! : 'ACTIVATION'} SEGMENT</code>`,
    },
  ]
}

/** The display names of the first few, and how many more there are. */
function namesOf(rows: readonly SegmentRow[], most = 6): Html {
  return listedParts(
    rows.map(({ displayName }) => named(displayName, 60)),
    most,
  )
}

function heldEntry(row: SegmentRow, at: string, { link, people }: Names): Entry {
  const { held, activation, segment, history } = row
  const { since, direction, wouldChange, baseline, limit, noLongerMembers, runs } = held!
  const days = since === null ? 0 : Math.floor((Date.parse(at) - Date.parse(since)) / 86_400_000) + 1
  const why =
    wouldChange === null || baseline === null
      ? html`${held!.message}`
      : direction === 'empty'
        ? html`Nobody is in it any more; ${count(baseline)} are on the list.`
        : direction === 'entered'
          ? html`${count(wouldChange)} would join a list of ${count(baseline)} (${percent(wouldChange, baseline, true)}), and <i>${named(activation ?? '')}</i> lets it grow by ${String(limit)}% at most.`
          : html`${count(wouldChange)} would leave a list of ${count(baseline)} (${percent(wouldChange, baseline, true)}), and <i>${named(activation ?? '')}</i> lets ${String(limit)}% leave at most.`
  const stale =
    noLongerMembers !== null && noLongerMembers > 0 && direction !== 'empty' && runs > 1
      ? html` ${noLongerMembers === baseline ? html`All ${people(row, noLongerMembers)}` : html`${count(noLongerMembers)} of those`} on the list have left the Segment since, and are still on it.`
      : null
  const from = since === null ? -1 : history.findIndex((point) => Date.parse(point.at) >= Date.parse(since))
  const picture =
    since !== null && baseline !== null && from >= 0
      ? holdPicture(
          history.map((point) => ({ at: point.at, value: point.members })),
          baseline,
          from,
          since,
        )
      : null
  return {
    // A list that nobody decides on grows old: Campaign goes on writing to it.
    level: runs >= longHoldRuns ? 'bad' : 'decide',
    title: html`${link(row)} is held${days > 1 && ` for the ${ordinal(days)} day`}`,
    why: html`${why}${stale}`,
    act: html`Deliver it as it is:<br><code>convoke approve ${activation ?? ''} ${segment}</code>`,
    picture,
  }
}

/** Members of Activations that were not due, whose run failed, or that never ran. */
function waiting({ segments, next, at }: RunDocument): readonly Entry[] {
  const late = segments.filter(
    ({ standing, error, isInRun }) => standing && standing.undelivered > 0 && error === null && !isInRun,
  )
  return [...Map.groupBy(late, ({ activation }) => activation ?? '')].map(([activation, rows]): Entry => {
    const total = rows.reduce((sum, { standing }) => sum + standing!.undelivered, 0)
    const slot = next.find(({ kind, name }) => kind === 'Activation' && name === activation)
    return {
      level: 'know',
      title: html`${counted(total, 'membership')} of ${named(activation)} ${total === 1 ? 'was' : 'were'} not delivered yet`,
      why: slot ? html`It runs next at ${time(slot.at, shortTime(slot.at, at))}.` : html`It has no further slot.`,
      act: null,
    }
  })
}

/** Expectations of Datasets that their data does not meet. */
function expectations({ runs }: RunDocument): readonly Entry[] {
  const details = runs.flatMap(({ steps }) =>
    steps.filter(({ step }) => step === 'ingest').flatMap(({ details: own = [] }) => own),
  )
  const follows = {
    Warn: null,
    HoldActivations: html`Nothing of its store is delivered until it is; the next ingestion looks again.`,
    Fail: html`Its store is not evaluated until it is.`,
  }
  return details.flatMap(({ dataset = '', expectations: own = [] }) =>
    own
      .filter(({ met }) => !met)
      .map(
        ({ name, severity, message }): Entry => ({
          level: severity === 'Warn' ? 'look' : 'bad',
          title: html`${named(dataset)} is not as expected (${named(name)}): ${said(message)}`,
          why: follows[severity],
          act: null,
        }),
      ),
  )
}

function notices({ notices: all }: RunDocument): readonly Entry[] {
  return all.map(
    ({ kind, target, message }): Entry => ({
      level: kind === 'missed' ? 'look' : 'know',
      title: html`${named(target)}: ${said(message)}`,
      why: null,
      act: null,
    }),
  )
}

/** People whom Campaign does not know yet, and rows that it refused. */
function rejected({ segments, stores }: RunDocument): readonly Entry[] {
  const one = stores.length === 1 ? stores[0]!.people[0] : 'person'
  const standing = segments.filter((row) => row.standing && row.standing.held === 0)
  const sum = (of: (row: SegmentRow) => number | null): number =>
    standing.reduce((total, row) => total + (of(row) ?? 0), 0)
  const isAsked = standing.some((row) => row.standing!.inCampaign !== null)
  // Where Campaign itself was not asked, only what the imports told is known.
  const waits = isAsked ? (row: SegmentRow) => row.standing!.waiting : (row: SegmentRow) => row.waiting
  const refuses = isAsked ? (row: SegmentRow) => row.standing!.rejected : (row: SegmentRow) => row.rejected
  const lists = html`Lines and reasons lie beside each file,<br>as <code>….rejects.csv</code>`
  const most = (of: (row: SegmentRow) => number | null): Html => {
    const rows = standing.filter((row) => (of(row) ?? 0) > 0).sort((a, b) => of(b)! - of(a)!)
    const named = withNumbers(rows.slice(0, 3).map((row) => [row, of(row)!]))
    return rows.length > 1 ? html`Most are in ${named}.` : html`They are in ${named}.`
  }
  const entries: Entry[] = []
  const waiting_ = sum(waits)
  const now = sum(({ rowsWaiting }) => rowsWaiting)
  if (waiting_ > 0)
    entries.push({
      level: 'look',
      title: html`${counted(waiting_, 'membership')} ${waiting_ === 1 ? 'waits' : 'wait'} for a recipient: Campaign has no such ${one}`,
      why: html`${now === 0 ? 'None of them came in this run' : now >= waiting_ ? 'All came in this run' : `${count(now)} came in this run, the others before`}. Each import tries them again. ${most(waits)}`,
      act: lists,
    })
  const refused = sum(refuses)
  if (refused > 0) {
    const reasons = [...new Set(standing.flatMap((row) => Object.keys(row.rejectedBy)))].filter(
      (reason) => !isWaitingReason(reason),
    )
    entries.push({
      level: 'look',
      title: html`${counted(refused, 'membership')} ${refused === 1 ? 'was' : 'were'} rejected by Campaign`,
      why: html`${reasons.length > 0 ? `${capital(listed(reasons, 4))}.` : ''} ${most(refuses)}`,
      act: waiting_ > 0 ? null : lists,
    })
  }
  return entries
}

/** Whether the reason is a missing recipient: such a row is listed with the rejected ones, and waits. */
export function isWaitingReason(reason: string): boolean {
  return /^no row of .* has this key/.test(reason)
}

function capital(text: string): string {
  return text === '' ? '' : text[0]!.toUpperCase() + text.slice(1)
}

function withNumbers(rows: readonly (readonly [row: SegmentRow, people: number])[]): Html {
  return listedParts(rows.map(([row, people]) => html`${named(row.displayName, 60)} (${count(people)})`))
}

function leftOut({ segments }: RunDocument): readonly Entry[] {
  const entries: Entry[] = []
  const byColumn = new Map<string, { total: number; rows: { row: SegmentRow; people: number }[] }>()
  for (const row of segments) {
    // A Segment that is left out as a whole has an entry of its own.
    if (isLeftOutWhole(row)) continue
    for (const [column, people] of Object.entries(row.standing?.missing ?? {})) {
      const own = byColumn.get(column) ?? { total: 0, rows: [] }
      own.total += people
      own.rows.push({ row, people })
      byColumn.set(column, own)
    }
  }
  for (const [column, { total, rows }] of [...byColumn].sort((a, b) => b[1].total - a[1].total)) {
    const most = [...rows].sort((a, b) => b.people - a.people).slice(0, 3)
    const ways = [...new Set(rows.map(({ row }) => row.activation ?? ''))]
    entries.push({
      level: 'look',
      title: html`${counted(total, 'membership')} ${total === 1 ? 'is' : 'are'} left out: no <code>${column}</code>`,
      why: html`<i>${listed(ways, 3)}</i> ${ways.length === 1 ? 'asks' : 'ask'} for it of everybody. ${rows.length === 1 ? html`They are in ${named(most[0]!.row.displayName)}` : html`Most are in ${withNumbers(most.map(({ row, people }) => [row, people]))}`}.`,
      act: null,
    })
  }
  const withheld = segments.reduce((sum, { standing }) => sum + (standing?.leftOut.withoutConsent ?? 0), 0)
  if (withheld > 0)
    entries.push({
      level: 'know',
      title: html`${counted(withheld, 'membership')} ${withheld === 1 ? 'is' : 'are'} left out: the person may not be sent`,
      why: html`By the consent of their ProfileStore.`,
      act: null,
    })
  const doubles = segments.reduce((sum, { standing }) => sum + (standing?.leftOut.duplicateKey ?? 0), 0)
  if (doubles > 0)
    entries.push({
      level: 'look',
      title: html`${counted(doubles, 'membership')} ${doubles === 1 ? 'is' : 'are'} left out: another profile has the same key`,
      why: html`Of several profiles with one key the latest to join is delivered.`,
      act: null,
    })
  return entries
}

function badRows({ runs }: RunDocument): readonly Entry[] {
  return runs.flatMap(({ steps }) =>
    steps
      .filter(({ step }) => step === 'ingest')
      .flatMap(({ details = [] }) => details)
      .flatMap(({ dataset, counts = {} }): Entry[] => {
        const bad = (counts['badRows'] ?? 0) + (counts['oversize'] ?? 0)
        if (dataset === undefined || bad === 0) return []
        return [
          {
            level: 'look',
            title: html`${counted(bad, 'row')} of ${named(dataset)} could not be read`,
            why: html`Of ${count(counts['rowsRead'] ?? 0)} rows; the others are in.`,
            act: html`With their reasons in the store, under <code>rejects/${dataset}</code>`,
          },
        ]
      }),
  )
}

function emptyDatasets({ stores, segments }: RunDocument): readonly Entry[] {
  return stores.flatMap(({ datasets, name, profiles }): Entry[] => {
    const empty = datasets.filter(({ records }) => records === 0)
    if (empty.length === 0) return []
    const hit = segments.filter(({ store, exited, members }) => store === name && (exited ?? 0) > (members ?? 0)).length
    return [
      {
        level: profiles === 0 ? 'bad' : 'look',
        title:
          hit > 0
            ? html`${counted(hit, 'Segment')} ${hit === 1 ? 'loses' : 'lose'} most members: ${listed(
                empty.map((each) => each.name),
                3,
              )} ${empty.length === 1 ? 'is' : 'are'} empty`
            : html`${listed(
                empty.map((each) => each.name),
                3,
              )} ${empty.length === 1 ? 'is' : 'are'} empty`,
        why: html`No record came from ${empty.length === 1 ? 'this Dataset' : 'these Datasets'}: look into the landing folder.`,
        act: null,
      },
    ]
  })
}

function tooManyEvents({ stores }: RunDocument): readonly Entry[] {
  return stores.flatMap(({ leftOut: { eventsPerProfile, identitiesPerProfile }, people }): Entry[] => {
    const total = eventsPerProfile + identitiesPerProfile
    if (total === 0) return []
    return [
      {
        level: 'look',
        title: html`${counted(total, ...people)} ${total === 1 ? 'is' : 'are'} in no Segment: too many ${eventsPerProfile > 0 ? 'events' : 'identities'}`,
        why: html`Over the limit for one profile, so segmentation leaves ${total === 1 ? 'it' : 'them'} out.`,
        act: null,
      },
    ]
  })
}

function closeToLimits({ guardrails, stores }: RunDocument): readonly Entry[] {
  return guardrails
    .filter(({ used, limit }) => used >= limit * 0.8)
    .slice(0, mostOfAKind)
    .map(({ what, name, used, limit, kind }): Entry => {
      const isEvents = what === 'events of one person'
      const one = stores.find((store) => store.name === name)?.people[0] ?? 'person'
      return {
        level: 'look',
        title: isEvents
          ? html`One ${one} has ${count(used)} events; beyond ${count(limit)} it drops out of every Segment`
          : html`${named(name)} uses ${count(used)} of ${count(limit)} ${what}`,
        why: isEvents
          ? html`${percent(used, limit)} of the limit for one profile.`
          : html`${kind}; ${percent(used, limit)} of the limit.`,
        act: html`<a href="#limits">All limits</a>`,
      }
    })
}

function nobody({ segments }: RunDocument, { link }: Names): readonly Entry[] {
  const empty = segments.filter(
    (row) => row.activation !== null && row.members === 0 && row.held === null && row.error === null,
  )
  if (empty.length > mostOfAKind)
    return [
      {
        level: 'look',
        title: html`${counted(empty.length, 'Segment')} that are delivered have nobody`,
        why: html`${namesOf(empty)}.`,
        act: null,
      },
    ]
  return empty.map((row): Entry => {
    const left = row.exited ?? 0
    return {
      level: 'look',
      title: html`Nobody is in ${link(row)}`,
      why: left > 0 ? html`The last ${count(left)} went in this evaluation.` : null,
      act: html`Which condition drops the last:<br><code>convoke query ${cutExpression(row.expression)} …</code>`,
    }
  })
}

function cutExpression(text: string): string {
  const line = text.replace(/\s+/g, ' ')
  return `'${line.length > 48 ? `${line.slice(0, 47)}…` : line}'`
}

/** Segments of which more than half changed at once, and which no breaker looked at. */
function turnedOver({ segments, at }: RunDocument, { link }: Names): readonly Entry[] {
  const seen = new Set<string>()
  const found = segments.filter((row) => {
    const { members, entered, exited, previousMembers, held, segment, namespace, history, activation } = row
    if (held || previousMembers === null || history.at(-1)?.edited || seen.has(`${namespace}/${segment}`)) return false
    seen.add(`${namespace}/${segment}`)
    const moved = (entered ?? 0) + (exited ?? 0)
    const usual = median(history.slice(1, -1).map((day) => day.entered + day.exited))
    return activation !== '' && (members ?? 0) >= 20 && moved > (members ?? 0) / 2 && moved > 3 * usual
  })
  return found.slice(0, mostOfAKind).map((row): Entry => {
    const turn = periodOf(row.expression, at)
    return {
      level: 'know',
      title: html`${link(row)} turned over: ${count(row.entered ?? 0)} came, ${count(row.exited ?? 0)} went`,
      why:
        turn &&
        html`Its condition says <code>${turn.term}</code>, which is ${turn.now} since midnight. Expect the same ${turn.again}.`,
      act: null,
    }
  })
}

function median(values: readonly number[]): number {
  return values.length === 0 ? 0 : [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}

/** A calendar period that a condition names and that began on this very day; null: none. */
function periodOf(expression: string, at: string): { term: string; now: string; again: string } | null {
  const [term, which, unit] = /\b(last|this)\s+(week|month|year)\b/i.exec(expression) ?? []
  const day = new Date(at)
  if (term === undefined) return null
  const offset = which?.toLowerCase() === 'last' ? 1 : 0
  if (unit === 'month' && day.getUTCDate() === 1) {
    const month = new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() - offset, 1))
    return {
      term,
      now: month.toLocaleString('en', { month: 'long', timeZone: 'UTC' }),
      again: 'on the 1st of each month',
    }
  }
  if (unit === 'week' && day.getUTCDay() === 0)
    return { term, now: `the week of ${date(new Date(day.getTime() - offset * 7 * 86_400_000))}`, again: 'each Sunday' }
  if (unit === 'year' && day.getUTCDate() === 1 && day.getUTCMonth() === 0)
    return { term, now: String(day.getUTCFullYear() - offset), again: 'each New Year' }
  return null
}

function edited({ segments }: RunDocument, { link }: Names): readonly Entry[] {
  const seen = new Set<string>()
  const found = segments.filter(({ history, namespace, segment }) => {
    const key = `${namespace}/${segment}`
    return history.at(-1)?.edited === true && !seen.has(key) && seen.add(key)
  })
  if (found.length > mostOfAKind)
    return [
      {
        level: 'know',
        title: html`${counted(found.length, 'Segment')} were built anew from another definition`,
        why: html`${namesOf(found)}.`,
        act: null,
      },
    ]
  return found.map(
    (row): Entry => ({
      level: 'know',
      title: html`${link(row)} was built anew from another definition: ${count(row.entered ?? 0)} came, ${count(row.exited ?? 0)} went`,
      why: null,
      act: null,
    }),
  )
}

/** Warnings of steps that no other entry tells better. */
function warnings({ runs }: RunDocument): readonly Entry[] {
  const told = runs.flatMap(({ target, steps }) =>
    steps.flatMap(({ step, warnings: own = [] }) =>
      own
        .filter(({ code }) => code !== 'Held' && code !== 'unmet-expectation')
        .map(({ message }) => ({ target: target.name, step, message })),
    ),
  )
  const shown = told.slice(0, told.length > 6 ? 5 : 6)
  const entries = shown.map(
    ({ target, step, message }): Entry => ({
      level: 'look',
      title: html`${named(target)}, ${step}: ${said(message.split(/(?<=\.)\s/)[0] ?? message)}`,
      why: said(
        message
          .split(/(?<=\.)\s/)
          .slice(1)
          .join(' '),
      ),
      act: null,
    }),
  )
  return told.length > shown.length
    ? [
        ...entries,
        {
          level: 'look',
          title: html`${count(told.length - shown.length)} more warnings are in the steps' reports`,
          why: null,
          act: null,
        },
      ]
    : entries
}

function gaps({ gaps: unknown }: RunDocument): readonly Entry[] {
  return unknown.map((gap): Entry => {
    const [what = gap, ...why] = gap.split(': ')
    return { level: 'know', title: said(what), why: said(why.join(': ')), act: null }
  })
}

const marks: Readonly<Record<Entry['level'], readonly [words: string, mark: Html]>> = {
  bad: ['Wrong', html`<rect x="2" y="2" width="8" height="8" rx="1.6" transform="rotate(45 6 6)" class="f-bad"/>`],
  decide: ['Decide', html`<rect x="2" y="2" width="8" height="8" rx="1.6" transform="rotate(45 6 6)" class="f-held"/>`],
  look: ['Look', html`<circle cx="6" cy="6" r="4.1" class="ring"/>`],
  know: ['Good to know', html`<circle cx="6" cy="6" r="1.8" class="f-ink3"/>`],
}

export function attentionList(entries: readonly Entry[]): Html {
  if (entries.length === 0) return html`<p class="empty">Nothing needs you.</p>`
  return html`<ol class="todo panel">${entries.map(({ level, title, why, act, picture }) => {
    const [words, mark] = marks[level]
    return html`<li class="is-${level}"><span class="mark"><svg width="12" height="12" viewBox="0 0 12 12" role="img" aria-label="${words}">${mark}</svg></span><div><h3>${title}</h3>${why && why.markup !== '' && html`<p>${why}</p>`}</div>${act && html`<div class="act">${act}</div>`}${picture && html`<div class="pic">${picture}</div>`}</li>`
  })}</ol>`
}

/** The word for a store's people, such as `household`; `person` where there are several stores. */
export function peopleWords(stores: readonly StoreRow[]): readonly [one: string, many: string] {
  const words = new Set(stores.map(({ people }) => people.join()))
  return words.size === 1 ? stores[0]!.people : ['person', 'people']
}
