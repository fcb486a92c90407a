import type { Expr } from './ast.ts'
import type { PqlFault } from './fault.ts'
import { type Token, tokenize } from './lexer.ts'
import { expression } from './parser/expression.ts'
import { Reader, spanOf } from './parser/reader.ts'

export { bindingPower } from './parser/words.ts'

export type Parsed = {
  readonly expr: Expr
  readonly faults: readonly PqlFault[]
  readonly tokens: readonly Token[]
  /** A bracket without its partner: whatever else the tree says would be guesswork. */
  readonly unbalanced: Token | null
}

/**
 * Reads an expression. Always returns a tree: where something could not be read there is an `error` node and a fault, at most one for
 * each region (a region ends at `and`, `or`, a comma, a closing bracket or a clause word).
 */
export function parsePql(text: string): Parsed {
  const lexical: PqlFault[] = []
  const tokens = tokenize(text, (fault) => lexical.push(fault))
  const reader = new Reader(text, tokens, expression)
  const read = reader.expression()
  if (reader.peek().kind !== 'end') reader.report(reader.leftover())
  const expr: Expr = reader.abandoned ? { kind: 'error', span: read.span } : read
  const unbalanced = unbalancedIn(tokens)
  // An unpaired bracket spoils everything behind it; faults of the lexer stay true.
  const faults = [...lexical, ...(unbalanced ? [bracketFault(unbalanced)] : reader.faults)]
  return { expr, faults, tokens, unbalanced }
}

const partners: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

/** The first closing bracket that closes nothing, else the innermost opening one that is never closed; null where all are paired. */
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

function bracketFault(bracket: Token): PqlFault {
  const partner = partners[bracket.text]
  const span = spanOf(bracket)
  if (partner)
    return {
      code: 'pql-syntax',
      message: `\`${bracket.text}\` is never closed`,
      span,
      help: `Close it with \`${partner}\` where what it holds ends.`,
    }
  return {
    code: 'pql-syntax',
    message: `\`${bracket.text}\` closes nothing`,
    span,
    help: 'Remove it, or open the bracket it belongs to.',
  }
}
