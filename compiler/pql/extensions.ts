import { type Expr, nodesOf, type Span } from './ast.ts'
import { type FunctionEntry, functions, isFunction } from './functions.ts'
import { parsePql } from './parser.ts'

/** A use of something that PQL does not have, in words for a sentence, and its place. */
export type Extension = { readonly name: string; readonly span: Span }

/** Where an expression goes beyond PQL, in the order written. Told by how it is written, so that no schema is needed. */
export function extensionsIn(text: string): readonly Extension[] {
  return nodesOf(parsePql(text).expr)
    .flatMap((node) => extensionOf(node) ?? [])
    .sort((a, b) => a.span.start - b.span.start)
}

function extensionOf(node: Expr): Extension | null {
  if (node.kind === 'call' && isFunction(node.name)) {
    const entry: FunctionEntry = functions[node.name]
    return entry.extension ? { name: `\`${node.name}\``, span: node.nameSpan } : null
  }
  const amount = node.kind === 'occurs' && node.when.kind === 'distance' ? node.when.amount : null
  return amount && !isWhole(amount) ? { name: 'this distance', span: amount.span } : null
}

/** Whether a distance is a whole number that is written out, perhaps in parentheses. */
function isWhole(amount: Expr): boolean {
  if (amount.kind === 'group') return isWhole(amount.inner)
  return amount.kind !== 'literal' || typeof amount.value !== 'number' || Number.isInteger(amount.value)
}
