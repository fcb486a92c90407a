import { type ComparisonOp, comparisonOps, type Expr, type Span, type Unit, type When } from '../ast.ts'
import { insertion, type PqlFault, replacement } from '../fault.ts'
import { type Reader, spanOf } from './reader.ts'
import { type Direction, isDirection, isTimeWord, unitOf } from './words.ts'

// Distances in time as people and other languages write them: `in the last 7 days`, `now - 30 days`. Their meaning is clear: each is one
// fault that says how PQL writes it, and is read as meant.

/** A distance, and how many tokens it takes. */
type Distance = {
  readonly op: ComparisonOp
  readonly amount: number
  readonly unit: Unit
  readonly direction: Direction
  readonly from: 'now' | 'today'
  readonly tokens: number
}

const before: ReadonlySet<string> = new Set(['last', 'past', 'previous'])
const after: ReadonlySet<string> = new Set(['next', 'coming', 'following'])
const prepositions: ReadonlySet<string> = new Set(['in', 'within', 'during', 'over', 'on', 'is'])
const shortUnits: ReadonlyMap<string, Unit> = new Map([
  ['d', 'day'],
  ['h', 'hour'],
  ['w', 'week'],
  ['y', 'year'],
])

/** `[in] [the] last 7 days`, `in the next 24 hour(s)`: the rule builder's words behind `occurs`. */
function lastAhead(reader: Reader): Distance | null {
  let ahead = 0
  while (ahead < 2 && prepositions.has(lower(reader, ahead))) ahead += 1
  if (lower(reader, ahead) === 'the') ahead += 1
  const word = lower(reader, ahead)
  const direction: Direction | null = before.has(word) ? 'before' : after.has(word) ? 'after' : null
  const length = direction && lengthAhead(reader, ahead + 1)
  return direction && length ? { op: '<=', direction, from: 'now', ...length } : null
}

/** `now - 30 days`, `today() + 3 days`; days where no unit is named. */
function sumAhead(reader: Reader, ahead: number): Omit<Distance, 'op'> | null {
  const from = reader.peek(ahead).text
  if (reader.peek(ahead).kind !== 'name' || (from !== 'now' && from !== 'today')) return null
  const mark = ahead + (reader.isMark('(', ahead + 1) && reader.isMark(')', ahead + 2) ? 3 : 1)
  const direction = reader.isMark('-', mark) ? 'before' : reader.isMark('+', mark) ? 'after' : null
  if (!direction) return null
  const number = reader.peek(mark + 1)
  if (number.kind !== 'number') return null
  const length = lengthAhead(reader, mark + 1) ?? {
    amount: Number(number.text),
    unit: 'day' as const,
    tokens: mark + 2,
  }
  return { direction, from, ...length }
}

/** `7 days`, `24 hour(s)`, `30d`; `tokens` counts from the reader's place. */
function lengthAhead(reader: Reader, ahead: number): Pick<Distance, 'amount' | 'unit' | 'tokens'> | null {
  const number = reader.peek(ahead)
  const word = reader.peek(ahead + 1)
  if (number.kind !== 'number' || word.kind !== 'name') return null
  const unit = unitOf(word.text.toLowerCase()) ?? (word.start === number.end ? shortUnits.get(word.text) : undefined)
  if (!unit) return null
  const bracketed = reader.isMark('(', ahead + 2) && reader.isWord('s', ahead + 3) && reader.isMark(')', ahead + 4)
  return { amount: Number(number.text), unit, tokens: ahead + (bracketed ? 5 : 2) }
}

/** The part behind `occurs`, where it is a distance in other words. */
export function foreignWhen(reader: Reader): When | null {
  const last = lastAhead(reader)
  if (last) return read(reader, last, `\`${writtenAhead(reader, last)}\` is written with a comparison in PQL`, '')
  const soon = reader.isWord('in') ? lengthAhead(reader, 1) : null
  if (soon && !isDirection(reader.peek(soon.tokens).text)) {
    const span = { start: reader.peek().start, end: reader.peek(soon.tokens - 1).end }
    reader.report(
      syntaxFault(
        span,
        `\`${reader.written(span)}\` is written with a comparison in PQL`,
        `Write \`= ${plural(soon)} after today\` for that day, \`<= ${plural(soon)} after now\` for any time until then.`,
      ),
    )
    skip(reader, soon.tokens)
    return { kind: 'error', span }
  }
  const op = comparisonOps.find((candidate) => reader.isMark(candidate))
  const sum = op ? sumAhead(reader, 1) : null
  return op && sum ? read(reader, compared(op, sum), noSums(reader, 1), '', 'review') : null
}

