import { oneLine, visible } from '#compiler'
import {
  count,
  counted,
  duration,
  isWaitingReason,
  leftOutIn,
  listed,
  ordinal,
  percent,
  type RunDocument,
  type SegmentRow,
  shownRows,
  signed,
  totalsOf,
} from '#views'
import { fitted, type Paint, padded, painterOf, widthOf, wrapped } from './paint.ts'
import { sparkText } from './spark.ts'

type Column = {
  readonly header: string
  /** The column's value for a row; null: empty. */
  readonly of: (row: SegmentRow) => number | string | null
  /** The value in the line of sums; null: empty. */
  readonly sum: ((rows: readonly SegmentRow[]) => number | null) | null
  readonly paint?: keyof Paint
  readonly isSigned?: boolean
  /** Where there is no room, columns with a higher number go first. */
  readonly rank: number
}

const total =
  (of: (row: SegmentRow) => number | null) =>
  (rows: readonly SegmentRow[]): number | null =>
    rows.every((row) => of(row) === null) ? null : rows.reduce((sum, row) => sum + (of(row) ?? 0), 0)

/** A count of this run; null where the row was no part of it. */
const sent = (of: (row: SegmentRow) => number | null) => (row: SegmentRow) =>
  row.isInRun && row.held === null ? of(row) : null

const leftOut = ({ standing }: SegmentRow): number | null => (standing === null ? null : leftOutIn(standing.leftOut))

const columns: readonly Column[] = [
  {
    header: 'trend',
    of: ({ history }) =>
      sparkText(
        history.map(({ members }) => members),
        8,
      ),
    sum: null,
    rank: 3,
  },
  { header: 'members', of: ({ members }) => members, sum: total(({ members }) => members), rank: 0 },
  {
    header: 'came',
    of: ({ entered, previousMembers }) => (previousMembers === null ? null : entered),
    sum: null,
    paint: 'green',
    isSigned: true,
    rank: 1,
  },
  {
    header: 'went',
    of: ({ exited, previousMembers }) => (previousMembers === null || exited === null ? null : -exited),
    sum: null,
    paint: 'yellow',
    isSigned: true,
    rank: 1,
  },
  { header: 'left out', of: leftOut, sum: total(leftOut), rank: 2 },
  { header: 'rows', of: sent(({ rows }) => rows), sum: total(sent(({ rows }) => rows)), rank: 0 },
  { header: 'updated', of: sent(({ updated }) => updated), sum: total(sent(({ updated }) => updated)), rank: 4 },
  {
    header: 'unchanged',
    of: sent(({ unchanged }) => unchanged),
    sum: total(sent(({ unchanged }) => unchanged)),
    rank: 5,
  },
  {
    header: 'waiting',
    of: sent(({ rowsWaiting }) => rowsWaiting),
    sum: total(sent(({ rowsWaiting }) => rowsWaiting)),
    rank: 2,
  },
  {
    header: 'rejected',
    of: sent(({ rejected }) => rejected),
    sum: total(sent(({ rejected }) => rejected)),
    paint: 'red',
    rank: 1,
  },
  { header: 'exits', of: sent(({ exits }) => exits), sum: total(sent(({ exits }) => exits)), rank: 4 },
]

/** The table of a run and its notes, within the terminal's width. */
export function runText(
  document: RunDocument,
  place: string,
  io: { readonly columns: number; readonly colour: boolean },
): string {
  const { segments, runs, seconds } = document
  const paint = painterOf(io)
  const width = Math.max(60, Math.min(io.columns, 200))
  const shown = shownRows(segments)
  const parts = [
    ...(segments.length > 0 ? [tableText(document, shown, width, paint)] : []),
    ...(shown.length < segments.length
      ? [
          `${counted(segments.length - shown.length, 'more Segment')} moved less and need no look: --report FILE.html or -o json has them.`,
        ]
      : []),
    ...(segments.length > 0
      ? [
          sums(document)
            .map((line) => wrapped(line, width, ''))
            .join('\n'),
        ]
      : []
    ).filter((text) => text !== ''),
    ...told(document, paint, width),
    `${counted(runs.length, 'run')} in ${duration(seconds)}; plans and inputs are in ${place}/runs`,
  ]
  return `${parts.join('\n\n')}\n`
}

type Value = number | string | null

function wordsOf({ isSigned }: Column, value: Value): string {
  return value === null ? '' : typeof value === 'string' ? value : isSigned ? signed(value) : count(value)
}

