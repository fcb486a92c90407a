import { type Model, segmentNames } from '../model.ts'
import { type Leaf, leavesOf } from './leaves.ts'
import { conditionsOf, isIn, segmentsOf } from './run.ts'
import { caseName, type Expression, type Suite } from './suite.ts'

/** How often a leaf condition was true and false, over all people at all instants of all cases. */
export type LeafCoverage = { readonly text: string; readonly true: number; readonly false: number }

export type Coverage = {
  /** The Segment; null for a case's own expression. */
  readonly segment: string | null
  /** The case with its own expression; null for a Segment. */
  readonly case: { readonly suite: string; readonly name: string } | null
  readonly leaves: readonly LeafCoverage[]
}

/**
 * The leaf conditions of every Segment of the model, and of every case's own expression, with how often they were true and false.
 * Segments that a tested one refers to count too; a Segment that no case reaches has only zeros. Found by the reference interpreter.
 */
export function coverageOf(suites: readonly Suite[], model: Model): readonly Coverage[] {
  const entries = new Map<string, Coverage & { readonly leaves: { text: string; true: number; false: number }[] }>()
  const entryOf = (key: string, head: Omit<Coverage, 'leaves'>, leaves: readonly Leaf[]): LeafCounts => {
    const known = entries.get(key)
    if (known) return known.leaves
    const counts = leaves.map(({ text }) => ({ text, true: 0, false: 0 }))
    entries.set(key, { ...head, leaves: counts })
    return counts
  }
  for (const { document, types, cases } of suites) {
    for (const [index, each] of cases.entries()) {
      if (each.obstacles.length > 0 || each.expected.kind === 'error') continue
      const steps = each.expected.kind === 'timeline' ? each.expected.steps : [each.expected.step]
      const conditionOf = conditionsOf(segmentsOf(each.expressions))
      for (const expression of each.expressions) {
        const leaves = leavesOf(expression, types)
        const isOwn = expression.name === caseName
        const counts = isOwn
          ? entryOf(
              `${document.origin.source.file}:${document.origin.node.start}:${index}`,
              { segment: null, case: { suite: document.name, name: each.name } },
              leaves,
            )
          : entryOf(`${document.namespace}/${expression.name}`, { segment: expression.name, case: null }, leaves)
        for (const { people, at } of steps)
          for (const person of people.values())
            for (const [number, { condition }] of leaves.entries()) {
              const count = counts[number]
              if (count) count[isIn(condition, person, at, conditionOf) ? 'true' : 'false'] += 1
            }
      }
    }
  }
  for (const { resource, store, condition } of model.segments) {
    if (!store) continue
    const expression: Expression = {
      name: resource.name,
      text: resource.spec.expression,
      condition,
      segments: segmentNames(model, resource.namespace, store),
    }
    entryOf(
      `${resource.namespace}/${resource.name}`,
      { segment: resource.name, case: null },
      leavesOf(expression, store.types),
    )
  }
  return [...entries.values()].sort((a, b) => {
    const [left, right] = [orderOf(a), orderOf(b)]
    return left < right ? -1 : left > right ? 1 : 0
  })
}

type LeafCounts = { text: string; true: number; false: number }[]

/** The order: Segments by name, then cases in their suites. */
function orderOf(coverage: Coverage): string {
  return coverage.case ? `1${coverage.case.suite}` : `0${coverage.segment}`
}