/**
 * An operator that PQL does not have before a distance: `joined in the last 7 days`, `timestamp >= now - 30 days`, `timestamp >= 30 days
 * before now`.
 */
export function foreignOccurs(reader: Reader, subject: Expr, whenClause: (reader: Reader) => When): Expr | null {
  if (reader.inEnds && reader.isWord('in')) return null
  const when = whenWithoutOccurs(reader, whenClause)
  if (when?.kind === 'error') return { kind: 'error', span: { start: subject.span.start, end: when.span.end } }
  return when && { kind: 'occurs', subject, when, span: { start: subject.span.start, end: when.span.end } }
}

/** `xEvent.count() > 3 in the last 30 days`: a time behind a comparison, which applies to what is counted. */
export function spanAfterComparison(reader: Reader, comparison: Expr): Expr | null {
  const last = reader.inEnds && reader.isWord('in') ? null : lastAhead(reader)
  if (!last) return null
  const span = { start: reader.peek().start, end: reader.peek(last.tokens - 1).end }
  reader.report(
    syntaxFault(
      span,
      `\`${writtenAhead(reader, last)}\` has no place after a comparison`,
      `Put it where the events are chosen: \`xEvent[timestamp occurs ${written(last)}]\`.`,
    ),
  )
  skip(reader, last.tokens)
  return { kind: 'error', span: { start: comparison.span.start, end: span.end } }
}

function whenWithoutOccurs(reader: Reader, whenClause: (reader: Reader) => When): When | null {
  const last = lastAhead(reader)
  const within = last === null && reader.isWord('within') ? lengthAhead(reader, 1) : null
  const distance = last ?? (within && { op: '<=', direction: 'before', from: 'now', ...within })
  if (distance)
    return read(reader, distance, `\`${writtenAhead(reader, distance)}\` is written with \`occurs\` in PQL`, 'occurs ')
  const op = comparisonOps.find((candidate) => reader.isMark(candidate))
  if (!op) return null
  const sum = sumAhead(reader, 1)
  if (sum) return read(reader, compared(op, sum), noSums(reader, 1), 'occurs ', 'review')
  const start = reader.peek().start
  const [lastThen, length] = [lastAfter(reader), lengthAhead(reader, 1)]
  if (lastThen)
    return read(
      reader,
      lastThen,
      `\`${writtenAhead(reader, lastThen)}\` is written with \`occurs\` in PQL`,
      'occurs ',
      'review',
    )
  if (!length) return null
  const direction = reader.peek(length.tokens)
  if (direction.kind === 'name' && (isDirection(direction.text) || direction.text === 'ago')) {
    const ago = direction.text === 'ago'
    reader.remark({
      ...syntaxFault(
        spanOf(reader.peek()),
        `\`occurs\` is missing before \`${op}\``,
        `Write \`occurs <= ${plural(length)} before now\` for at most that long ago, \`>=\` for at least.`,
      ),
      fixes: ago
        ? [replacement({ start, end: direction.end }, `occurs ${op} ${plural(length)} before now`, 'review')]
        : [insertion(start, 'occurs ', 'review')],
    })
    if (!ago) return whenClause(reader)
    skip(reader, length.tokens + 1)
    return whenOf({ op, direction: 'before', from: 'now', ...length }, { start, end: reader.end })
  }
  reader.report({
    code: 'pql-syntax',
    message: `\`${reader.written({ start: reader.peek(1).start, end: reader.peek(length.tokens - 1).end })}\` is a distance, not a value`,
    span: { start: reader.peek(1).start, end: reader.peek(length.tokens - 1).end },
    help: `Write it after a time, as in \`timestamp occurs ${op} ${plural(length)} before now\`.`,
  })
  skip(reader, length.tokens)
  return { kind: 'error', span: { start, end: reader.end } }
}

