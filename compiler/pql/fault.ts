import type { Span } from './ast.ts'

/** A fault in an expression; spans count in the expression's text. Its place in the file is found later. */
export type PqlFault = {
  readonly code:
    | 'pql-syntax'
    | 'pql-unknown-function'
    | 'pql-type-mismatch'
    | 'pql-unsupported'
    | 'expression-too-large'
    | 'unknown-attribute'
    | 'unresolved-reference'
  readonly message: string
  readonly span: Span
  /** Absent: an error. */
  readonly severity?: 'warning'
  readonly help?: string
  readonly why?: string
  /** Other places in the same expression. */
  readonly related?: readonly { readonly span: Span; readonly message: string }[]
  readonly fixes?: readonly PqlFix[]
}

/** A replacement in the expression's text; a `safe` one is verified by compiling the changed text. */
export type PqlFix = {
  readonly title: string
  readonly span: Span
  readonly text: string
  readonly safety: 'safe' | 'review'
}

export function replacement(span: Span, text: string, safety: PqlFix['safety'] = 'safe'): PqlFix {
  return { title: `Replace with \`${text}\``, span, text, safety }
}

/** One replacement for each text; safe if it is the only one: several are a choice for a person. */
export function replacements(span: Span, texts: readonly string[]): readonly PqlFix[] {
  return texts.map((text) => replacement(span, text, texts.length === 1 ? 'safe' : 'review'))
}

export function insertion(at: number, text: string, safety: PqlFix['safety'] = 'safe'): PqlFix {
  return { title: `Insert \`${text.trim()}\``, span: { start: at, end: at }, text, safety }
}
