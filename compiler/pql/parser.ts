import {
  type AggregateName,
  type BinaryOp,
  type ChainStep,
  type ComparisonOp,
  comparisonOps,
  type Expr,
  type Generator,
  type Span,
  type TimeTerm,
  type Unit,
  units,
  type Variable,
  type When,
} from './ast.ts'
import type { PqlFault } from './fault.ts'
import { functions, isFunction } from './functions.ts'
import { type Token, tokenize } from './lexer.ts'

export type Parsed = {
  readonly expr: Expr
  readonly faults: readonly PqlFault[]
  readonly tokens: readonly Token[]
  /** A bracket without its partner: what else the tree says would be guesswork. */
  readonly unbalanced: Token | null
}

/** Binding powers; a higher one binds tighter. `not` binds looser than comparison, so `not a = b and c` is `(not (a = b)) and c`. */
const powers: Readonly<Record<BinaryOp, number>> = {
  or: 1,
  and: 2,
  '=': 4,
  '!=': 4,
  '<': 4,
  '<=': 4,
  '>': 4,
  '>=': 4,
  in: 4,
  notIn: 4,
  like: 4,
  matches: 4,
  '+': 5,
  '-': 5,
  '*': 6,
  '/': 6,
  '%': 6,
}
/** How tightly an operator holds its sides; the greater, the tighter. */
export const bindingPower = (op: BinaryOp): number => powers[op]

const notPower = 3
const comparisonPower = 4
const negatePower = 7

const wordOperators: ReadonlyMap<string, BinaryOp> = new Map(
  (['and', 'or', 'in', 'notIn', 'like', 'matches'] as const).map((word) => [word, word]),
)
const shoutedOperators: ReadonlyMap<string, BinaryOp> = new Map(
  (['and', 'or', 'notIn', 'like', 'matches'] as const).map((word) => [word.toLowerCase(), word]),
)
const aggregateNames: ReadonlySet<string> = new Set<AggregateName>(['sum', 'average', 'min', 'max', 'count'])
const clauseWords: ReadonlySet<string> = new Set(['WHAT', 'WHEN', 'WHERE', 'COUNT'])
const directions: ReadonlySet<string> = new Set(['before', 'after', 'from'])
const timeWords: ReadonlySet<string> = new Set(['now', 'today', 'yesterday', 'tomorrow'])
const keywords = [
  'and',
  'or',
  'not',
  'in',
  'notIn',
  'like',
  'matches',
  'occurs',
  'exists',
  'forall',
  'select',
  'where',
  'from',
  'over',
  'let',
] as const

/** Words before which a field named `sum` may stand, but no aggregate's value. */
const notInAggregate: ReadonlySet<string> = new Set(['and', 'or', 'where', 'occurs', 'in', 'notIn', 'like', 'matches'])

/** Operators of other languages, and what PQL has for them. */
const foreignWords: ReadonlyMap<string, string> = new Map([
  ['between', 'Write `a >= 1 and a <= 5`; for times there is `occurs between … and …`.'],
  ['xor', 'Write `(a or b) and not (a and b)`.'],
  ['then', 'Write `if(condition, then, otherwise)`.'],
  ['else', 'Write `if(condition, then, otherwise)`.'],
  ['when', 'Put `and` between two conditions; WHEN(…) stands in a step of CHAIN.'],
  ['has', 'Write `.includes(value)` or `.exists(condition)`.'],
  ['before', 'Write `occurs before …`.'],
  ['after', 'Write `occurs after …`.'],
  ['within', 'Write `occurs <= 3 days before now`.'],
  ['where', '`where` belongs to `exists`, `forall` and `select`; filter an array with `[…]`.'],
])

/** Deeper nesting is refused: no person writes it, and every later phase may recurse. */
const maxDepth = 100

/**
 * Reads an expression. Always gives a tree; where something could not be read there is an `error` node and a fault, at most one per
 * region (a region ends at `and`, `or`, a comma, a closing bracket or a clause word).
 */
