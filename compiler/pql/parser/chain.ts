import type { ChainStep, Expr, Variable, When } from '../ast.ts'
import { insertion, replacement } from '../fault.ts'
import { startsOperand } from './leftover.ts'
import { type Reader, spanOf } from './reader.ts'
import { whenClause } from './time.ts'
import { clauseWords } from './words.ts'

/** `CHAIN(array, time property, [A: WHAT(…) WHEN(…), B: …])` */
export function chain(reader: Reader): Expr {
  const { start } = reader.next()
  const opening = reader.next()
  const array = reader.expression()
  if (reader.isMark(',')) reader.next()
  else reader.expected('a comma and the time property')
  const property = timeProperty(reader)
  const bracket = reader.isMark('[') ? reader.next() : null
  const first = reader.peek()
  if (!bracket && first.kind === 'name')
    reader.report({
      code: 'pql-syntax',
      message: 'The steps of CHAIN stand in square brackets',
      span: spanOf(first),
      help: 'Write CHAIN(xEvent, timestamp, [A: WHAT(…), B: WHAT(…)]).',
    })
  else if (!bracket) reader.expected('`[` and the steps')
  const steps: ChainStep[] = []
  while (!reader.isMark(']') && !reader.isMark(')') && reader.peek().kind !== 'end') {
    steps.push(chainStep(reader))
    if (!reader.isMark(',')) break
    reader.next()
    if (bracket) reader.panicking = false
  }
  if (bracket) reader.close(']', bracket)
  reader.close(')', opening)
  return { kind: 'chain', array, property, steps, span: { start, end: reader.end } }
}

function timeProperty(reader: Reader): Expr {
  const startsSteps =
    reader.isMark('[') && reader.peek(1).kind === 'name' && (reader.isMark(':', 2) || reader.isMark('(', 2))
  if (startsSteps) {
    const span = spanOf(reader.peek())
    reader.remark({
      code: 'pql-syntax',
      message: 'CHAIN names the time property before its steps',
      span,
      help: 'Write CHAIN(xEvent, timestamp, […]).',
      fixes: [{ ...insertion(span.start, 'timestamp, '), title: 'Insert `timestamp`' }],
    })
    return { kind: 'error', span }
  }
  const property = reader.expression()
  if (reader.isMark(',')) reader.next()
  else reader.expected('a comma and the list of steps')
  return property
}

function chainStep(reader: Reader): ChainStep {
  const { start } = reader.peek()
  let label: Variable | null = null
  if (reader.peek().kind === 'name' && reader.isMark(':', 1)) {
    label = { name: reader.peek().text, span: spanOf(reader.peek()) }
    reader.next()
    reader.next()
  }
  let what: Expr | null = null
  let when: When | null = null
  let where: Expr | null = null
  let count: Expr | null = null
  let clauses = 0
  while (reader.peek().kind === 'name' && clauseWords.has(reader.peek().text.toUpperCase()) && reader.isMark('(', 1)) {
    const word = reader.next().text.toUpperCase()
    const opening = reader.next()
    clauses += 1
    if (word === 'WHAT') what = reader.expression()
    else if (word === 'WHERE') where = reader.expression()
    else if (word === 'WHEN') when = whenClause(reader)
    else {
      if (reader.isMark('>=')) reader.next()
      count = reader.expression()
    }
    reader.close(')', opening)
  }
  const rest = reader.peek()
  if (rest.kind === 'name' && reader.isMark('(', 1) && /^[A-Z]+$/.test(rest.text)) {
    reader.report({
      code: 'pql-syntax',
      message: `\`${rest.text}\` is not a clause of a CHAIN step`,
      span: spanOf(rest),
      help: 'Clauses are WHAT(…), WHEN(…), WHERE(…) and COUNT(n).',
    })
    reader.recover()
    what ??= { kind: 'error', span: spanOf(rest) }
  } else if (clauses === 0) what = bareStep(reader)
  return { label, what, when, where, count, span: { start, end: reader.end } }
}

/** A step's condition on the event, without the `WHAT(…)` around it. */
function bareStep(reader: Reader): Expr {
  if (!startsOperand(reader.peek())) return reader.expected('a step such as `A: WHAT(eventType = "purchase")`')
  const what = reader.expression()
  reader.report({
    code: 'pql-syntax',
    message: 'A step of CHAIN says what the event is in `WHAT(…)`',
    span: what.span,
    help: 'Put WHAT( ) around it.',
    fixes: [{ ...replacement(what.span, `WHAT(${reader.written(what.span)})`), title: 'Put `WHAT(…)` around it' }],
  })
  return what
}
