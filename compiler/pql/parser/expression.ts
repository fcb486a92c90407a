import type { BinaryOp, Expr, TimeTerm, Variable } from '../ast.ts'
import { replacement } from '../fault.ts'
import { chain } from './chain.ts'
import { aggregate, quantifier, startsAggregate } from './generators.ts'
import { startsOperand } from './leftover.ts'
import { type Reader, spanOf } from './reader.ts'
import { calledTime, foreignOccurs, foreignTime, spanAfterComparison } from './spans-of-time.ts'
import { whenClause } from './time.ts'
import {
  bindingPower,
  comparisonPower,
  isAggregateName,
  isOperator,
  isTimeWord,
  negatePower,
  notPower,
  shoutedOperators,
  unitOf,
  wordOperators,
} from './words.ts'

/** An expression whose operators bind tighter than `power`. */
export function expression(reader: Reader, power: number): Expr {
  return infix(reader, prefix(reader), power)
}

// ---- operators

function prefix(reader: Reader): Expr {
  const { start, text } = reader.peek()
  if (reader.isWord('not') || reader.isMark('!') || reader.isShouted('not')) {
    reader.next()
    const operand = reader.expression(notPower)
    return { kind: 'not', operand, span: { start, end: operand.span.end } }
  }
  if (reader.isMark('-') || reader.isMark('+')) {
    reader.next()
    const operand = reader.expression(negatePower)
    if (text === '+') return operand
    if (operand.kind === 'literal' && typeof operand.value === 'number')
      return { kind: 'literal', value: -operand.value, span: { start, end: operand.span.end } }
    return { kind: 'negate', operand, span: { start, end: operand.span.end } }
  }
  return postfix(reader, primary(reader))
}

function infix(reader: Reader, first: Expr, power: number): Expr {
  let left = first
  /** How deep `left` is, without chains of `and` and `or`, which later phases read in loops. */
  let length = 0
  for (;;) {
    const token = reader.peek()
    if (reader.isWord('occurs') && comparisonPower > power) {
      reader.next()
      const when = whenClause(reader)
      left = { kind: 'occurs', subject: left, when, span: { start: left.span.start, end: when.span.end } }
      continue
    }
    if (isSpacedNotIn(reader) && comparisonPower > power) {
      left = spacedNotIn(reader, left)
      continue
    }
    const foreign = comparisonPower > power ? timeWithoutOccurs(reader, left) : null
    if (foreign) {
      left = foreign
      continue
    }
    const op = operatorAhead(reader)
    if (op === null || bindingPower(op) <= power) return left
    const chained = bindingPower(op) === comparisonPower && isComparison(left)
    if (chained)
      reader.report({
        code: 'pql-syntax',
        message: 'Comparisons cannot be chained',
        span: spanOf(token),
        help: 'Write `a < b and b < c`.',
      })
    if (op === 'and' || op === 'or') reader.panicking = false
    else if (reader.isTooLong((length += 1))) return reader.tooDeep()
    reader.next()
    const right = reader.expression(bindingPower(op))
    left = chained
      ? { kind: 'error', span: { start: left.span.start, end: right.span.end } }
      : {
          kind: 'binary',
          op,
          left,
          right,
          opSpan: spanOf(token),
          span: { start: left.span.start, end: Math.max(right.span.end, token.end) },
        }
  }
}

function timeWithoutOccurs(reader: Reader, left: Expr): Expr | null {
  return isComparison(left) ? spanAfterComparison(reader, left) : foreignOccurs(reader, left, whenClause)
}

function isComparison(expr: Expr): boolean {
  return expr.kind === 'occurs' || (expr.kind === 'binary' && bindingPower(expr.op) === comparisonPower)
}

function operatorAhead(reader: Reader): BinaryOp | null {
  const { kind, text } = reader.peek()
  if (kind === 'punctuation') return isOperator(text) ? text : null
  if (kind !== 'name') return null
  const op = wordOperators.get(text)
  if (op) return op === 'in' && reader.inEnds ? null : op
  const meant = /[A-Z]/.test(text) ? shoutedOperators.get(text.toLowerCase()) : undefined
  return meant && reader.isShouted(meant) ? meant : null
}

