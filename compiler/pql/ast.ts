/** Half-open range of UTF-16 code units in the expression's text. */
export type Span = { readonly start: number; readonly end: number }

/** PQL as written: names unresolved, types unknown. `error` stands where the parser could not read on; its fault is already reported. */
export type Expr =
  | { readonly kind: 'literal'; readonly value: string | number | boolean; readonly span: Span }
  | { readonly kind: 'name'; readonly name: string; readonly span: Span }
  /** `^`, `^^`: the element of the filter one or two levels further out. */
  | { readonly kind: 'outer'; readonly levels: number; readonly span: Span }
  /** `$1` */
  | { readonly kind: 'parameter'; readonly position: number; readonly span: Span }
  | {
      readonly kind: 'field'
      readonly object: Expr
      readonly name: string
      readonly nameSpan: Span
      readonly span: Span
    }
  | { readonly kind: 'filter'; readonly array: Expr; readonly condition: Expr; readonly span: Span }
  | {
      readonly kind: 'call'
      /** null for a function; the receiver for a method. */
      readonly receiver: Expr | null
      readonly name: string
      readonly nameSpan: Span
      readonly args: readonly Expr[]
      readonly span: Span
    }
  | {
      readonly kind: 'binary'
      readonly op: BinaryOp
      readonly left: Expr
      readonly right: Expr
      readonly opSpan: Span
      readonly span: Span
    }
  | { readonly kind: 'not'; readonly operand: Expr; readonly span: Span }
  | { readonly kind: 'negate'; readonly operand: Expr; readonly span: Span }
  | { readonly kind: 'array'; readonly items: readonly Expr[]; readonly span: Span }
  | {
      readonly kind: 'object'
      readonly entries: readonly { readonly key: string; readonly value: Expr }[]
      readonly span: Span
    }
  | { readonly kind: 'occurs'; readonly subject: Expr; readonly when: When; readonly span: Span }
  | {
      readonly kind: 'quantifier'
      readonly quantifier: 'exists' | 'forall' | 'select'
      readonly generators: readonly Generator[]
      readonly span: Span
    }
  | {
      readonly kind: 'aggregate'
      readonly name: AggregateName
      readonly value: Expr
      readonly generators: readonly Generator[]
      readonly span: Span
    }
  | { readonly kind: 'let'; readonly name: string; readonly value: Expr; readonly body: Expr; readonly span: Span }
  | { readonly kind: 'lambda'; readonly parameters: readonly Variable[]; readonly body: Expr; readonly span: Span }
  | {
      readonly kind: 'chain'
      readonly array: Expr
      readonly property: Expr
      readonly steps: readonly ChainStep[]
      readonly span: Span
    }
  /** `now`, `today`, …, and `last month`, which may stand outside and inside of `occurs`. */
  | { readonly kind: 'time'; readonly term: TimeTerm; readonly span: Span }
  /** Parentheses are kept, so that the formatter can print them. */
  | { readonly kind: 'group'; readonly inner: Expr; readonly span: Span }
  | { readonly kind: 'error'; readonly span: Span }

export type BinaryOp =
  | 'or'
  | 'and'
  | '='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'in'
  | 'notIn'
  | 'like'
  | 'matches'
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'

export const comparisonOps = ['=', '!=', '<', '<=', '>', '>='] as const
export type ComparisonOp = (typeof comparisonOps)[number]

export type AggregateName = 'sum' | 'average' | 'min' | 'max' | 'count'

export type Variable = { readonly name: string; readonly span: Span }

export type Generator = { readonly variable: Variable; readonly array: Expr; readonly where: Expr | null }

export type ChainStep = {
  readonly label: Variable | null
  readonly what: Expr | null
  readonly when: When | null
  readonly where: Expr | null
  readonly count: Expr | null
  readonly span: Span
}

export type Unit = (typeof units)[number]
export const units = [
  'millisecond',
  'second',
  'minute',
  'hour',
  'day',
  'week',
  'month',
  'year',
  'decade',
  'century',
  'millennium',
] as const

export type TimeTerm =
  | { readonly kind: 'now' | 'today' | 'yesterday' | 'tomorrow' }
  | { readonly kind: 'this' | 'last' | 'next'; readonly unit: Unit }

/** What stands after `occurs`, and inside WHEN(…). */
export type When =
  | {
      readonly kind: 'distance'
      readonly op: ComparisonOp
      readonly amount: Expr
      readonly unit: Unit
      readonly direction: 'before' | 'after' | 'from'
      readonly time: Expr
      /** `<= 30 days` */
      readonly lengthSpan: Span
      readonly span: Span
    }
  | { readonly kind: 'side'; readonly direction: 'before' | 'after' | 'from'; readonly time: Expr; readonly span: Span }
  | { readonly kind: 'on'; readonly time: Expr; readonly span: Span }
  | { readonly kind: 'between'; readonly from: Expr; readonly to: Expr; readonly span: Span }
  | { readonly kind: 'error'; readonly span: Span }

/** All expressions in a part of the tree, itself included; a list instead of recursion, since rows of operands may be long. */
export function nodesOf(part: unknown): readonly Expr[] {
  const found: Expr[] = []
  const open = [part]
  while (open.length > 0) {
    const next = open.pop()
    // Places are most of the objects, and have no parts.
    if (typeof next !== 'object' || next === null || 'start' in next) continue
    if ('kind' in next && 'span' in next) found.push(next as Expr) // what has both is an expression or a time after `occurs`
    for (const child of Object.values(next)) if (typeof child === 'object') open.push(child)
  }
  return found
}
