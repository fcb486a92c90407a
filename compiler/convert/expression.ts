import type { Code } from '../rules/index.ts'

export type ExpressionText =
  | {
      readonly text: string
      /** Where the text begins in `value`; null where it was made from a tree and stands nowhere. */
      readonly offset: number | null
    }
  | { readonly fault: Code; readonly path: readonly string[]; readonly message: string; readonly help: string }

/** The text of a definition's `expression`, whichever form it has. */
export function expressionTextOf(expression: Readonly<Record<string, unknown>>): ExpressionText {
  const { type = 'PQL', format = 'pql/text', value } = expression
  if (type !== 'PQL')
    return {
      fault: 'pql-unsupported',
      path: ['type'],
      message: `Expressions of type \`${String(type)}\` are not known`,
      help: 'Definitions are written in PQL.',
    }
  if (format === 'pql/text' && typeof value === 'string')
    return { text: value.trim(), offset: value.length - value.trimStart().length }
  if (format === 'pql/text')
    return {
      fault: 'wrong-type',
      path: ['value'],
      message: '`value` is the text of a PQL expression',
      help: 'Write it in quotes.',
    }
  return {
    fault: 'pql-unsupported',
    path: ['format'],
    message: `The format \`${String(format)}\` cannot be read`,
    help: 'Fetch the definition as `pql/text` (the API converts both ways).',
  }
}