function tableText(document: RunDocument, shown: readonly SegmentRow[], width: number, paint: Paint): string {
  const { segments } = document
  const names = shown.map(({ segment }) => `  ${visible(segment)}`)
  const nameWidth = Math.min(Math.max(...names.map(widthOf), 12), Math.max(22, Math.floor(width / 3)))
  const laid = columns
    .filter(({ of }) => shown.some((row) => of(row) !== null))
    .map((column) => {
      const values = shown.map(column.of)
      const sum = column.sum?.(segments) ?? null
      const room = [column.header, ...values.map((value) => wordsOf(column, value)), wordsOf(column, sum)]
      const isText = values.some((value) => typeof value === 'string')
      return {
        column,
        values,
        sum,
        width: Math.max(...room.map(widthOf)),
        side: isText ? ('left' as const) : ('right' as const),
      }
    })
  const room = (): number => nameWidth + laid.reduce((used, each) => used + each.width + 2, 0)
  while (laid.length > 1 && room() > width) {
    const rank = Math.max(...laid.map(({ column }) => column.rank))
    laid.splice(
      laid.findLastIndex(({ column }) => column.rank === rank),
      1,
    )
  }
  const taken = room()
  const line = (name: string, cell: (each: (typeof laid)[number]) => string): string =>
    [padded(fitted(name, nameWidth), nameWidth), ...laid.map(cell)].join('  ')
  const rowLines = (row: SegmentRow): readonly string[] => {
    const at = shown.indexOf(row)
    const text = line(names[at]!, ({ column, values, width: own, side }) => {
      const value = values[at] ?? null
      const cell = padded(wordsOf(column, value), own, side)
      return value === 0 ? paint.dim(cell) : column.paint ? paint[column.paint](cell) : cell
    })
    const note = noteOf(row, document)
    if (note === null) return [text.trimEnd()]
    const [words, tone] = note
    if (taken + 2 + widthOf(words) <= width) return [`${text}  ${paint[tone](words)}`]
    // The commonest reason is in the line of sums.
    if (tone === 'dim' && words === commonest) return [text.trimEnd()]
    return [text.trimEnd(), ...wrapped(words, width, '    ').split('\n').map(paint[tone])]
  }
  const commonest = visible(rejectReasons(segments)[0]?.[0] ?? '')
  const rule = paint.dim('─'.repeat(taken))
  const sizes = new Set(segments.map(({ namespace, segment }) => `${namespace}/${segment}`)).size
  return [
    paint.bold(line('Segment', ({ column, width: own, side }) => padded(column.header, own, side)).trimEnd()),
    rule,
    ...[...Map.groupBy(shown, ({ activation }) => activation)].flatMap(([activation, rows]) => [
      headingOf(activation, document, paint),
      ...rows.flatMap(rowLines),
    ]),
    ...(segments.length > 1
      ? [
          rule,
          line(counted(sizes, 'Segment'), ({ column, sum, width: own }) =>
            padded(wordsOf(column, sum), own, 'right'),
          ).trimEnd(),
        ]
      : []),
  ].join('\n')
}

function headingOf(activation: string | null, { next, at, segments }: RunDocument, paint: Paint): string {
  const size = segments.filter((row) => row.activation === activation).length
  if (activation === null) return `${paint.bold('not delivered')} ${paint.dim(`· ${counted(size, 'Segment')}`)}`
  const slot = next.find(({ kind, name }) => kind === 'Activation' && name === activation)
  const due = slot === undefined ? '' : ` · next in ${duration((Date.parse(slot.at) - Date.parse(at)) / 1000)}`
  return `${paint.bold(visible(activation))} ${paint.dim(`· ${counted(size, 'Segment')}${due}`)}`
}

/** What a row's numbers do not say; null: nothing. */
function noteOf(row: SegmentRow, { at }: RunDocument): readonly [words: string, tone: keyof Paint] | null {
  const { error, held, standing, rejected, rejectedBy, isInRun, activation, files, rows } = row
  if (error !== null) return [oneLine(error), 'red']
  if (held !== null) {
    const { since, direction, wouldChange, baseline, limit, message } = held
    const days = since === null ? 0 : Math.floor((Date.parse(at) - Date.parse(since)) / 86_400_000) + 1
    const why =
      wouldChange === null || baseline === null || direction === 'empty'
        ? oneLine(message)
        : `${count(wouldChange)} would ${direction === 'entered' ? 'join' : 'leave'} a list of ${count(baseline)} (${percent(wouldChange, baseline, true)}, at most ${limit}%)`
    return [`held${days > 1 ? `, ${ordinal(days)} day` : ''}: ${why}`, 'yellow']
  }
  if (activation === null) return null
  if (standing && standing.members > 0 && leftOut(row) === standing.members)
    return [`0 of ${count(standing.members)} deliverable: ${reasonOf(row)}`, 'red']
  if (!isInRun) return null
  const reasons = Object.entries(rejectedBy)
    .filter(([reason]) => !isWaitingReason(reason))
    .sort((a, b) => b[1] - a[1])
  if ((rejected ?? 0) > 0 && reasons[0])
    return [
      `${visible(reasons[0][0])}${reasons.length > 1 ? `, and ${counted(reasons.length - 1, 'other reason')}` : ''}`,
      'dim',
    ]
  if (files.length === 0 && rows !== null) return ['nothing new to send', 'dim']
  return null
}

