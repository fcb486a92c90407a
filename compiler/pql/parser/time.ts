import { type ComparisonOp, comparisonOps, type Span, units, type When } from '../ast.ts'
import { insertion, type PqlFix, replacement } from '../fault.ts'
import type { Token } from '../lexer.ts'
import { startsOperand } from './leftover.ts'
import { type Reader, spanOf } from './reader.ts'
import { foreignWhen } from './spans-of-time.ts'
import { comparisonPower, isDirection, unitOf } from './words.ts'

/** The part after `occurs`, or inside `WHEN(…)`. */
export function whenClause(reader: Reader): When {
  const token = reader.peek()
  const { start } = token
  const foreign = foreignWhen(reader)
  if (foreign) return foreign
  const op = comparisonOps.find((candidate) => reader.isMark(candidate))
  if (op) return distance(reader, op, start)
  if (token.kind === 'name' && isDirection(token.text)) {
    reader.next()
    const time = reader.expression(comparisonPower)
    return { kind: 'side', direction: token.text, time, span: { start, end: reader.end } }
  }
  if (reader.isWord('between')) return between(reader)
  if (reader.isWord('within') && reader.peek(1).kind === 'number') return within(reader)
  if (reader.isWord('on')) reader.next()
  else if (fillWords(reader) > 0) {
    const filled = fillWords(reader)
    const words = { start, end: reader.peek(filled - 1).end }
    reader.remark({
      code: 'pql-syntax',
      message: `\`${reader.written(words)}\` has no place after \`occurs\``,
      span: words,
      help: 'Name the time alone, as in `occurs last month`.',
      fixes: [
        {
          title: `Remove \`${reader.written(words)}\``,
          span: { start, end: reader.peek(filled).start },
          text: '',
          safety: 'safe',
        },
      ],
    })
    for (let word = 0; word < filled; word += 1) reader.next()
  } else if (
    token.kind === 'number' &&
    reader.peek(1).kind === 'name' &&
    (unitOf(reader.peek(1).text) || isDirection(reader.peek(2).text))
  ) {
    reader.remark({
      code: 'pql-syntax',
      message: 'A comparison is missing before the number',
      span: spanOf(token),
      help: 'Write `<=` for at most that long, `>=` for at least, `=` for that very day.',
      fixes: [{ ...insertion(start, '<= ', 'review'), title: 'At most that long: `<=`' }],
    })
    return distance(reader, '<=', start)
  }
  return on(reader, start)
}

/** How many words before a time PQL does without: `in`, `during`, `the`. */
function fillWords(reader: Reader): number {
  let words = ['in', 'during'].some((word) => reader.isWord(word)) ? 1 : 0
  if (reader.isWord('the', words)) words += 1
  return startsOperand(reader.peek(words)) ? words : 0
}

function on(reader: Reader, start: number): When {
  const word = reader.peek()
  const unit = reader.peek(1)
  const isCut =
    (word.text === 'this' || word.text === 'last' || word.text === 'next') &&
    unit.kind === 'name' &&
    !reader.endsRegion(unit) &&
    unitOf(unit.text) === null
  if (isCut)
    return missingPart(reader, start, {
      message: `A unit of time is missing after \`${word.text}\``,
      help: `Write it like \`${word.text} month\`.`,
    })
  const time = reader.expression(comparisonPower)
  const span = { start, end: reader.end }
  return time.kind === 'error' ? { kind: 'error', span } : { kind: 'on', time, span }
}

function between(reader: Reader): When {
  const { start } = reader.next()
  const from = reader.expression(comparisonPower)
  if (!reader.isWord('and')) {
    reader.expected('`and` and the second time')
    return { kind: 'error', span: { start, end: reader.end } }
  }
  reader.next()
  const to = reader.expression(comparisonPower)
  return { kind: 'between', from, to, span: { start, end: reader.end } }
}