export function parsePql(text: string): Parsed {
  const faults: PqlFault[] = []
  const tokens = tokenize(text, (fault) => faults.push(fault))
  const lexical = faults.length
  let position = 0
  let depth = 0
  /** While set, the region is already reported; reading on from a token that ends a region clears it. */
  let panicking = false
  /** Nothing after a nesting that is too deep is read, or reported. */
  let abandoned = false
  /** `in` ends the value of a `let`. */
  let inEnds = false
  const shouted = new Set<number>()

  const peek = (ahead = 0): Token => tokens[Math.min(position + ahead, tokens.length - 1)]!
  const isWord = (word: string, ahead = 0): boolean => peek(ahead).kind === 'name' && peek(ahead).text === word
  const isMark = (mark: string, ahead = 0): boolean => peek(ahead).kind === 'punctuation' && peek(ahead).text === mark
  const next = (): Token => {
    const token = peek()
    if (position < tokens.length - 1) position += 1
    return token
  }
  const previousEnd = (): number => tokens[position - 1]?.end ?? 0

  function report(fault: PqlFault): void {
    if (!panicking && !abandoned) faults.push(fault)
    panicking = true
  }

  function endsRegion(token: Token): boolean {
    if (token.kind === 'end') return true
    if (token.kind === 'punctuation') return [')', ']', '}', ','].includes(token.text)
    return (
      token.kind === 'name' &&
      (token.text === 'and' || token.text === 'or' || (clauseWords.has(token.text) && isMark('(', 1)))
    )
  }

  /** Skips to where reading can go on; brackets opened on the way are skipped whole. */
  function recover(): void {
    let open = 0
    while (peek().kind !== 'end') {
      const token = peek()
      if (open === 0 && endsRegion(token)) return
      if (isMark('(') || isMark('[') || isMark('{')) open += 1
      if (isMark(')') || isMark(']') || isMark('}')) open -= 1
      next()
    }
  }

  function expectedOperand(what: string): Expr {
    const token = peek()
    const span = { start: token.start, end: token.end }
    if (token.kind === 'end') {
      // The place to look at is the word that wants an operand, not the emptiness after it.
      const last = tokens[position - 1]
      const lastSpan = last ? { start: last.start, end: last.end } : span
      report({
        code: 'pql-syntax',
        message: last
          ? `The expression ends after \`${text.slice(last.start, last.end)}\`; ${what} is missing`
          : 'The expression is empty',
        span: lastSpan,
        help: last ? `Write ${what} after it, or remove it.` : 'Write a condition, for example loyalty.tier = "gold".',
      })
    } else {
      const written = text.slice(token.start, token.end)
      const ends = [')', ']', '}', ','].includes(written)
      const joins = Object.hasOwn(powers, token.text) || keywords.some((keyword) => keyword === token.text)
      report({
        code: 'pql-syntax',
        message:
          ends || joins
            ? `${capital(what)} is missing before \`${written}\``
            : `Expected ${what}, found \`${written}\``,
        span,
        help: joins
          ? `\`${written}\` needs something on its left; write it or remove \`${written}\`.`
          : ends
            ? `Write ${what} before it.`
            : `Write ${what} here, or remove \`${written}\`.`,
      })
      if (!endsRegion(token)) recover()
    }
    return { kind: 'error', span }
  }

  /** Consumes the closing mark or reports at the opening one. */
  function close(mark: string, opening: Token, isList = false): void {
    if (isMark(mark)) {
      next()
      panicking = false
      return
    }
    if (peek().kind === 'end') {
      report({
        code: 'pql-syntax',
        message: `\`${opening.text}\` is never closed`,
        span: { start: opening.start, end: opening.end },
        help: `Close it with \`${mark}\`.`,
      })
      return
    }
    const token = peek()
    report({
      ...leftover(token, isList),
      related: [{ span: { start: opening.start, end: opening.end }, message: 'opened here' }],
    })
    let open = 0
    while (peek().kind !== 'end') {
      if (open === 0 && isMark(mark)) {
        next()
        panicking = false
        return
      }
      if (isMark('(') || isMark('[') || isMark('{')) open += 1
      else if (isMark(')') || isMark(']') || isMark('}')) {
        if (open === 0) return
        open -= 1
      }
      next()
    }
  }

  /** What stands where an expression could end. */
  function leftover(token: Token, inList = false): PqlFault {
    const written = text.slice(token.start, token.end)
    const before = tokens[position - 1]
    const after = peek(1)
    const place = { start: token.start, end: token.end }
    const fault = (message: string, help: string, fix?: { readonly span: Span; readonly text: string }): PqlFault => ({
      code: 'pql-syntax',
      message,
      span: place,
      help,
      ...(fix
        ? {
            fixes: [
              {
                title: `${fix.span.start === fix.span.end ? 'Insert' : 'Replace with'} \`${fix.text.trim()}\``,
                ...fix,
                safety: 'safe',
              },
            ],
          }
        : {}),
    })
    if (
      token.text === ',' &&
      before?.kind === 'number' &&
      after.kind === 'number' &&
      before.end === token.start &&
      after.start === token.end
    ) {
      const span = { start: before.start, end: after.end }
      const plain = text.slice(span.start, span.end).replaceAll(',', '')
      return { ...fault('Numbers are written without separators', `Write ${plain}.`, { span, text: plain }), span }
    }
    if (token.text === ',')
      return fault('A comma has no place here', 'Join conditions with `and` or `or`; a list stands in square brackets.')
    if (token.text === '=>') return fault('`=>` is not a comparison', 'Write `>=`.', { span: place, text: '>=' })
    if (isWord('is') || isShoutedLike('is')) {
      const negated = peek(1).text.toLowerCase() === 'not'
      const value = peek(negated ? 2 : 1)
      const span = { start: before?.end ?? token.start, end: value.end }
      const help = 'To compare write `=`; for absent values there are `.isNull()` and `.isNotNull()`.'
      return value.text.toLowerCase() === 'null'
        ? fault(`\`${written}\` is not a PQL operator`, help, { span, text: negated ? '.isNotNull()' : '.isNull()' })
        : fault(`\`${written}\` is not a PQL operator`, help)
    }
    if (token.kind === 'name' && isFunction(token.text) && functions[token.text].form === 'method') {
      const argument = after.kind === 'string' || after.kind === 'number' ? after : null
      const help = `Write \`.${written}(…)\` after the value.`
      if (!argument || !before) return fault(`\`${written}\` is a method, not an operator`, help)
      const fixed = `.${written}(${text.slice(argument.start, argument.end)})`
      return fault(`\`${written}\` is a method, not an operator`, help, {
        span: { start: before.end, end: argument.end },
        text: fixed,
      })
    }
    if (inList && startsOperand(token))
      return fault(`A comma is missing before \`${written}\``, 'Separate the items with commas.', {
        span: { start: place.start, end: place.start },
        text: ', ',
      })
    const foreign = token.kind === 'name' ? foreignWords.get(token.text.toLowerCase()) : undefined
    if (foreign) return fault(`\`${written}\` is not a PQL operator`, foreign)
    if (token.kind === 'end' || token.kind === 'punctuation')
      return fault(`\`${written}\` has no place here`, 'Remove it, or write the operator that is missing.')
    const help =
      token.kind === 'name' ? 'Put `and` or `or` between two conditions.' : 'Put a comparison such as `=` before it.'
    return fault(`An operator is missing before \`${written}\``, help)
  }

  function isShoutedLike(word: string): boolean {
    return peek().kind === 'name' && peek().text.toLowerCase() === word
  }

  function expression(power = 0): Expr {
    if (depth >= maxDepth) return tooDeep()
    depth += 1
    const result = infix(prefix(), power)
    depth -= 1
    return result
  }

  function tooDeep(): Expr {
    const span = { start: peek().start, end: peek().end }
    report({
      code: 'pql-syntax',
      message: `The expression is nested more than ${maxDepth} levels deep`,
      span,
      help: 'Split it into several Segments and combine them with inSegment.',
    })
    position = tokens.length - 1
    abandoned = true
    return { kind: 'error', span }
  }

  function prefix(): Expr {
    const token = peek()
    if (isWord('not') || isMark('!') || isShouted('not')) {
      next()
      const operand = expression(notPower)
      return { kind: 'not', operand, span: { start: token.start, end: operand.span.end } }
    }
    if (isMark('-') || isMark('+')) {
      next()
      const operand = expression(negatePower)
      if (token.text === '+') return operand
      if (operand.kind === 'literal' && typeof operand.value === 'number')
        return { kind: 'literal', value: -operand.value, span: { start: token.start, end: operand.span.end } }
      return { kind: 'negate', operand, span: { start: token.start, end: operand.span.end } }
    }
    return postfix(primary())
  }

  /** `AND`, `Or`, `NOT`: PQL's words are lower-case; said once with a fix and read as meant. */
  function isShouted(word: string): boolean {
    const token = peek()
    if (token.kind !== 'name' || token.text === word || token.text.toLowerCase() !== word.toLowerCase()) return false
    if (shouted.has(token.start)) return true
    shouted.add(token.start)
    const span = { start: token.start, end: token.end }
    faults.push({
      code: 'pql-syntax',
      message: `\`${token.text}\` is written \`${word}\` in PQL`,
      span,
      help: `Write \`${word}\`.`,
      fixes: [{ title: `Replace with \`${word}\``, span, text: word, safety: 'safe' }],
    })
    return true
  }

  function binaryOpAt(): BinaryOp | null {
    const token = peek()
    if (token.kind === 'punctuation') return token.text in powers ? (token.text as BinaryOp) : null // its keys are the operators
    if (token.kind !== 'name') return null
    const op = wordOperators.get(token.text)
    if (op) return op === 'in' && inEnds ? null : op
    const meant = /[A-Z]/.test(token.text) ? shoutedOperators.get(token.text.toLowerCase()) : undefined
    return meant && isShouted(meant) ? meant : null
  }

  function infix(first: Expr, power: number): Expr {
    let left = first
    /** How deep `left` is, chains of `and` and `or` aside: those are read in loops later. */
    let length = 0
    for (;;) {
      const token = peek()
      if (isWord('occurs') && comparisonPower > power) {
        next()
        const when = whenClause()
        left = { kind: 'occurs', subject: left, when, span: { start: left.span.start, end: when.span.end } }
        continue
      }
      if (isShoutedLike('not') && peek(1).text.toLowerCase() === 'in' && comparisonPower > power) {
        const span = { start: token.start, end: peek(1).end }
        faults.push({
          code: 'pql-syntax',
          message: `\`${text.slice(span.start, span.end)}\` is written \`notIn\` in PQL`,
          span,
          help: 'Write `notIn`.',
          fixes: [{ title: 'Replace with `notIn`', span, text: 'notIn', safety: 'safe' }],
        })
        next()
        next()
        const right = expression(comparisonPower)
        left = {
          kind: 'binary',
          op: 'notIn',
          left,
          right,
          opSpan: span,
          span: { start: left.span.start, end: right.span.end },
        }
        continue
      }
      const op = binaryOpAt()
      if (op === null || powers[op] <= power) return left
      const chained =
        powers[op] === comparisonPower &&
        (left.kind === 'occurs' || (left.kind === 'binary' && powers[left.op] === comparisonPower))
      if (chained)
        report({
          code: 'pql-syntax',
          message: 'Comparisons cannot be chained',
          span: { start: token.start, end: token.end },
          help: 'Write `a < b and b < c`.',
        })
      if (op === 'and' || op === 'or') panicking = false
      else if ((length += 1) > maxDepth) return tooDeep()
      next()
      const right = expression(powers[op])
      if (chained) {
        left = { kind: 'error', span: { start: left.span.start, end: right.span.end } }
        continue
      }
      left = {
        kind: 'binary',
        op,
        left,
        right,
        opSpan: { start: token.start, end: token.end },
        span: { start: left.span.start, end: Math.max(right.span.end, token.end) },
      }
    }
  }

  function postfix(first: Expr): Expr {
    let object = first
    for (let length = 0; ; length += 1) {
      if (length > maxDepth) return tooDeep()
      if (isMark('.')) {
        const dot = next()
        const name = peek()
        if (name.kind !== 'name') {
          report({
            code: 'pql-syntax',
            message: 'A name is missing after the dot',
            span: { start: dot.start, end: dot.end },
            help: 'Write the field or function that follows, or remove the dot.',
          })
          return { kind: 'error', span: { start: object.span.start, end: dot.end } }
        }
        next()
        const nameSpan = { start: name.start, end: name.end }
        if (isMark('(')) {
          const args = argumentList()
          object = {
            kind: 'call',
            receiver: object,
            name: name.text,
            nameSpan,
            args,
            span: { start: object.span.start, end: previousEnd() },
          }
        } else {
          object = {
            kind: 'field',
            object,
            name: name.text,
            nameSpan,
            span: { start: object.span.start, end: name.end },
          }
        }
      } else if (isMark('[')) {
        const opening = next()
        const outerIn = inEnds
        inEnds = false
        const condition = isMark(']') ? expectedOperand('a condition') : expression()
        inEnds = outerIn
        close(']', opening)
        object = { kind: 'filter', array: object, condition, span: { start: object.span.start, end: previousEnd() } }
      } else return object
    }
  }

  function argumentList(): Expr[] {
    const opening = next()
    const outerIn = inEnds
    inEnds = false
    const args: Expr[] = []
    while (!isMark(')') && peek().kind !== 'end') {
      args.push(expression())
      if (!isMark(',')) break
      next()
      panicking = false
      if (isMark(')')) args.push(expectedOperand('a further argument'))
    }
    inEnds = outerIn
    close(')', opening, true)
    return args
  }

  function primary(): Expr {
    const token = peek()
    const span = { start: token.start, end: token.end }
    if (token.kind === 'string') {
      next()
      return { kind: 'literal', value: token.text, span }
    }
    if (token.kind === 'number') {
      next()
      if (peek().kind === 'name' && peek().start === token.end) {
        const whole = { start: token.start, end: next().end }
        const written = text.slice(whole.start, whole.end)
        const plain = /^[\d_]+$/.test(written) ? written.replaceAll('_', '') : null
        report({
          code: 'pql-syntax',
          message:
            plain === null ? `\`${written}\` is neither a number nor a name` : 'Numbers are written without separators',
          span: whole,
          help:
            plain === null ? 'Put a space between number and word, or put text in double quotes.' : `Write ${plain}.`,
          fixes: plain === null ? [] : [{ title: `Replace with ${plain}`, span: whole, text: plain, safety: 'safe' }],
        })
        return { kind: 'error', span: whole }
      }
      return { kind: 'literal', value: Number(token.text), span }
    }
    if (isMark('(')) return isLambdaAhead() ? lambda() : group()
    if (isMark('[')) return arrayLiteral()
    if (isMark('{')) return objectLiteral()
    if (isMark('^')) return outer()
    if (isMark('$')) {
      next()
      const number = peek()
      if (number.kind === 'number' && /^\d+$/.test(number.text)) {
        next()
        return { kind: 'parameter', position: Number(number.text), span: { start: token.start, end: number.end } }
      }
      return expectedOperand('a parameter number such as $1')
    }
    if (token.kind === 'name') return named()
    return expectedOperand('a value')
  }

  const startsOperand = (token: Token): boolean =>
    token.kind === 'string' ||
    token.kind === 'number' ||
    (token.kind === 'name' && !keywords.some((keyword) => keyword === token.text && keyword !== 'not'))

  function named(): Expr {
    const token = peek()
    const span = { start: token.start, end: token.end }
    if (token.text === 'true' || token.text === 'false') {
      next()
      return { kind: 'literal', value: token.text === 'true', span }
    }
    if (timeWords.has(token.text) && !isMark('(', 1)) {
      next()
      return { kind: 'time', term: { kind: token.text as 'now' | 'today' | 'yesterday' | 'tomorrow' }, span } // `timeWords` holds just these
    }
    if (
      (token.text === 'this' || token.text === 'last' || token.text === 'next') &&
      peek(1).kind === 'name' &&
      unitOf(peek(1).text)
    ) {
      next()
      const unit = unitOf(next().text)!
      const term: TimeTerm = { kind: token.text, unit }
      return { kind: 'time', term, span: { start: token.start, end: previousEnd() } }
    }
    if ((token.text === 'exists' || token.text === 'forall' || token.text === 'select') && peek(1).kind === 'name')
      return quantifier(token.text)
    if (token.text === 'let' && peek(1).kind === 'name' && isMark('=', 2)) return letIn()
    if ((token.text === 'CHAIN' || token.text === 'chain') && isMark('(', 1)) return chain()
    if (aggregateNames.has(token.text) && startsAggregate()) return aggregate()
    if (peek(1).kind === 'punctuation' && peek(1).text === '=>') return lambda()
    if (['and', 'or', 'in', 'notIn', 'like', 'matches', 'occurs', 'where', 'over'].includes(token.text))
      return expectedOperand('a value')
    if (token.text === 'if' && startsOperand(peek(1))) {
      report({
        code: 'pql-syntax',
        message: '`if` takes its three parts in parentheses',
        span,
        help: 'Write `if(condition, then, otherwise)`.',
      })
      recover()
      return { kind: 'error', span }
    }
    next()
    if (isMark('(')) {
      const args = argumentList()
      return {
        kind: 'call',
        receiver: null,
        name: token.text,
        nameSpan: span,
        args,
        span: { start: token.start, end: previousEnd() },
      }
    }
    return { kind: 'name', name: token.text, span }
  }

  /** `sum <value> over V from …` and `sum V from …`, told from a field or function named `sum`. */
  function startsAggregate(): boolean {
    let open = 0
    for (let ahead = 1; ; ahead += 1) {
      const token = peek(ahead)
      if (token.kind === 'end') return false
      if (token.kind === 'punctuation') {
        if ('([{'.includes(token.text)) open += 1
        if (')]}'.includes(token.text) && (open -= 1) < 0) return false
        if (open === 0 && (token.text === ',' || (ahead === 1 && token.text !== '(' && token.text !== '-')))
          return false
      } else if (open === 0 && token.kind === 'name') {
        if (token.text === 'over' || (token.text === 'from' && ahead > 1)) return true
        if (notInAggregate.has(token.text)) return false
      }
    }
  }

  function aggregate(): Expr {
    const token = next()
    const name = token.text as AggregateName // `aggregateNames` was asked before
    if (peek().kind === 'name' && isWord('from', 1)) {
      const generators = generatorList()
      const variable = generators[0]!.variable
      return {
        kind: 'aggregate',
        name,
        value: { kind: 'name', name: variable.name, span: variable.span },
        generators,
        span: { start: token.start, end: previousEnd() },
      }
    }
    const value = expression(comparisonPower)
    if (isWord('over')) next()
    else if (isWord('from')) {
      const root = rootName(value)
      const place = peek().start
      report({
        code: 'pql-syntax',
        message: '`over` and a variable are missing before `from`',
        span: { start: place, end: peek().end },
        help: `Write it like \`${name} E.amount over E from xEvent\`.`,
        fixes:
          root === null
            ? []
            : [
                {
                  title: `Write \`over ${root} from\``,
                  span: { start: place, end: place },
                  text: `over ${root} `,
                  safety: 'safe',
                },
              ],
      })
      recover()
      return { kind: 'error', span: { start: token.start, end: previousEnd() } }
    } else return expectedOperand('`over` and a variable')
    const generators = generatorList()
    return { kind: 'aggregate', name, value, generators, span: { start: token.start, end: previousEnd() } }
  }

  function rootName(value: Expr): string | null {
    let root = value
    while (root.kind === 'field') root = root.object
    return root.kind === 'name' ? root.name : null
  }

  function quantifier(kind: 'exists' | 'forall' | 'select'): Expr {
    const token = next()
    const generators = generatorList()
    return { kind: 'quantifier', quantifier: kind, generators, span: { start: token.start, end: previousEnd() } }
  }

  function generatorList(): Generator[] {
    const generators: Generator[] = []
    for (;;) {
      const name = peek()
      const place = { start: name.start, end: name.end }
      const faulty = (variable: string): Generator[] => [
        ...generators,
        { variable: { name: variable, span: place }, array: { kind: 'error', span: place }, where: null },
      ]
      if (name.kind !== 'name' || clauseWords.has(name.text)) {
        expectedOperand('a variable name')
        return faulty('')
      }
      if (name.text === 'from') {
        report({
          code: 'pql-syntax',
          message: 'A variable is missing before `from`',
          span: place,
          help: 'Name the item, as in `exists E from xEvent where E.eventType = "purchase"`.',
        })
        recover()
        return faulty('')
      }
      next()
      const variable: Variable = { name: name.text, span: place }
      if (isWord('from')) next()
      else if (isWord('in')) {
        const span = { start: peek().start, end: next().end }
        faults.push({
          code: 'pql-syntax',
          message: 'The array of a variable follows `from`',
          span,
          help: 'Write `from`.',
          fixes: [{ title: 'Replace with `from`', span, text: 'from', safety: 'safe' }],
        })
      } else {
        report({
          code: 'pql-syntax',
          message: `\`from\` and an array are missing after \`${name.text}\``,
          span: place,
          help: 'Name the item and its array, as in `exists E from xEvent where E.eventType = "purchase"`.',
        })
        recover()
        return faulty(name.text)
      }
      const array = expression(comparisonPower)
      let where: Expr | null = null
      if (isWord('where') || isMark(':')) {
        next()
        where = expression()
      } else if (array.kind !== 'error' && startsOperand(peek()) && peek().kind === 'name') {
        const span = { start: peek().start, end: peek().end }
        report({
          code: 'pql-syntax',
          message: `\`where\` is missing before \`${peek().text}\``,
          span,
          help: 'Write `where` between the array and the condition.',
          fixes: [
            { title: 'Insert `where`', span: { start: span.start, end: span.start }, text: 'where ', safety: 'safe' },
          ],
        })
        where = expression()
      }
      generators.push({ variable, array, where })
      // A comma goes on with a generator only where `V from` follows; else it belongs to whatever is outside.
      if (!(isMark(',') && peek(1).kind === 'name' && isWord('from', 2))) return generators
      next()
      panicking = false
    }
  }

  function letIn(): Expr {
    const token = next()
    const name = next().text
    next()
    const outerIn = inEnds
    inEnds = true
    const value = expression()
    inEnds = outerIn
    if (isWord('in')) next()
    else {
      const span = expectedOperand('`in` and the expression that uses the name').span
      return { kind: 'error', span: { start: token.start, end: span.end } }
    }
    const body = expression()
    return { kind: 'let', name, value, body, span: { start: token.start, end: body.span.end } }
  }

  function isLambdaAhead(): boolean {
    let ahead = 1
    while (peek(ahead).kind === 'name' || (peek(ahead).kind === 'punctuation' && peek(ahead).text === ',')) ahead += 1
    return isMark(')', ahead) && isMark('=>', ahead + 1)
  }

  function lambda(): Expr {
    const start = peek().start
    const parameters: Variable[] = []
    if (isMark('(')) next()
    while (!isMark(')') && !isMark('=>')) {
      const token = next()
      if (token.kind === 'name') parameters.push({ name: token.text, span: { start: token.start, end: token.end } })
    }
    if (isMark(')')) next()
    next()
    const body = expression()
    return { kind: 'lambda', parameters, body, span: { start, end: body.span.end } }
  }

  function group(): Expr {
    const opening = next()
    const outerIn = inEnds
    inEnds = false
    const inner = isMark(')') ? expectedOperand('a condition') : expression()
    const items = [inner]
    while (isMark(',')) {
      next()
      panicking = false
      items.push(expression())
    }
    inEnds = outerIn
    close(')', opening)
    if (items.length > 1) {
      const span = { start: opening.start, end: previousEnd() }
      const list = `[${text.slice(span.start + 1, span.end - 1)}]`
      faults.push({
        code: 'pql-syntax',
        message: 'A list stands in square brackets',
        span,
        help: `Write ${list.length <= 60 ? list : '[…, …]'}.`,
        fixes: [{ title: 'Use square brackets', span, text: list, safety: 'safe' }],
      })
      return { kind: 'array', items, span }
    }
    return { kind: 'group', inner, span: { start: opening.start, end: previousEnd() } }
  }

  function arrayLiteral(): Expr {
    const opening = next()
    const items: Expr[] = []
    while (!isMark(']') && peek().kind !== 'end') {
      items.push(expression())
      if (!isMark(',')) break
      next()
      panicking = false
      if (isMark(']')) items.push(expectedOperand('a further item'))
    }
    close(']', opening, true)
    return { kind: 'array', items, span: { start: opening.start, end: previousEnd() } }
  }

  function objectLiteral(): Expr {
    const opening = next()
    const entries: { key: string; value: Expr }[] = []
    while (!isMark('}') && peek().kind !== 'end') {
      const key = peek()
      if (key.kind !== 'string' && key.kind !== 'name') {
        expectedOperand('a key in double quotes')
        break
      }
      next()
      if (isMark(':')) next()
      else {
        expectedOperand('`:` and a value')
        break
      }
      entries.push({ key: key.text, value: expression() })
      if (!isMark(',')) break
      next()
    }
    close('}', opening)
    return { kind: 'object', entries, span: { start: opening.start, end: previousEnd() } }
  }

  function outer(): Expr {
    const start = peek().start
    let levels = 0
    while (isMark('^')) {
      next()
      levels += 1
    }
    return { kind: 'outer', levels, span: { start, end: previousEnd() } }
  }

  function chain(): Expr {
    const start = next().start
    const opening = next()
    const array = expression()
    if (isMark(',')) next()
    else expectedOperand('a comma and the time property')
    let property: Expr
    const startsSteps = isMark('[') && peek(1).kind === 'name' && (isMark(':', 2) || isMark('(', 2))
    if (startsSteps) {
      const span = { start: peek().start, end: peek().end }
      faults.push({
        code: 'pql-syntax',
        message: 'CHAIN names the time property before its steps',
        span,
        help: 'Write CHAIN(xEvent, timestamp, […]).',
        fixes: [
          {
            title: 'Insert `timestamp`',
            span: { start: span.start, end: span.start },
            text: 'timestamp, ',
            safety: 'safe',
          },
        ],
      })
      property = { kind: 'error', span }
    } else {
      property = expression()
      if (isMark(',')) next()
      else expectedOperand('a comma and the list of steps')
    }
    const bracket = isMark('[') ? next() : null
    const first = peek()
    if (!bracket && first.kind === 'name')
      report({
        code: 'pql-syntax',
        message: 'The steps of CHAIN stand in square brackets',
        span: { start: first.start, end: first.end },
        help: 'Write CHAIN(xEvent, timestamp, [A: WHAT(…), B: WHAT(…)]).',
      })
    else if (!bracket) expectedOperand('`[` and the steps')
    const steps: ChainStep[] = []
    while (!isMark(']') && !isMark(')') && peek().kind !== 'end') {
      steps.push(chainStep())
      if (!isMark(',')) break
      next()
      if (bracket) panicking = false
    }
    if (bracket) close(']', bracket)
    close(')', opening)
    return { kind: 'chain', array, property, steps, span: { start, end: previousEnd() } }
  }

  function chainStep(): ChainStep {
    const start = peek().start
    let label: Variable | null = null
    if (peek().kind === 'name' && isMark(':', 1)) {
      label = { name: peek().text, span: { start: peek().start, end: peek().end } }
      next()
      next()
    }
    let what: Expr | null = null
    let when: When | null = null
    let where: Expr | null = null
    let count: Expr | null = null
    let clauses = 0
    while (peek().kind === 'name' && clauseWords.has(peek().text.toUpperCase()) && isMark('(', 1)) {
      const word = next().text.toUpperCase()
      const opening = next()
      clauses += 1
      if (word === 'WHAT') what = expression()
      else if (word === 'WHERE') where = expression()
      else if (word === 'WHEN') when = whenClause()
      else {
        if (isMark('>=')) next()
        count = expression()
      }
      close(')', opening)
    }
    const rest = peek()
    const span = { start: rest.start, end: rest.end }
    if (rest.kind === 'name' && isMark('(', 1) && /^[A-Z]+$/.test(rest.text)) {
      report({
        code: 'pql-syntax',
        message: `\`${rest.text}\` is not a clause of a CHAIN step`,
        span,
        help: 'Clauses are WHAT(…), WHEN(…), WHERE(…) and COUNT(n).',
      })
      recover()
      what ??= { kind: 'error', span }
    } else if (clauses === 0 && startsOperand(rest)) {
      what = expression()
      const whole = what.span
      report({
        code: 'pql-syntax',
        message: 'A step of CHAIN says what the event is in `WHAT(…)`',
        span: whole,
        help: 'Put WHAT( ) around it.',
        fixes: [
          {
            title: 'Put `WHAT(…)` around it',
            span: whole,
            text: `WHAT(${text.slice(whole.start, whole.end)})`,
            safety: 'safe',
          },
        ],
      })
    } else if (clauses === 0)
      what = { kind: 'error', span: expectedOperand('a step such as `A: WHAT(eventType = "purchase")`').span }
    return { label, what, when, where, count, span: { start, end: previousEnd() } }
  }

  function whenClause(): When {
    const token = peek()
    const start = token.start
    const op = comparisonOps.find((candidate) => isMark(candidate))
    if (op) return distance(op, start)
    if (token.kind === 'name' && directions.has(token.text)) {
      next()
      const time = expression(comparisonPower)
      return {
        kind: 'side',
        direction: token.text as 'before' | 'after' | 'from',
        time,
        span: { start, end: previousEnd() },
      } // `directions` holds just these
    }
    if (isWord('between')) {
      next()
      const from = expression(comparisonPower)
      if (isWord('and')) next()
      else {
        expectedOperand('`and` and the second time')
        return { kind: 'error', span: { start, end: previousEnd() } }
      }
      const to = expression(comparisonPower)
      return { kind: 'between', from, to, span: { start, end: previousEnd() } }
    }
    if (isWord('within') && peek(1).kind === 'number') {
      const span = { start: token.start, end: token.end }
      faults.push({
        code: 'pql-syntax',
        message: '`within` is written `<=` in PQL',
        span,
        help: 'Write it like `occurs <= 3 days before now`.',
        fixes: withinFix(token),
      })
      next()
      panicking = true // what is missing after it is the same fault
      const when = distance('<=', start)
      panicking = false
      return when
    }
    if (isWord('on')) next()
    else if ((isWord('in') || isWord('during')) && startsOperand(peek(1))) {
      const span = { start: token.start, end: peek(1).start }
      faults.push({
        code: 'pql-syntax',
        message: `\`${token.text}\` has no place after \`occurs\``,
        span: { start: token.start, end: token.end },
        help: 'Name the time alone, as in `occurs last month`.',
        fixes: [{ title: `Remove \`${token.text}\``, span, text: '', safety: 'safe' }],
      })
      next()
    } else if (
      token.kind === 'number' &&
      peek(1).kind === 'name' &&
      (unitOf(peek(1).text) || directions.has(peek(2).text))
    ) {
      const span = { start: token.start, end: token.end }
      faults.push({
        code: 'pql-syntax',
        message: 'A comparison is missing before the number',
        span,
        help: 'Write `<=` for at most that long, `>=` for at least, `=` for that very day.',
        fixes: [
          {
            title: 'At most that long: `<=`',
            span: { start: token.start, end: token.start },
            text: '<= ',
            safety: 'review',
          },
        ],
      })
      return distance('<=', start)
    }
    const word = peek()
    const further = peek(1)
    if (
      ['this', 'last', 'next'].includes(word.text) &&
      further.kind === 'name' &&
      !endsRegion(further) &&
      unitOf(further.text) === null
    )
      return missingPart(
        `A unit of time is missing after \`${word.text}\``,
        `Write it like \`${word.text} month\`.`,
        start,
      )
    const time = expression(comparisonPower)
    if (time.kind === 'error') return { kind: 'error', span: { start, end: previousEnd() } }
    return { kind: 'on', time, span: { start, end: previousEnd() } }
  }

  function distance(op: ComparisonOp, start: number): When {
    if (isMark(op)) next()
    const unitFirst = peek().kind === 'name' && unitOf(peek().text) !== null && peek(1).kind === 'name'
    if (unitFirst)
      return missingPart(
        `A number is missing before \`${peek().text}\``,
        'Write how many, as in `<= 30 days before now`.',
        start,
      )
    const amount = expression(comparisonPower)
    if (amount.kind === 'error') return { kind: 'error', span: { start, end: previousEnd() } }
    const unitToken = peek()
    const unit = unitToken.kind === 'name' ? unitOf(unitToken.text) : null
    if (unit === null) {
      const written = text.slice(unitToken.start, unitToken.end)
      if (unitToken.kind !== 'name' || directions.has(unitToken.text))
        return missingPart(
          `A unit of time is missing after \`${text.slice(amount.span.start, amount.span.end)}\``,
          'Write it like `30 days`.',
          start,
          amount.span,
        )
      const meant = units.find(
        (candidate) =>
          candidate.startsWith(written.slice(0, 3).toLowerCase()) || written.toLowerCase().startsWith(candidate),
      )
      const span = { start: unitToken.start, end: unitToken.end }
      report({
        code: 'pql-syntax',
        message: `\`${written}\` is not a unit of time`,
        span,
        help: meant ? `Did you mean \`${meant}s\`?` : `Units are ${units.join(', ')}, singular or plural.`,
        fixes: meant ? [{ title: `Replace with \`${meant}s\``, span, text: `${meant}s`, safety: 'safe' }] : [],
      })
      recover()
      return { kind: 'error', span: { start, end: previousEnd() } }
    }
    next()
    const direction = peek()
    if (isWord('ago')) {
      const span = { start: direction.start, end: direction.end }
      faults.push({
        code: 'pql-syntax',
        message: '`ago` is written `before now` in PQL',
        span,
        help: 'Write `before now`.',
        fixes: [{ title: 'Replace with `before now`', span, text: 'before now', safety: 'safe' }],
      })
      next()
      return { kind: 'error', span: { start, end: previousEnd() } }
    }
    if (direction.kind !== 'name' || !directions.has(direction.text)) {
      const last = tokens[position - 1]!
      const place = { start: last.end, end: last.end }
      return missingPart(
        `From when is missing after \`${last.text}\``,
        'Write `before`, `after` or `from` and a time, as in `before now`.',
        start,
        { start: last.start, end: last.end },
        [{ title: 'Insert `before now`', span: place, text: ' before now', safety: 'review' }],
      )
    }
    next()
    const time = expression(comparisonPower)
    return {
      kind: 'distance',
      op,
      amount,
      unit,
      direction: direction.text as 'before' | 'after' | 'from', // `directions` holds just these
      time,
      span: { start, end: previousEnd() },
    }
  }

  /** `within 3 days` as `<= 3 days before now`. */
  function withinFix({ start, end }: Token): NonNullable<PqlFault['fixes']> {
    const unit = peek(2)
    if (unit.kind !== 'name' || !unitOf(unit.text)) return []
    const whole = directions.has(peek(3).text) ? { start, end } : { start, end: unit.end }
    const fixed = whole.end === end ? '<=' : `<=${text.slice(end, unit.end)} before now`
    return [{ title: `Replace with \`${fixed}\``, span: whole, text: fixed, safety: 'safe' }]
  }

  function missingPart(message: string, help: string, start: number, at?: Span, fixes: PqlFault['fixes'] = []): When {
    const span = at ?? { start: peek().start, end: peek().end }
    report({ code: 'pql-syntax', message, span, help, fixes })
    recover()
    return { kind: 'error', span: { start, end: previousEnd() } }
  }

  const read = expression()
  if (peek().kind !== 'end') report(leftover(peek()))
  const expr: Expr = abandoned ? { kind: 'error', span: read.span } : read
  const unbalanced = unbalancedIn(tokens)
  if (!unbalanced) return { expr, faults, tokens, unbalanced }
  // One bracket throws everything after it off; what the lexer said stays true.
  return { expr, faults: [...faults.slice(0, lexical), bracketFault(unbalanced)], tokens, unbalanced }
}