function reasonOf({ standing }: SegmentRow): string {
  const missing = Object.keys(standing?.missing ?? {})
  const { duplicateKey = 0, missingMandatory = 0, withoutConsent = 0 } = standing?.leftOut ?? {}
  return listed([
    ...(withoutConsent > 0 ? [`${count(withoutConsent)} may not be sent`] : []),
    ...(missing.length > 0
      ? [`no ${listed(missing.map(visible))}`]
      : missingMandatory > 0
        ? ['a mandatory value is missing']
        : []),
    ...(duplicateKey > 0 ? [`${count(duplicateKey)} have the key of somebody else`] : []),
  ])
}

/** The balance in words: what came of all members, and of all rows. */
function sums({ segments }: RunDocument): readonly string[] {
  const ways = segments.filter(({ standing }) => standing !== null)
  if (ways.length === 0) return []
  const totals = totalsOf(ways)
  const missing = [...new Set(ways.flatMap(({ standing }) => Object.keys(standing!.missing)))].map(visible)
  const withheld = ways.reduce((sum, { standing }) => sum + standing!.leftOut.withoutConsent, 0)
  const reasons = [
    ...(withheld > 0 ? [`${count(withheld)} without consent`] : []),
    ...(missing.length > 0 ? [`no ${listed(missing, 3)}`] : []),
  ]
  const memberships = equation(totals.members, 'membership', [
    [totals.delivered, 'delivered'],
    [totals.leftOut, `left out${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}`],
    [totals.held, 'held'],
    [totals.undelivered, 'not delivered yet'],
    [totals.unaccounted, 'NOT ACCOUNTED FOR'],
  ])
  const inRun = ways.filter(({ isInRun, held }) => isInRun && held === null)
  const of = (pick: (row: SegmentRow) => number | null): number => inRun.reduce((sum, row) => sum + (pick(row) ?? 0), 0)
  const rows = of((row) => row.rows)
  if (rows === 0) return [memberships]
  if (inRun.every(({ updated }) => updated === null))
    return [memberships, `${counted(rows, 'row')} written for Campaign`]
  const [first] = rejectReasons(inRun)
  return [
    memberships,
    equation(rows, 'row', [
      [of(({ updated }) => updated), 'updated'],
      [of(({ unchanged }) => unchanged), 'unchanged'],
      [of(({ rowsWaiting }) => rowsWaiting), 'waiting for a recipient'],
      [of(({ rejected }) => rejected), `rejected${first ? ` (${visible(first[0])})` : ''}`],
      [of(({ exits }) => exits), 'exits'],
    ]),
  ]
}

/** Why rows were rejected, the commonest reason first. */
function rejectReasons(rows: readonly SegmentRow[]): readonly (readonly [reason: string, rows: number])[] {
  const reasons = new Map<string, number>()
  for (const { rejectedBy } of rows)
    for (const [reason, times] of Object.entries(rejectedBy))
      if (!isWaitingReason(reason)) reasons.set(reason, (reasons.get(reason) ?? 0) + times)
  return [...reasons].sort((a, b) => b[1] - a[1])
}

function equation(whole: number, one: string, parts: readonly (readonly [value: number, words: string])[]): string {
  const said = parts.filter(([value], index) => value !== 0 || index === 0)
  return `${counted(whole, one)} = ${said.map(([value, words]) => `${count(value)} ${words}`).join(' + ')}`
}

/** How many lines of one kind are printed; the rest is counted. */
const mostLines = 10

/** What steps warned of, what failed, and what waits. */
function told({ runs, notices, gaps }: RunDocument, paint: Paint, width: number): readonly string[] {
  const lines = (all: readonly string[], mark: string, tone: keyof Paint, where: string): readonly string[] => {
    if (all.length === 0) return []
    const shown = all.slice(0, mostLines).map((words) => {
      const [first = '', ...rest] = wrapped(oneLine(words), width - 2, '').split('\n')
      return [`${paint[tone](mark)} ${first}`, ...rest.map((each) => `  ${each}`)].join('\n')
    })
    return [
      [...shown, ...(all.length > mostLines ? [`  … and ${all.length - mostLines} more ${where}`] : [])].join('\n'),
    ]
  }
  const ofSteps = (
    pick: (step: RunDocument['runs'][number]['steps'][number]) => readonly string[],
  ): readonly string[] =>
    runs.flatMap(({ target, steps }) =>
      steps.flatMap((step) => pick(step).map((words) => `${step.step} ${target.name}: ${words}`)),
    )
  return [
    // A held Segment is in the table, with its reason.
    ...lines(
      ofSteps(({ warnings = [] }) => warnings.filter(({ code }) => code !== 'Held').map(({ message }) => message)),
      '!',
      'yellow',
      'in the reports',
    ),
    ...lines(
      ofSteps(({ error }) => (error ? [error.message] : [])),
      '✗',
      'red',
      'in the reports',
    ),
    ...lines(
      notices.map(({ target, message }) => `${target}: ${message}`),
      '·',
      'dim',
      'in -o json',
    ),
    ...lines(gaps, '·', 'dim', 'in -o json'),
  ]
}