function isSpacedNotIn(reader: Reader): boolean {
  const token = reader.peek()
  return token.kind === 'name' && token.text.toLowerCase() === 'not' && reader.peek(1).text.toLowerCase() === 'in'
}

/** Reads `not in`, as other languages write it. */
function spacedNotIn(reader: Reader, left: Expr): Expr {
  const opSpan = { start: reader.next().start, end: reader.next().end }
  reader.remark({
    code: 'pql-syntax',
    message: `\`${reader.written(opSpan)}\` is written \`notIn\` in PQL`,
    span: opSpan,
    help: 'Write `notIn`.',
    fixes: [replacement(opSpan, 'notIn')],
  })
  const right = reader.expression(comparisonPower)
  return { kind: 'binary', op: 'notIn', left, right, opSpan, span: { start: left.span.start, end: right.span.end } }
}

/** Reads fields, calls and filters behind a value. */
function postfix(reader: Reader, first: Expr): Expr {
  let object = first
  for (let length = 0; ; length += 1) {
    if (reader.isTooLong(length)) return reader.tooDeep()
    const { start } = object.span
    if (reader.isMark('.')) {
      const dot = reader.next()
      const name = reader.peek()
      if (name.kind !== 'name') {
        reader.report({
          code: 'pql-syntax',
          message: 'A name is missing after the dot',
          span: spanOf(dot),
          help: 'Write the field or function that follows, or remove the dot.',
        })
        return { kind: 'error', span: { start, end: dot.end } }
      }
      reader.next()
      object = reader.isMark('(')
        ? call(reader, object, name.text, spanOf(name))
        : { kind: 'field', object, name: name.text, nameSpan: spanOf(name), span: { start, end: name.end } }
    } else if (reader.isMark('[')) {
      const opening = reader.next()
      const condition = reader.bracketed(() =>
        reader.isMark(']') ? reader.expected('a condition') : reader.expression(),
      )
      reader.close(']', opening)
      object = { kind: 'filter', array: object, condition, span: { start, end: reader.end } }
    } else return object
  }
}

function call(reader: Reader, receiver: Expr | null, name: string, nameSpan: Expr['span']): Expr {
  const opening = reader.next()
  if (receiver === null && name.toLowerCase() === 'count' && reader.isMark('*') && reader.isMark(')', 1)) {
    const span = { start: nameSpan.start, end: reader.peek(1).end }
    reader.report({
      code: 'pql-syntax',
      message: `\`${reader.written(span)}\` does not say what is counted`,
      span,
      help: 'Write `.count()` after it, as in `xEvent[eventType = "purchase"].count()`.',
    })
    reader.next()
    reader.next()
    reader.recover()
    return { kind: 'error', span }
  }
  const args = reader.bracketed(() => {
    const items: Expr[] = []
    while (!reader.isMark(')') && reader.peek().kind !== 'end') {
      items.push(reader.expression())
      if (!reader.isMark(',')) break
      reader.next()
      reader.panicking = false
      if (reader.isMark(')')) items.push(reader.expected('a further argument'))
    }
    return items
  })
  reader.close(')', opening, true)
  const span = { start: receiver?.span.start ?? nameSpan.start, end: reader.end }
  return { kind: 'call', receiver, name, nameSpan, args, span }
}

// ---- operands

function primary(reader: Reader): Expr {
  const token = reader.peek()
  if (token.kind === 'string') {
    reader.next()
    return { kind: 'literal', value: token.text, span: spanOf(token) }
  }
  if (token.kind === 'number') return number(reader)
  if (reader.isMark('(')) return isLambdaAhead(reader) ? lambda(reader) : group(reader)
  if (reader.isMark('[')) return arrayLiteral(reader)
  if (reader.isMark('{')) return objectLiteral(reader)
  if (reader.isMark('^')) return outer(reader)
  if (reader.isMark('$')) return parameter(reader)
  if (token.kind === 'name') return named(reader)
  return reader.expected('a value')
}

