import type { Span } from '../ast.ts'
import { insertion, type PqlFault, type PqlFix, replacement } from '../fault.ts'
import { functions, isFunction } from '../functions.ts'
import type { Token } from '../lexer.ts'
import { isKeyword } from './words.ts'

/** Operators of other languages, and PQL's for them. */
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

/** A token behind the end of an expression, with its neighbours. */
export type Leftover = {
  readonly text: string
  readonly before: Token | undefined
  readonly token: Token
  readonly after: readonly [Token, Token]
  /** Whether the items of a list were being read. */
  readonly inList: boolean
}

/** The fault of a token behind the end of an expression, with what was probably meant. */
export function leftoverFault({ text, before, token, after, inList }: Leftover): PqlFault {
  const [next, nextButOne] = after
  const place = { start: token.start, end: token.end }
  const written = text.slice(token.start, token.end)
  const fault = (message: string, help: string, fix?: PqlFix): PqlFault => ({
    code: 'pql-syntax',
    message,
    span: place,
    help,
    ...(fix ? { fixes: [fix] } : {}),
  })
  if (token.text === ',' && before && isSeparator(before, token, next)) {
    const span = { start: before.start, end: next.end }
    const plain = text.slice(span.start, span.end).replaceAll(',', '')
    return { ...fault('Numbers are written without separators', `Write ${plain}.`, replacement(span, plain)), span }
  }
  if (token.text === ',')
    return fault('A comma has no place here', 'Join conditions with `and` or `or`; a list stands in square brackets.')
  if (token.text === '=>') return fault('`=>` is not a comparison', 'Write `>=`.', replacement(place, '>='))
  if (token.kind === 'name' && token.text.toLowerCase() === 'is') {
    const negated = next.text.toLowerCase() === 'not'
    const value = negated ? nextButOne : next
    const span: Span = { start: before?.end ?? token.start, end: value.end }
    return fault(
      `\`${written}\` is not a PQL operator`,
      'To compare write `=`; for absent values there are `.isNull()` and `.isNotNull()`.',
      value.text.toLowerCase() === 'null' ? replacement(span, negated ? '.isNotNull()' : '.isNull()') : undefined,
    )
  }
  if (token.kind === 'name' && isFunction(token.text) && functions[token.text].form === 'method') {
    const argument = next.kind === 'string' || next.kind === 'number' ? next : null
    return fault(
      `\`${written}\` is a method, not an operator`,
      `Write \`.${written}(…)\` after the value.`,
      argument && before
        ? replacement(
            { start: before.end, end: argument.end },
            `.${written}(${text.slice(argument.start, argument.end)})`,
          )
        : undefined,
    )
  }
  if (inList && startsOperand(token))
    return fault(
      `A comma is missing before \`${written}\``,
      'Separate the items with commas.',
      insertion(place.start, ', '),
    )
  const foreign = token.kind === 'name' ? foreignWords.get(token.text.toLowerCase()) : undefined
  if (foreign) return fault(`\`${written}\` is not a PQL operator`, foreign)
  if (token.kind === 'end' || token.kind === 'punctuation')
    return fault(`\`${written}\` has no place here`, 'Remove it, or write the operator that is missing.')
  return fault(
    `An operator is missing before \`${written}\``,
    token.kind === 'name' ? 'Put `and` or `or` between two conditions.' : 'Put a comparison such as `=` before it.',
  )
}

/** Whether the comma separates thousands, as in `1,000`. */
function isSeparator(before: Token, comma: Token, after: Token): boolean {
  return before.kind === 'number' && after.kind === 'number' && before.end === comma.start && after.start === comma.end
}

export function startsOperand(token: Token): boolean {
  return (
    token.kind === 'string' ||
    token.kind === 'number' ||
    (token.kind === 'name' && (token.text === 'not' || !isKeyword(token.text)))
  )
}
