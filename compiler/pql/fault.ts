import type { Span } from './ast.ts'

/** A fault inside an expression; spans count in the expression's text. The file's place is found later. */
export type PqlFault = {
  readonly code:
    | 'pql-syntax'
    | 'pql-unknown-function'
    | 'pql-type-mismatch'
    | 'pql-unsupported'
    | 'unknown-attribute'
    | 'unresolved-reference'
  readonly message: string
  readonly span: Span
  /** An error unless it says warning. */
  readonly severity?: 'warning'
  readonly help?: string
  readonly why?: string
  /** Other places in the same expression. */
  readonly related?: readonly { readonly span: Span; readonly message: string }[]
  /** Replacements in the expression's text; `safe` ones are verified by compiling again. */
  readonly fixes?: readonly {
    readonly title: string
    readonly span: Span
    readonly text: string
    readonly safety: 'safe' | 'review'
  }[]
}
