import type { Code } from '../codes.ts'
import { formatPql } from '../pql/format.ts'
import { pqlOfJson } from '../pql/json.ts'

export type ExpressionText =
  | {
      readonly text: string
      /** Where the text begins in `value`; null where it was made from a tree. */
      readonly offset: number | null
    }
  | { readonly faults: readonly ExpressionFault[] }

export type ExpressionFault = {
  readonly code: Code
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly help: string
}

/** The text of a definition's `expression`, whatever its form. */
export function expressionTextOf(expression: Readonly<Record<string, unknown>>): ExpressionText {
  const { type = 'PQL', format = 'pql/text', value } = expression
  const fault = (code: Code, path: string, message: string, help: string): ExpressionText => ({
    faults: [{ code, path: [path], message, help }],
  })
  if (type !== 'PQL')
    return fault(
      'pql-unsupported',
      'type',
      `Expressions of type \`${String(type)}\` are not known`,
      'Definitions are written in PQL.',
    )
  if (format === 'pql/json') {
    const { pql, faults } = pqlOfJson(value)
    if (pql !== null) return { text: formatPql(pql) ?? pql, offset: null }
    return {
      faults: faults.map(({ path, message, help }) => ({
        code: 'pql-unsupported',
        path: ['value', ...path],
        message,
        help,
      })),
    }
  }
  if (format !== 'pql/text')
    return fault(
      'pql-unsupported',
      'format',
      `The format \`${String(format)}\` is not known`,
      'Formats are `pql/text` and `pql/json`.',
    )
  if (typeof value !== 'string')
    return fault('wrong-type', 'value', '`value` is the text of a PQL expression', 'Write it in quotes.')
  return { text: value.trim(), offset: value.length - value.trimStart().length }
}
