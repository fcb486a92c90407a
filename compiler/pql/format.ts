import { unreachable } from '../unreachable.ts'
import { type ChainStep, type Expr, type Generator, type TimeTerm, type Unit, units, type When } from './ast.ts'
import { type Token, tokenize } from './lexer.ts'
import { parsePql } from './parser.ts'

/** A longer expression is broken at `and`, `or`, its clauses and its steps. */
const width = 100

/**
 * The expression with its spaces in order and the same meaning; null when it has syntax faults. Line breaks that somebody chose stay;
 * what stands on one line is broken only where it is too long.
 */
export function formatPql(text: string): string | null {
  const { expr, faults } = parsePql(text)
  if (faults.length > 0) return null
  return (text.trim().includes('\n') ? inItsLines(expr, text) : null) ?? layout(expr, 0, 0, text)
}

/** The text before each token, the end token included. */
function gapsOf(text: string, tokens: readonly Token[]): string[] {
  return tokens.map(({ start }, index) => text.slice(tokens[index - 1]?.end ?? 0, start))
}

/** The expression on its present lines; null where its canonical form has other words, which belong to no line. */
function inItsLines(expr: Expr, text: string): string | null {
  const form = flat(expr, text)
  const [written, wanted] = [tokenize(text, () => {}), tokenize(form, () => {})]
  const isOne = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase() || isUnit(a, b)
  if (written.length !== wanted.length || written.some(({ text: own }, at) => !isOne(own, wanted[at]!.text)))
    return null
  const [gaps, spaces] = [gapsOf(text, written), gapsOf(form, wanted)]
  const parts = wanted.map(({ start, end }, index) => {
    const gap = gaps[index]!
    // A line keeps its indentation.
    const before = gap.includes('\n') ? `\n${/[^\n]*$/.exec(gap)![0].replaceAll('\t', '  ')}` : spaces[index]!
    return before + form.slice(start, end)
  })
  return parts.join('').trim()
}

/** Whether both are forms of one unit, `day` and `days`: the number before it decides which is right. */
function isUnit(a: string, b: string): boolean {
  return units.some((unit) => [a, b].every((word) => word === unit || word === unitPlural(unit)))
}

/** Lays out the expression from `column` of a line that is indented by `indent`. */
function layout(expr: Expr, indent: number, column: number, text: string): string {
  const line = flat(expr, text)
  if (column + line.length <= width) return line
  const inner = indent + 2
  const newLine = `\n${' '.repeat(indent)}`
  const deeper = `\n${' '.repeat(inner)}`
  const below = (part: Expr): string => deeper + layout(part, inner, inner, text)
  switch (expr.kind) {
    case 'binary': {
      if (expr.op !== 'and' && expr.op !== 'or') return line
      const operand = (part: Expr, before: string): string =>
        before + layout(part, part.kind === 'binary' ? inner : indent, indent + before.length, text)
      const [first, ...rest] = operandsOf(expr, expr.op)
      return operand(first!, '') + rest.map((part) => newLine + operand(part, `${expr.op} `)).join('')
    }
    case 'group':
      return `(${below(expr.inner)}${newLine})`
    case 'not':
      return `not ${layout(expr.operand, indent, column + 4, text)}`
    case 'lambda':
      return `(${expr.parameters.map((parameter) => parameter.name).join(', ')}) =>${below(expr.body)}`
    case 'let':
      return `let ${expr.name} = ${layout(expr.value, inner, column + expr.name.length + 7, text)} in${below(expr.body)}`
    case 'quantifier': {
      const generators = expr.generators.map(
        ({ variable, array, where }) =>
          `${variable.name} from ${flat(array, text)}${where === null ? '' : ` where${below(where)}`}`,
      )
      return `${expr.quantifier} ${generators.join(`,${newLine}`)}`
    }
    case 'chain': {
      const steps = expr.steps.map((step) => deeper + stepText(step, text)).join(',')
      return `CHAIN(${flat(expr.array, text)}, ${flat(expr.property, text)}, [${steps}${newLine}])`
    }
    case 'call':
      return expr.receiver === null && expr.args.length > 1
        ? `${expr.name}(${expr.args.map(below).join(',')}${newLine})`
        : line
    default:
      return line
  }
}

/** The operands of a chain of one operator; thousands of them must not recurse. */
function operandsOf(expr: Expr, op: 'and' | 'or'): Expr[] {
  const operands: Expr[] = []
  let current = expr
  while (current.kind === 'binary' && current.op === op) {
    operands.push(current.right)
    current = current.left
  }
  return [...operands, current].reverse()
}

