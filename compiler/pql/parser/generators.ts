import type { AggregateName, Expr, Generator, Span, Variable } from '../ast.ts'
import { insertion, replacement } from '../fault.ts'
import { startsOperand } from './leftover.ts'
import { type Reader, spanOf } from './reader.ts'
import { clauseWords, comparisonPower } from './words.ts'

/** `exists V from list where …`, with further variables after commas. */
export function quantifier(reader: Reader, kind: 'exists' | 'forall' | 'select'): Expr {
  const { start } = reader.next()
  const generators = generatorList(reader)
  return { kind: 'quantifier', quantifier: kind, generators, span: { start, end: reader.end } }
}

/** Words that may follow a field named `sum`, but not the aggregate `sum`. */
const notInAggregate: ReadonlySet<string> = new Set(['and', 'or', 'where', 'occurs', 'in', 'notIn', 'like', 'matches'])

/** Whether `sum <value> over V from …` or `sum V from …` begins here, rather than a field or function named `sum`. */
export function startsAggregate(reader: Reader): boolean {
  let open = 0
  for (let ahead = 1; ; ahead += 1) {
    const token = reader.peek(ahead)
    if (token.kind === 'end') return false
    if (token.kind === 'punctuation') {
      if ('([{'.includes(token.text)) open += 1
      if (')]}'.includes(token.text) && (open -= 1) < 0) return false
      if (open === 0 && (token.text === ',' || (ahead === 1 && token.text !== '(' && token.text !== '-'))) return false
    } else if (open === 0 && token.kind === 'name') {
      if (token.text === 'over' || (token.text === 'from' && ahead > 1)) return true
      if (notInAggregate.has(token.text)) return false
    }
  }
}

export function aggregate(reader: Reader, name: AggregateName): Expr {
  const { start } = reader.next()
  if (reader.peek().kind === 'name' && reader.isWord('from', 1)) {
    const generators = generatorList(reader)
    const { variable } = generators[0]!
    const value: Expr = { kind: 'name', name: variable.name, span: variable.span }
    return { kind: 'aggregate', name, value, generators, span: { start, end: reader.end } }
  }
  const value = reader.expression(comparisonPower)
  if (reader.isWord('from')) {
    const root = rootName(value)
    const from = spanOf(reader.peek())
    reader.report({
      code: 'pql-syntax',
      message: '`over` and a variable are missing before `from`',
      span: from,
      help: `Write it like \`${name} E.amount over E from xEvent\`.`,
      fixes: root === null ? [] : [{ ...insertion(from.start, `over ${root} `), title: `Write \`over ${root} from\`` }],
    })
    reader.recover()
    return { kind: 'error', span: { start, end: reader.end } }
  }
  if (!reader.isWord('over')) return reader.expected('`over` and a variable')
  reader.next()
  const generators = generatorList(reader)
  return { kind: 'aggregate', name, value, generators, span: { start, end: reader.end } }
}

/** `E` of `E.commerce.order`; null where the value does not begin with a name. */
function rootName(value: Expr): string | null {
  let root = value
  while (root.kind === 'field') root = root.object
  return root.kind === 'name' ? root.name : null
}

/** The generators after commas; at least one. */
function generatorList(reader: Reader): Generator[] {
  const generators: Generator[] = []
  for (;;) {
    const place = spanOf(reader.peek())
    const { variable, follows } = generatorVariable(reader)
    if (!follows) return [...generators, { variable, array: { kind: 'error', span: place }, where: null }]
    const array = reader.expression(comparisonPower)
    generators.push({ variable, array, where: generatorCondition(reader, array) })
    // A comma is followed by another generator only where `V from` comes next; else it belongs to what is outside.
    if (!(reader.isMark(',') && reader.peek(1).kind === 'name' && reader.isWord('from', 2))) return generators
    reader.next()
    reader.panicking = false
  }
}

/** `V from`; `follows`: an array can be read after it. */
function generatorVariable(reader: Reader): { readonly variable: Variable; readonly follows: boolean } {
  const token = reader.peek()
  const span: Span = spanOf(token)
  const nameless: Variable = { name: '', span }
  if (token.kind !== 'name' || clauseWords.has(token.text)) {
    reader.expected('a variable name')
    return { variable: nameless, follows: false }
  }
  if (token.text === 'from') {
    reader.report({
      code: 'pql-syntax',
      message: 'A variable is missing before `from`',
      span,
      help: 'Name the item, as in `exists E from xEvent where E.eventType = "purchase"`.',
    })
    reader.recover()
    return { variable: nameless, follows: false }
  }
  reader.next()
  const variable: Variable = { name: token.text, span }
  if (reader.isWord('from')) {
    reader.next()
    return { variable, follows: true }
  }
  if (reader.isWord('in')) {
    const written = spanOf(reader.next())
    reader.remark({
      code: 'pql-syntax',
      message: 'The array of a variable follows `from`',
      span: written,
      help: 'Write `from`.',
      fixes: [replacement(written, 'from')],
    })
    return { variable, follows: true }
  }
  reader.report({
    code: 'pql-syntax',
    message: `\`from\` and an array are missing after \`${token.text}\``,
    span,
    help: 'Name the item and its array, as in `exists E from xEvent where E.eventType = "purchase"`.',
  })
  reader.recover()
  return { variable, follows: false }
}

function generatorCondition(reader: Reader, array: Expr): Expr | null {
  if (reader.isWord('where') || reader.isMark(':')) {
    reader.next()
    return reader.expression()
  }
  const token = reader.peek()
  if (array.kind === 'error' || token.kind !== 'name' || !startsOperand(token)) return null
  reader.report({
    code: 'pql-syntax',
    message: `\`where\` is missing before \`${token.text}\``,
    span: spanOf(token),
    help: 'Write `where` between the array and the condition.',
    fixes: [insertion(token.start, 'where ')],
  })
  return reader.expression()
}
