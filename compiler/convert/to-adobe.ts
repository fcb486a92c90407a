import type { Diagnostic } from '../diagnostic.ts'
import { extensionsIn } from '../pql/extensions.ts'
import { jsonOfPql } from '../pql/json.ts'
import { placeOf, type Resource, type Source } from '../resource.ts'
import { loadSources, openReadMemory } from '../source.ts'
import {
  type AdobeDefinition,
  adobeIdAnnotation,
  type ExpressionFormat,
  governanceOf,
  resourceName,
  segmentReferences,
} from './adobe-definition.ts'

/**
 * Segments as Adobe segment definitions, in the order written. References are written with Adobe's ids, from the annotation
 * `convoke.dev/adobe-segment-id`; a reference to a Segment without one keeps the Segment's name, with a warning. What a definition said of
 * governance is written again from its annotations; without one, `excludeOptOut` is whether the store has consent rules, and where the store
 * is not given Adobe's default. Other kinds are left out.
 */
export function adobeOfSegments(
  sources: readonly Source[],
  format: ExpressionFormat = 'pql/text',
): {
  readonly definitions: readonly AdobeDefinition[]
  readonly diagnostics: readonly Diagnostic[]
} {
  const { resources, diagnostics } = loadSources(sources, openReadMemory())
  // Only Segments pass the filter.
  const segments = resources.filter(
    (resource) => resource.kind === 'Segment',
  ) as unknown as readonly Resource<'Segment'>[]
  const idOf = new Map(segments.map((segment) => [segment.name, segment.metadata.annotations?.[adobeIdAnnotation]]))
  const stores = resources.filter((resource) => resource.kind === 'ProfileStore')
  /** Whether the Segment's store leaves out who has opted out; null where the store is not given. */
  const consentOf = ({ spec, namespace }: Resource<'Segment'>): boolean | null => {
    const store = stores.find((each) => each.name === spec.profileStoreRef.name && each.namespace === namespace)
    const consent = store && (store.spec as { readonly consent?: { readonly general?: unknown } }).consent
    return store ? consent?.general !== undefined : null
  }
  const found: Diagnostic[] = []
  const definitions = segments.flatMap((segment): AdobeDefinition[] => {
    const { displayName, description, evaluation, expression } = segment.spec
    const id = idOf.get(segment.name)
    let value = expression.trim()
    for (const { name, span } of segmentReferences(value).toReversed()) {
      const referred = idOf.get(name)
      if (referred) value = value.slice(0, span.start) + referred + value.slice(span.end)
      else {
        found.push({
          code: 'unresolved-reference',
          severity: 'warning',
          message: `Adobe's id of the Segment \`${name}\` is not known`,
          help: `Give its file too, with the annotation \`${adobeIdAnnotation}\`; Adobe refers to segments by id.`,
          ...placeOf(segment, { path: ['spec', 'expression'], range: span }),
          related: [],
          fixes: [],
        })
      }
    }
    const [extension] = extensionsIn(expression)
    if (extension) {
      found.push({
        code: 'beyond-pql',
        severity: 'error',
        message: `The expression of \`${segment.name}\` is not PQL: Experience Platform does not have ${extension.name}`,
        help: 'Write it in PQL; docs/pql.md lists what Convoke has beyond it.',
        ...placeOf(segment, { path: ['spec', 'expression'], range: extension.span }),
        related: [],
        fixes: [],
      })
      return []
    }
    const tree = format === 'pql/json' ? jsonOfPql(value) : null
    if (tree?.reason) {
      found.push({
        code: 'pql-unsupported',
        severity: 'error',
        message: `The expression of \`${segment.name}\` cannot be written as \`pql/json\`: ${tree.reason}`,
        help: 'Convert it to `pql/text`.',
        ...placeOf(segment, { path: ['spec', 'expression'] }),
        related: [],
        fixes: [],
      })
      return []
    }
    const { excludeOptOut, ...governance } = governanceOf(segment.metadata.annotations)
    return [
      {
        ...(id === undefined ? {} : { id }),
        name: displayName,
        ...(description === undefined ? {} : { description }),
        expression: { type: 'PQL', format, value: tree ? JSON.stringify(tree.tree) : value },
        schema: { name: '_xdm.context.profile' },
        dataGovernancePolicy: { excludeOptOut: excludeOptOut ?? consentOf(segment) ?? true },
        ...governance,
        ...(resourceName(displayName) === segment.name ? {} : { convoke: { name: segment.name } }),
        evaluationInfo: {
          batch: { enabled: evaluation === 'Batch' },
          continuous: { enabled: evaluation === 'Streaming' },
          synchronous: { enabled: false },
        },
      },
    ]
  })
  return { definitions, diagnostics: [...diagnostics, ...found] }
}