/** `within 3 days`, as other languages write it, read as `<= 3 days before now`. */
function within(reader: Reader): When {
  const token = reader.peek()
  reader.remark({
    code: 'pql-syntax',
    message: '`within` is written `<=` in PQL',
    span: spanOf(token),
    help: 'Write it like `occurs <= 3 days before now`.',
    fixes: withinFix(reader, token),
  })
  reader.next()
  reader.panicking = true // what is missing after it is the same fault
  const when = distance(reader, '<=', token.start)
  reader.panicking = false
  return when
}

function withinFix(reader: Reader, { start, end }: Token): readonly PqlFix[] {
  const unit = reader.peek(2)
  if (unit.kind !== 'name' || !unitOf(unit.text)) return []
  return isDirection(reader.peek(3).text)
    ? [replacement({ start, end }, '<=')]
    : [replacement({ start, end: unit.end }, `<=${reader.text.slice(end, unit.end)} before now`)]
}

/** `<op> n unit before time`, from the operator on. */
function distance(reader: Reader, op: ComparisonOp, start: number): When {
  const faulty = (): When => ({ kind: 'error', span: { start, end: reader.end } })
  if (reader.isMark(op)) reader.next()
  const first = reader.peek()
  if (first.kind === 'name' && unitOf(first.text) !== null && reader.peek(1).kind === 'name')
    return missingPart(reader, start, {
      message: `A number is missing before \`${first.text}\``,
      help: 'Write how many, as in `<= 30 days before now`.',
    })
  const amount = reader.expression(comparisonPower)
  if (amount.kind === 'error') return faulty()
  const unitToken = reader.peek()
  const unit = unitToken.kind === 'name' ? unitOf(unitToken.text) : null
  if (unit === null) {
    if (unitToken.kind !== 'name' || isDirection(unitToken.text))
      return missingPart(reader, start, {
        message: `A unit of time is missing after \`${reader.written(amount.span)}\``,
        help: 'Write it like `30 days`.',
        at: amount.span,
      })
    reportUnit(reader, unitToken)
    return faulty()
  }
  reader.next()
  const direction = reader.peek()
  if (reader.isWord('ago')) {
    reader.remark({
      code: 'pql-syntax',
      message: '`ago` is written `before now` in PQL',
      span: spanOf(direction),
      help: 'Write `before now`.',
      fixes: [replacement(spanOf(direction), 'before now')],
    })
    reader.next()
    return faulty()
  }
  if (direction.kind !== 'name' || !isDirection(direction.text))
    return missingPart(reader, start, {
      message: `From when is missing after \`${unitToken.text}\``,
      help: 'Write `before`, `after` or `from` and a time, as in `before now`.',
      at: spanOf(unitToken),
      fixes: [insertion(unitToken.end, ' before now', 'review')],
    })
  reader.next()
  const time = reader.expression(comparisonPower)
  const lengthSpan = { start, end: unitToken.end }
  const span = { start, end: reader.end }
  return { kind: 'distance', op, amount, unit, direction: direction.text, time, lengthSpan, span }
}

function reportUnit(reader: Reader, token: Token): void {
  const written = reader.written(token)
  const meant = units.find(
    (unit) => unit.startsWith(written.slice(0, 3).toLowerCase()) || written.toLowerCase().startsWith(unit),
  )
  reader.report({
    code: 'pql-syntax',
    message: `\`${written}\` is not a unit of time`,
    span: spanOf(token),
    help: meant ? `Did you mean \`${meant}s\`?` : `Units are ${units.join(', ')}, singular or plural.`,
    fixes: meant ? [replacement(spanOf(token), `${meant}s`)] : [],
  })
  reader.recover()
}

type MissingPart = {
  readonly message: string
  readonly help: string
  /** The place of the fault; default: the next token. */
  readonly at?: Span
  readonly fixes?: readonly PqlFix[]
}

function missingPart(reader: Reader, start: number, { message, help, at, fixes = [] }: MissingPart): When {
  reader.report({ code: 'pql-syntax', message, span: at ?? spanOf(reader.peek()), help, fixes })
  reader.recover()
  return { kind: 'error', span: { start, end: reader.end } }
}