/** `= last 30 days` */
function lastAfter(reader: Reader): Distance | null {
  const word = lower(reader, 1)
  const direction: Direction | null = before.has(word) ? 'before' : after.has(word) ? 'after' : null
  const length = direction && lengthAhead(reader, 2)
  return direction && length ? { op: '<=', direction, from: 'now', ...length } : null
}

/** Reads and reports a distance in the place of a value: alone, or as a bound of `between`. */
export function foreignTime(reader: Reader): Expr | null {
  const sum = sumAhead(reader, 0)
  const distance = sum ? compared('>=', sum) : lastAhead(reader)
  if (!distance) return null
  const { start } = reader.peek()
  reader.report(
    syntaxFault(
      { start, end: reader.peek(distance.tokens - 1).end },
      sum ? noSums(reader, 0) : `\`${writtenAhead(reader, distance)}\` stands after a time and \`occurs\``,
      `Write it like \`timestamp occurs ${written(distance)}\`.`,
    ),
  )
  skip(reader, distance.tokens)
  return { kind: 'error', span: { start, end: reader.end } }
}

/** `now()`: read as `now`. */
export function calledTime(reader: Reader): Expr | null {
  const word = reader.peek()
  if (!isTimeWord(word.text) || !reader.isMark('(', 1) || !reader.isMark(')', 2)) return null
  const span = { start: word.start, end: reader.peek(2).end }
  reader.remark({
    ...syntaxFault(span, `\`${word.text}\` is no function in PQL`, `Write \`${word.text}\`.`),
    fixes: [replacement(span, word.text)],
  })
  skip(reader, 3)
  return { kind: 'time', term: { kind: word.text }, span }
}

/** `>= now - 30 days` as a distance: at most that long before now, or after now, where no event lies. */
function compared(op: ComparisonOp, sum: Omit<Distance, 'op'>): Distance {
  const turned: Readonly<Record<ComparisonOp, ComparisonOp>> = {
    '>=': '<=',
    '>': '<',
    '<=': '>=',
    '<': '>',
    '=': '=',
    '!=': '!=',
  }
  return { ...sum, op: sum.direction === 'before' ? turned[op] : op }
}

/** Reports and reads a distance that begins at the reader's place. */
function read(
  reader: Reader,
  distance: Distance,
  message: string,
  occurs: 'occurs ' | '',
  safety: 'safe' | 'review' = 'safe',
): When {
  const { start } = reader.peek()
  const span = { start, end: reader.peek(distance.tokens - 1).end }
  const text = `${occurs}${written(distance)}`
  reader.remark({
    ...syntaxFault(span, message, `Write \`occurs ${written(distance)}\`.`),
    fixes: [replacement(span, text, safety)],
  })
  skip(reader, distance.tokens)
  return whenOf(distance, span)
}

function whenOf({ op, amount, unit, direction, from }: Distance, span: Span): When {
  return {
    kind: 'distance',
    op,
    amount: { kind: 'literal', value: amount, span },
    unit,
    direction,
    time: { kind: 'time', term: { kind: from }, span },
    lengthSpan: span,
    span,
  }
}

function syntaxFault(span: Span, message: string, help: string): PqlFault {
  return { code: 'pql-syntax', message, span, help }
}

function noSums(reader: Reader, ahead: number): string {
  const sign = [1, 3].map((after) => reader.peek(ahead + after).text).find((text) => text === '-' || text === '+')
  return `Times are not reckoned with \`${sign ?? '-'}\` in PQL`
}

function written(distance: Distance): string {
  return `${distance.op} ${plural(distance)} ${distance.direction} ${distance.from}`
}

function plural({ amount, unit }: Pick<Distance, 'amount' | 'unit'>): string {
  const units = unit === 'century' ? 'centuries' : unit === 'millennium' ? 'millennia' : `${unit}s`
  return `${amount} ${amount === 1 ? unit : units}`
}

function writtenAhead(reader: Reader, { tokens }: Distance): string {
  return reader.written({ start: reader.peek().start, end: reader.peek(tokens - 1).end }).replace(/\s+/g, ' ')
}

function lower(reader: Reader, ahead: number): string {
  const token = reader.peek(ahead)
  return token.kind === 'name' ? token.text.toLowerCase() : ''
}

function skip(reader: Reader, tokens: number): void {
  for (let read = 0; read < tokens; read += 1) reader.next()
}
