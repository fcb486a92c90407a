import type { Expr, Span } from './ast.ts'
import {
  type Checking,
  mostTerms,
  type Names,
  openChecking,
  profileOf,
  type Reference,
  tooLarge,
} from './check/context.ts'
import { meaningIn } from './check/expression.ts'
import { type Scope, withVariable } from './check/meaning.ts'
import { conditionIn } from './check/operand.ts'
import { type Complexity, complexityOf } from './complexity.ts'
import type { PqlFault, PqlFix } from './fault.ts'
import { type Condition, type Node, termsOf } from './ir.ts'
import { type Parsed, parsePql } from './parser.ts'

export type { Names, SegmentNames } from './check/context.ts'

export type CheckedExpression = {
  /** null when there are errors. */
  readonly condition: Condition | null
  /** All faults, in the order of their places. */
  readonly faults: readonly PqlFault[]
  /** Names in `inSegment("…")`, resolved or not. */
  readonly references: readonly Reference[]
  readonly complexity: Complexity
}

/** Reads and checks a Segment's expression: names, types, coercions, times. Fixes are verified by compiling the fixed text. */
export function checkPql(text: string, names: Names): CheckedExpression {
  const { expr, ...checked } = checkOnce(text, names)
  const few = fewOf(checked.faults)
  let tries = few === checked.faults ? Math.min(mostFixesTried, Math.ceil(longestTried / text.length)) : 0
  const faults = few.map(({ fixes = [], ...fault }) => {
    const verified = fixes.filter((fix) => (tries -= 1) >= 0 && repairs(text, fix, checked.faults, names))
    return verified.length > 0 ? { ...fault, fixes: verified } : fault
  })
  return {
    ...checked,
    faults: faults.sort((a, b) => a.span.start - b.span.start || a.span.end - b.span.end),
    complexity: complexityOf(text, expr, checked.condition),
  }
}

/** How many faults of an expression are listed: an expression with more mostly has one cause. */
const mostFaults = 20

/** The first faults by place; the last one listed says how many more there are. */
function fewOf(faults: readonly PqlFault[]): readonly PqlFault[] {
  const errors = faults.filter(({ severity }) => severity !== 'warning')
  const more = faults.length - mostFaults
  if (more <= 0) return faults
  const few = [...errors].sort((a, b) => a.span.start - b.span.start).slice(0, mostFaults)
  const last = few.at(-1)
  if (!last) return faults.slice(0, mostFaults)
  const rest = `${more} more fault${more === 1 ? ' follows' : 's follow'} in this expression.`
  return [...few.slice(0, -1), { ...last, help: `${last.help ?? ''} ${rest}`.trim() }]
}

/** How many fixes of an expression are verified: each costs a compilation, and an expression full of faults must not take long. */
const mostFixesTried = 30
const longestTried = 200_000

/** Whether the fixed text has fewer faults, and none that was not there before. */
function repairs(text: string, { span, text: fixed }: PqlFix, before: readonly PqlFault[], names: Names): boolean {
  const after = checkOnce(text.slice(0, span.start) + fixed + text.slice(span.end), names).faults
  const known = new Set(before.map((fault) => fault.code + fault.message))
  return after.length < before.length && after.every((fault) => known.has(fault.code + fault.message))
}

/** The same tree as from `checkPql`, without faults, and with the places where its nodes are written. */
export function locatePql(
  text: string,
  names: Names,
): { readonly condition: Condition | null; readonly placeOf: (node: Node) => Span | null } {
  const places = new Map<Node, Span>()
  const { condition } = checkOnce(text, names, places)
  return { condition, placeOf: (node) => places.get(node) ?? null }
}

type Once = Omit<CheckedExpression, 'complexity'> & { readonly expr: Expr }

function checkOnce(text: string, names: Names, places: Map<Node, Span> | null = null): Once {
  const parsed = parsePql(text)
  if (parsed.unbalanced) {
    const faults = parsed.faults.map((fault) =>
      fault.span.start === parsed.unbalanced?.start ? { ...fault, fixes: bracketFixes(text, parsed, names) } : fault,
    )
    return { condition: null, faults, references: [], expr: parsed.expr }
  }
  const checking = openChecking(text, names, meaningIn, places)
  const condition = rootCondition(checking, parsed.expr)
  if (condition && termsOf(condition, mostTerms) > mostTerms) tooLarge(checking, { start: 0, end: text.length })
  const faults = [...parsed.faults, ...checking.faults]
  const hasErrors = faults.some((fault) => fault.severity !== 'warning')
  return {
    condition: hasErrors ? null : condition,
    faults,
    references: checking.references,
    expr: parsed.expr,
  }
}

/** The whole expression; a lambda's parameter is the profile. */
function rootCondition(checking: Checking, expr: Expr): Condition | null {
  const scope: Scope = { variables: new Map(), elements: [], depth: 0 }
  const [parameter, ...others] = expr.kind === 'lambda' ? expr.parameters : []
  return expr.kind === 'lambda' && parameter && others.length === 0
    ? conditionIn(checking, expr.body, withVariable(scope, parameter.name, profileOf(checking)))
    : conditionIn(checking, expr, scope)
}

/** Inserts the missing bracket at the first place that makes the whole expression sound, or removes one that closes nothing. */
function bracketFixes(text: string, { tokens, unbalanced }: Parsed, names: Names): readonly PqlFix[] {
  if (!unbalanced || tokens.length > 200) return []
  const partner = { '(': ')', '[': ']', '{': '}' }[unbalanced.text]
  const isSound = ({ start, end }: Span, inserted: string): boolean => {
    const changed = text.slice(0, start) + inserted + text.slice(end)
    return parsePql(changed).unbalanced === null && checkOnce(changed, names).faults.length === 0
  }
  if (!partner) {
    const span = { start: unbalanced.start, end: unbalanced.end }
    return isSound(span, '') ? [{ title: `Remove \`${unbalanced.text}\``, span, text: '', safety: 'review' }] : []
  }
  const at = tokens.find(({ start, end }) => start > unbalanced.start && isSound({ start: end, end }, partner))?.end
  if (at === undefined) return []
  return [{ title: `Close it with \`${partner}\` here`, span: { start: at, end: at }, text: partner, safety: 'review' }]
}