function flat(expr: Expr, text: string): string {
  const of = (part: Expr): string => flat(part, text)
  const list = (parts: readonly Expr[]): string => parts.map(of).join(', ')
  switch (expr.kind) {
    case 'literal':
      return literalText(expr, text)
    case 'name':
      return expr.name
    case 'outer':
      return '^'.repeat(expr.levels)
    case 'parameter':
      return `$${expr.position}`
    case 'field':
      return `${of(expr.object)}.${expr.name}`
    case 'filter':
      return `${of(expr.array)}[${of(expr.condition)}]`
    case 'call':
      return `${expr.receiver === null ? '' : `${of(expr.receiver)}.`}${expr.name}(${list(expr.args)})`
    case 'binary':
      if (expr.op === 'and' || expr.op === 'or') return operandsOf(expr, expr.op).map(of).join(` ${expr.op} `)
      return `${of(expr.left)} ${expr.op} ${of(expr.right)}`
    case 'not':
      return `not ${of(expr.operand)}`
    case 'negate':
      return `-${of(expr.operand)}`
    case 'array':
      return `[${list(expr.items)}]`
    case 'object':
      return `{${expr.entries.map((entry) => `${JSON.stringify(entry.key)}: ${of(entry.value)}`).join(', ')}}`
    case 'occurs':
      return `${of(expr.subject)} occurs ${whenText(expr.when, text)}`
    case 'quantifier':
      return `${expr.quantifier} ${generatorsText(expr.generators, text)}`
    case 'aggregate': {
      const [only] = expr.generators
      const short = expr.value.kind === 'name' && expr.value.span.start === only?.variable.span.start
      return `${expr.name} ${short ? '' : `${of(expr.value)} over `}${generatorsText(expr.generators, text)}`
    }
    case 'let':
      return `let ${expr.name} = ${of(expr.value)} in ${of(expr.body)}`
    case 'lambda':
      return `(${expr.parameters.map((parameter) => parameter.name).join(', ')}) => ${of(expr.body)}`
    case 'chain':
      return `CHAIN(${of(expr.array)}, ${of(expr.property)}, [${expr.steps.map((step) => stepText(step, text)).join(', ')}])`
    case 'time':
      return termText(expr.term)
    case 'group':
      return `(${of(expr.inner)})`
    case 'error':
      return text.slice(expr.span.start, expr.span.end)
    default:
      return unreachable(expr)
  }
}

/** A literal as written: `2.50` and escapes stay. */
function literalText(expr: Extract<Expr, { kind: 'literal' }>, text: string): string {
  const written = text.slice(expr.span.start, expr.span.end)
  if (typeof expr.value !== 'number') return written
  const digits = /[\d.].*$/s.exec(written)?.[0] ?? String(expr.value)
  return expr.value < 0 || Object.is(expr.value, -0) ? `-${digits}` : digits
}

function generatorsText(generators: readonly Generator[], text: string): string {
  return generators
    .map(
      ({ variable, array, where }) =>
        `${variable.name} from ${flat(array, text)}${where === null ? '' : ` where ${flat(where, text)}`}`,
    )
    .join(', ')
}

function stepText(step: ChainStep, text: string): string {
  const clauses = [
    step.what && `WHAT(${flat(step.what, text)})`,
    step.when && `WHEN(${whenText(step.when, text)})`,
    step.where && `WHERE(${flat(step.where, text)})`,
    step.count && `COUNT(${flat(step.count, text)})`,
  ]
  return `${step.label === null ? '' : `${step.label.name}: `}${clauses.filter((clause) => clause !== null).join(' ')}`
}

function whenText(when: When, text: string): string {
  switch (when.kind) {
    case 'distance':
      return `${when.op} ${flat(when.amount, text)} ${unitText(when.unit, when.amount)} ${when.direction} ${flat(when.time, text)}`
    case 'side':
      return `${when.direction} ${flat(when.time, text)}`
    case 'on':
      return flat(when.time, text)
    case 'between':
      return `between ${flat(when.from, text)} and ${flat(when.to, text)}`
    case 'error':
      return text.slice(when.span.start, when.span.end)
    default:
      return unreachable(when)
  }
}

function unitText(unit: Unit, amount: Expr): string {
  if (amount.kind === 'literal' && amount.value === 1) return unit
  return unitPlural(unit)
}

function unitPlural(unit: Unit): string {
  return unit === 'century' ? 'centuries' : unit === 'millennium' ? 'millennia' : `${unit}s`
}

function termText(term: TimeTerm): string {
  return 'unit' in term ? `${term.kind} ${term.unit}` : term.kind
}