function number(reader: Reader): Expr {
  const token = reader.next()
  const word = reader.peek()
  if (word.kind !== 'name' || word.start !== token.end)
    return { kind: 'literal', value: Number(token.text), span: spanOf(token) }
  const span = { start: token.start, end: reader.next().end }
  const written = reader.written(span)
  const plain = /^[\d_]+$/.test(written) ? written.replaceAll('_', '') : null
  reader.report(
    plain === null
      ? {
          code: 'pql-syntax',
          message: `\`${written}\` is neither a number nor a name`,
          span,
          help: 'Put a space between number and word, or put text in double quotes.',
        }
      : {
          code: 'pql-syntax',
          message: 'Numbers are written without separators',
          span,
          help: `Write ${plain}.`,
          fixes: [{ ...replacement(span, plain), title: `Replace with ${plain}` }],
        },
  )
  return { kind: 'error', span }
}

function parameter(reader: Reader): Expr {
  const { start } = reader.next()
  const position = reader.peek()
  if (position.kind !== 'number' || !/^\d+$/.test(position.text))
    return reader.expected('a parameter number such as $1')
  reader.next()
  return { kind: 'parameter', position: Number(position.text), span: { start, end: position.end } }
}

/** What begins with a name: a field, a function, or a form with words of its own. */
function named(reader: Reader): Expr {
  const token = reader.peek()
  const span = spanOf(token)
  const { text } = token
  const foreign = foreignTime(reader)
  if (foreign) return foreign
  if (text === 'true' || text === 'false') {
    reader.next()
    return { kind: 'literal', value: text === 'true', span }
  }
  const called = calledTime(reader)
  if (called) return called
  if (isTimeWord(text) && !reader.isMark('(', 1)) {
    reader.next()
    return { kind: 'time', term: { kind: text }, span }
  }
  if (text === 'this' || text === 'last' || text === 'next') {
    const unit = reader.peek(1).kind === 'name' ? unitOf(reader.peek(1).text) : null
    if (unit) {
      reader.next()
      const term: TimeTerm = { kind: text, unit }
      return { kind: 'time', term, span: { start: token.start, end: reader.next().end } }
    }
  }
  if (isQuery(reader)) return query(reader)
  if ((text === 'exists' || text === 'forall' || text === 'select') && reader.peek(1).kind === 'name')
    return quantifier(reader, text)
  if (text === 'let' && reader.peek(1).kind === 'name' && reader.isMark('=', 2)) return letIn(reader)
  if ((text === 'CHAIN' || text === 'chain') && reader.isMark('(', 1)) return chain(reader)
  if (isAggregateName(text) && startsAggregate(reader)) return aggregate(reader, text)
  if (reader.isMark('=>', 1)) return lambda(reader)
  if (wordOperators.has(text) || text === 'occurs' || text === 'where' || text === 'over')
    return reader.expected('a value')
  if (text === 'if' && startsOperand(reader.peek(1))) {
    reader.report({
      code: 'pql-syntax',
      message: '`if` takes its three parts in parentheses',
      span,
      help: 'Write `if(condition, then, otherwise)`.',
    })
    reader.recover()
    return { kind: 'error', span }
  }
  reader.next()
  return reader.isMark('(') ? call(reader, null, text, span) : { kind: 'name', name: text, span }
}

/** Whether `SELECT * FROM …` or `select a.b from …` of SQL begins here, rather than PQL's `select V from …`. */
function isQuery(reader: Reader): boolean {
  const { text } = reader.peek()
  if (text.toLowerCase() !== 'select') return false
  const next = reader.peek(1)
  if (text !== 'select') return next.kind === 'name' || reader.isMark('*', 1)
  return (
    reader.isMark('*', 1) ||
    (next.kind === 'name' && ['.', '(', ','].some((mark) => reader.isMark(mark, 2))) ||
    (next.kind === 'name' && reader.peek(2).kind === 'name' && ['FROM', 'as', 'AS'].includes(reader.peek(2).text))
  )
}

