import type { Kind } from '#crds'
import { byName } from './by-name.ts'
import type { LinkFinding } from './finding.ts'
import { type Model, type SegmentModel, type StoreModel, segmentNames } from './model.ts'
import type { CheckedExpression, Names } from './pql/check.ts'
import type { PqlFault } from './pql/fault.ts'
import type { Path, Resource } from './resource.ts'

/** A SegmentModel while it is built. */
type Draft = { -readonly [Part in keyof SegmentModel]: SegmentModel[Part] }

/**
 * Checks the expressions of all Segments. A Segment in a cycle, or one that refers to a Segment that does not compile, has no condition.
 */
export function checkSegments(
  pairs: readonly Pick<SegmentModel, 'resource' | 'store'>[],
  {
    exists,
    report,
    check,
  }: Pick<Model, 'check'> & {
    readonly exists: (kind: Kind, namespace: string, name: string) => boolean
    readonly report: (finding: LinkFinding) => void
  },
): Pick<Model, 'segments' | 'segmentNamed'> {
  const none: readonly Draft[] = []
  const noNames: readonly string[] = []
  const segments = pairs.map(
    ({ resource, store }): Draft => ({ resource, store, checked: null, condition: null, references: noNames }),
  )
  const segmentNamed = byName(segments, ({ resource }) => resource)
  const referred = ({ resource: { namespace }, references }: SegmentModel): readonly Draft[] =>
    references.length === 0 ? none : references.flatMap((name) => segmentNamed(namespace, name) ?? [])

  const namesIn = new Map<StoreModel, Names>()
  for (const segment of segments) {
    const { resource, store } = segment
    if (!store) continue
    let names = namesIn.get(store)
    if (!names)
      names = { types: store.types, segments: segmentNames({ segments, segmentNamed }, resource.namespace, store) }
    namesIn.set(store, names)
    const checked = check(resource.spec.expression, names)
    segment.checked = checked
    for (const fault of checked.faults) {
      // A reference to a broken Segment, or a field lost with a faulty schema, is not the expression's fault.
      const name = resource.spec.expression.slice(fault.span.start, fault.span.end)
      const isBroken = exists('Segment', resource.namespace, name) && !segmentNamed(resource.namespace, name)
      if (fault.code === 'unresolved-reference' && isBroken) continue
      if (fault.code === 'unknown-attribute' && store.faulty) continue
      report(expressionFinding(fault, resource, ['spec', 'expression']))
    }
    const { segments: known } = names
    if (checked.references.length > 0)
      segment.references = checked.references.map(({ name }) => name).filter((name) => known.has(name))
  }

  const cyclic = new Set<SegmentModel>()
  for (const cycle of cyclesOf<SegmentModel>(
    segments.filter((segment) => segment.references.length > 0),
    referred,
  )) {
    for (const segment of cycle) cyclic.add(segment)
    const first = [...cycle].sort((a, b) => (a.resource.name < b.resource.name ? -1 : 1))[0]!
    const ordered = [...cycle.slice(cycle.indexOf(first)), ...cycle.slice(0, cycle.indexOf(first))]
    const next = ordered[1] ?? first
    report({
      code: 'segment-cycle',
      resource: first.resource,
      path: ['spec', 'expression'],
      range: referenceSpan(first.checked, next.resource.name),
      message: `Segment \`${first.resource.name}\` refers to itself${ordered.length > 1 ? `: ${[...ordered, first].map((model) => model.resource.name).join(' → ')}` : ''}`,
      help: 'Write the condition out in one of them instead of referring to the other.',
      related: ordered.slice(1).map((model, index) => ({
        resource: model.resource,
        path: ['spec', 'expression'],
        range: referenceSpan(model.checked, (ordered[index + 2] ?? first).resource.name),
        message: `\`${model.resource.name}\` refers to \`${(ordered[index + 2] ?? first).resource.name}\``,
      })),
    })
  }

  // A growing list instead of recursion: chains of references may be long.
  const referring = new Map<Draft, Draft[]>()
  for (const segment of segments)
    for (const other of referred(segment)) {
      const known = referring.get(other)
      if (known) known.push(segment)
      else referring.set(other, [segment])
    }
  const unsound = new Set(segments.filter((segment) => !segment.checked?.condition || cyclic.has(segment)))
  for (const segment of unsound) for (const other of referring.get(segment) ?? []) unsound.add(other)
  for (const segment of segments) if (!unsound.has(segment)) segment.condition = segment.checked?.condition ?? null
  return { segments, segmentNamed }
}

/** The finding for a fault of the expression at a path. */
export function expressionFinding(fault: PqlFault, resource: Resource, path: Path): LinkFinding {
  return {
    code: fault.code,
    resource,
    path,
    range: fault.span,
    message: fault.message,
    help: fault.help ?? '',
    ...(fault.why === undefined ? {} : { why: fault.why }),
    ...(fault.severity ? { severity: fault.severity } : {}),
    related: (fault.related ?? []).map((related) => ({
      resource,
      path,
      range: related.span,
      message: related.message,
    })),
    fixes: (fault.fixes ?? []).map((fix) => ({
      title: fix.title,
      safety: fix.safety,
      path,
      value: fix.text,
      range: fix.span,
    })),
  }
}

function referenceSpan(checked: CheckedExpression | null, name: string): { start: number; end: number } {
  return checked?.references.find((reference) => reference.name === name)?.span ?? { start: 0, end: 0 }
}

/** Each cycle once, as the nodes along it; a depth-first walk without recursion, since chains of references may be long. */
function cyclesOf<T>(nodes: readonly T[], next: (node: T) => readonly T[]): T[][] {
  const done = new Set<T>()
  const cycles: T[][] = []
  for (const root of nodes) {
    if (done.has(root)) continue
    const path: T[] = [root]
    const pending: (readonly T[])[] = [next(root)]
    const positions: number[] = [0]
    while (path.length > 0) {
      const top = path.length - 1
      const following = pending[top]![positions[top]!]
      positions[top]! += 1
      if (following === undefined) {
        done.add(path.pop()!)
        pending.pop()
        positions.pop()
      } else if (path.includes(following)) {
        const cycle = path.slice(path.indexOf(following))
        if (!cycles.some((known) => known.length === cycle.length && known.every((node) => cycle.includes(node))))
          cycles.push(cycle)
      } else if (!done.has(following)) {
        path.push(following)
        pending.push(next(following))
        positions.push(0)
      }
    }
  }
  return cycles
}