const unitWords: ReadonlyMap<string, Unit> = new Map<string, Unit>([
  ...units.flatMap((unit): [string, Unit][] => [
    [unit, unit],
    [`${unit}s`, unit],
  ]),
  ['centuries', 'century'],
  ['millennia', 'millennium'],
])

/** The unit a word names, singular or plural; null for any other word. */
export function unitOf(word: string): Unit | null {
  return unitWords.get(word) ?? null
}

const partners: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

/** The first closing bracket that closes nothing, or else the innermost opening one that is never closed; null where all is paired. */
function unbalancedIn(tokens: readonly Token[]): Token | null {
  const open: Token[] = []
  for (const token of tokens) {
    if (token.kind !== 'punctuation') continue
    if (partners[token.text]) open.push(token)
    else if (Object.values(partners).includes(token.text)) {
      const opening = open.pop()
      if (!opening) return token
      if (partners[opening.text] !== token.text) return opening
    }
  }
  return open.at(-1) ?? null
}

function bracketFault({ text, start, end }: Token): PqlFault {
  const partner = partners[text]
  const span = { start, end }
  if (partner)
    return {
      code: 'pql-syntax',
      message: `\`${text}\` is never closed`,
      span,
      help: `Close it with \`${partner}\` where what it holds ends.`,
    }
  return {
    code: 'pql-syntax',
    message: `\`${text}\` closes nothing`,
    span,
    help: 'Remove it, or open the bracket it belongs to.',
  }
}

function capital(sentence: string): string {
  return sentence[0]!.toUpperCase() + sentence.slice(1)
}