function query(reader: Reader): Expr {
  const span = spanOf(reader.peek())
  reader.report({
    code: 'pql-syntax',
    message: `An expression is a condition; \`${reader.written(span)}\` asks for rows`,
    span,
    help: 'Write the condition on the profile alone; of events ask `exists E from xEvent where E.eventType = "purchase"`.',
  })
  return reader.abandon()
}

function letIn(reader: Reader): Expr {
  const { start } = reader.next()
  const name = reader.next().text
  reader.next()
  const outside = reader.inEnds
  reader.inEnds = true
  const value = reader.expression()
  reader.inEnds = outside
  if (!reader.isWord('in')) {
    const { span } = reader.expected('`in` and the expression that uses the name')
    return { kind: 'error', span: { start, end: span.end } }
  }
  reader.next()
  const body = reader.expression()
  return { kind: 'let', name, value, body, span: { start, end: body.span.end } }
}

function isLambdaAhead(reader: Reader): boolean {
  let ahead = 1
  while (reader.peek(ahead).kind === 'name' || reader.isMark(',', ahead)) ahead += 1
  return reader.isMark(')', ahead) && reader.isMark('=>', ahead + 1)
}

function lambda(reader: Reader): Expr {
  const { start } = reader.peek()
  const parameters: Variable[] = []
  if (reader.isMark('(')) reader.next()
  while (!reader.isMark(')') && !reader.isMark('=>')) {
    const token = reader.next()
    if (token.kind === 'name') parameters.push({ name: token.text, span: spanOf(token) })
  }
  if (reader.isMark(')')) reader.next()
  reader.next()
  const body = reader.expression()
  return { kind: 'lambda', parameters, body, span: { start, end: body.span.end } }
}

function group(reader: Reader): Expr {
  const opening = reader.next()
  const items = reader.bracketed(() => {
    const read = [reader.isMark(')') ? reader.expected('a condition') : reader.expression()]
    while (reader.isMark(',')) {
      reader.next()
      reader.panicking = false
      read.push(reader.expression())
    }
    return read
  })
  reader.close(')', opening)
  const span = { start: opening.start, end: reader.end }
  if (items.length === 1) return { kind: 'group', inner: items[0]!, span }
  const list = `[${reader.text.slice(span.start + 1, span.end - 1)}]`
  reader.remark({
    code: 'pql-syntax',
    message: 'A list stands in square brackets',
    span,
    help: `Write ${list.length <= 60 ? list : '[…, …]'}.`,
    fixes: [{ ...replacement(span, list), title: 'Use square brackets' }],
  })
  return { kind: 'array', items, span }
}

function arrayLiteral(reader: Reader): Expr {
  const opening = reader.next()
  const items: Expr[] = []
  while (!reader.isMark(']') && reader.peek().kind !== 'end') {
    items.push(reader.expression())
    if (!reader.isMark(',')) break
    reader.next()
    reader.panicking = false
    if (reader.isMark(']')) items.push(reader.expected('a further item'))
  }
  reader.close(']', opening, true)
  return { kind: 'array', items, span: { start: opening.start, end: reader.end } }
}

function objectLiteral(reader: Reader): Expr {
  const opening = reader.next()
  const entries: { key: string; value: Expr }[] = []
  while (!reader.isMark('}') && reader.peek().kind !== 'end') {
    const key = reader.peek()
    if (key.kind !== 'string' && key.kind !== 'name') {
      reader.expected('a key in double quotes')
      break
    }
    reader.next()
    if (!reader.isMark(':')) {
      reader.expected('`:` and a value')
      break
    }
    reader.next()
    entries.push({ key: key.text, value: reader.expression() })
    if (!reader.isMark(',')) break
    reader.next()
  }
  reader.close('}', opening)
  return { kind: 'object', entries, span: { start: opening.start, end: reader.end } }
}

function outer(reader: Reader): Expr {
  const { start } = reader.peek()
  let levels = 0
  while (reader.isMark('^')) {
    reader.next()
    levels += 1
  }
  return { kind: 'outer', levels, span: { start, end: reader.end } }
}
