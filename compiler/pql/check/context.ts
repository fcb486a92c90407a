import { dataTypeOf, type ObjectType, type Type, type UnionTypes } from '../../schema.ts'
import type { Expr, Span } from '../ast.ts'
import type { PqlFault } from '../fault.ts'
import { type Node, sizeOf, type Value } from '../ir.ts'
import { type Element, type Meaning, meaningOf, type Scope, variableOf } from './meaning.ts'

/** What an expression may refer to. */
export type Names = { readonly types: UnionTypes; readonly segments: SegmentNames }

/** The names that `inSegment` may take. */
export type SegmentNames = Iterable<string> & { readonly has: (name: string) => boolean }

/** A name in `inSegment("…")`, and its place. */
export type Reference = { readonly name: string; readonly span: Span }

/** What the functions that check one expression have in common. */
export type Checking = {
  readonly source: string
  readonly names: Names
  /** Whether the expression may read memberships by `segmentMembership`. */
  readonly readsMemberships: boolean
  /** Reports a fault and returns null, the meaning of whatever is faulty. */
  readonly report: (fault: PqlFault) => null
  readonly refer: (reference: Reference) => void
  /** Stores where a node is written, unless that is known already: the smallest place comes first. */
  readonly place: (node: Node, span: Span) => void
  /** The meaning of an expression: the way from the functions of one topic to those of all others. */
  readonly meaning: (expr: Expr, scope: Scope) => Meaning
  /** The number of a further variable inside a scope. */
  readonly deeper: (scope: Scope, span: Span) => number
}

/** How deep lambdas may be nested: engines take twice as long for each level. */
const deepestLambda = 10

/** The most nodes of a time, which is repeated for its bounds, and of an object, which is repeated for its fields. */
export const mostTimeNodes = 500
export const mostObjectNodes = 5_000

/** The most terms of a whole expression: about 250,000 characters of comparisons come to half of it. */
export const mostTerms = 50_000

/** Begins the check of an expression. Calls of `meaning` add faults, references and, where they are wanted, places. */
export function openChecking(
  source: string,
  names: Names,
  meaning: (checking: Checking, expr: Expr, scope: Scope) => Meaning,
  places: Map<Node, Span> | null,
): Checking & {
  readonly faults: readonly PqlFault[]
  readonly references: readonly Reference[]
} {
  const faults: PqlFault[] = []
  const references: Reference[] = []
  let tooDeep = false
  const report = (fault: PqlFault): null => {
    faults.push(fault)
    return null
  }
  const checking = {
    source,
    names,
    readsMemberships: source.includes('segmentMembership'),
    faults,
    references,
    report,
    refer: (reference: Reference): void => void references.push(reference),
    place: (node: Node, span: Span): void => {
      if (places && !places.has(node)) places.set(node, span)
    },
    meaning: (expr: Expr, scope: Scope): Meaning => {
      const meant = meaning(checking, expr, scope)
      if (meant?.kind === 'condition') checking.place(meant.condition, expr.span)
      if (meant?.kind === 'value') checking.place(meant.value, expr.span)
      return meant
    },
    deeper: (scope: Scope, span: Span): number => {
      if (scope.depth === deepestLambda && !tooDeep) {
        tooDeep = true
        report({
          code: 'pql-unsupported',
          message: `Filters, quantifiers and \`let\` stand more than ${deepestLambda} deep inside each other`,
          span,
          help: 'Split the expression into several Segments and combine them with inSegment.',
        })
      }
      return scope.depth + 1
    },
  }
  return checking
}

export function mismatch(
  checking: Checking,
  span: Span,
  message: string,
  help: string,
  more: Partial<PqlFault> = {},
): null {
  return checking.report({ code: 'pql-type-mismatch', message, span, help, ...more })
}

export function unsupported(checking: Checking, span: Span, message: string, help: string): null {
  return checking.report({ code: 'pql-unsupported', message, span, help })
}

/** Reports that the expression, with everything it names put in place, is more than engines can take beside other Segments. */
export function tooLarge(checking: Pick<Checking, 'report'>, span: Span): null {
  return checking.report({
    code: 'expression-too-large',
    message: `This expression comes to more than ${mostTerms.toLocaleString('en-US')} terms`,
    span,
    help: 'Split it into several Segments and combine them with inSegment.',
  })
}

export function syntax(checking: Checking, span: Span, message: string, help: string): null {
  return checking.report({ code: 'pql-syntax', message, span, help })
}

/** The text as it is written. */
export function written({ source }: Checking, { start, end }: Span): string {
  return source.slice(start, end)
}

export function profileOf({ names }: Checking): Extract<Meaning, { kind: 'record' }> {
  return { kind: 'record', base: { kind: 'profile', prefix: '' }, type: names.types.profile }
}

/** All events of the profile. */
export function eventsOf(event: ObjectType): Extract<Meaning, { kind: 'value' }> {
  const type: Type = { kind: 'array', items: event }
  return { kind: 'value', value: { kind: 'events', type: dataTypeOf(type) }, type }
}

/** A scope in which names are read from an item of a list, and the variable that stands for the item. */
export function inside(
  checking: Checking,
  items: Type,
  array: Expr,
  scope: Scope,
): { readonly scope: Scope; readonly variable: number; readonly item: Meaning } {
  const variable = checking.deeper(scope, array.span)
  const item = meaningOf(variableOf(variable, items), items)
  const element: Element = { meaning: item, type: items, singular: singularOf(array) }
  return { scope: { ...scope, elements: [...scope.elements, element], depth: variable }, variable, item }
}

/** `orders` → `order`, `categories` → `category`: in PQL the singular of an array's name stands for one item. */
function singularOf(array: Expr): string | null {
  switch (array.kind) {
    case 'group':
      return singularOf(array.inner)
    case 'filter':
      return singularOf(array.array)
    case 'name':
    case 'field':
      if (array.name.endsWith('ies')) return `${array.name.slice(0, -3)}y`
      return array.name.endsWith('s') ? array.name.slice(0, -1) : array.name
    default:
      return null
  }
}

/**
 * Returns a value that will be repeated in the tree; null, and reported, where it is so large that repeating it would swamp every engine.
 */
export function small(checking: Checking, value: Value | null, most: number, span: Span): Value | null {
  if (value === null || sizeOf(value, most) <= most) return value
  return unsupported(
    checking,
    span,
    'This is too long an expression for its place',
    'Put it into a Segment of its own and combine with inSegment.',
  )
}
