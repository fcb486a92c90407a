import { isRecord } from '#crds'
import { tokenize } from '../pql/lexer.ts'

export type ExpressionFormat = 'pql/text' | 'pql/json'

/** A segment definition of the Segmentation Service API, as far as both sides know it. */
export type AdobeDefinition = {
  readonly id?: string
  readonly name: string
  readonly description?: string
  /** The value of `pql/json` is the tree as text, as the API keeps it. */
  readonly expression: { readonly type: 'PQL'; readonly format: ExpressionFormat; readonly value: string }
  readonly schema: { readonly name: '_xdm.context.profile' }
  /** Not a field of Adobe's: the resource's name, where it cannot be derived from `name`. */
  readonly convoke?: { readonly name: string }
  /** Whether people with a general opt-out are left out; where nobody has said, as at Adobe: they are. */
  readonly dataGovernancePolicy: { readonly excludeOptOut: boolean }
  readonly mergePolicyId?: string
  /** Data usage labels, such as `core/C1`. */
  readonly labels?: readonly string[]
  readonly evaluationInfo: { readonly [way in 'batch' | 'continuous' | 'synchronous']: { readonly enabled: boolean } }
}

/** The annotation with the definition's id at Adobe, so that it is the same definition on the way back. */
export const adobeIdAnnotation = 'convoke.dev/adobe-segment-id'

/**
 * Annotations with what a definition says and no Segment does, so that it is the same definition on the way back: whether people with an
 * opt-out are left out, the merge policy's id, and data usage labels with spaces between them.
 */
export const governanceAnnotations = {
  excludeOptOut: 'convoke.dev/adobe-exclude-opt-out',
  mergePolicyId: 'convoke.dev/adobe-merge-policy-id',
  labels: 'convoke.dev/adobe-labels',
} as const

type Governance = Pick<AdobeDefinition, 'mergePolicyId' | 'labels'> & { readonly excludeOptOut: boolean | null }

/** What the annotations say; null where they do not say whether opt-outs are left out. */
export function governanceOf(annotations: Readonly<Record<string, string>> = {}): Governance {
  const { [governanceAnnotations.excludeOptOut]: optOut, [governanceAnnotations.mergePolicyId]: policy } = annotations
  const labels = annotations[governanceAnnotations.labels]?.split(/\s+/).filter(Boolean) ?? []
  return {
    excludeOptOut: optOut === 'true' ? true : optOut === 'false' ? false : null,
    ...(policy !== undefined && { mergePolicyId: policy }),
    ...(labels.length > 0 && { labels }),
  }
}

/** The annotations for a definition's own fields. */
export function annotationsOf({
  dataGovernancePolicy,
  mergePolicyId,
  labels,
}: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const optOut = isRecord(dataGovernancePolicy) ? dataGovernancePolicy['excludeOptOut'] : undefined
  const words = Array.isArray(labels) ? labels.filter((label) => typeof label === 'string' && /^\S+$/.test(label)) : []
  return {
    ...(typeof optOut === 'boolean' && { [governanceAnnotations.excludeOptOut]: String(optOut) }),
    ...(typeof mergePolicyId === 'string' &&
      mergePolicyId !== '' && { [governanceAnnotations.mergePolicyId]: mergePolicyId }),
    ...(words.length > 0 && { [governanceAnnotations.labels]: words.join(' ') }),
  }
}

/** What stands between the quotes of `inSegment("…", …)`, with its place in the expression's text. */
export function segmentReferences(
  text: string,
): readonly { readonly name: string; readonly span: { readonly start: number; readonly end: number } }[] {
  const tokens = tokenize(text, () => {})
  return tokens.flatMap((token, index) => {
    if (token.kind !== 'name' || token.text !== 'inSegment' || tokens[index + 1]?.text !== '(') return []
    const end = tokens.findIndex((other, at) => at > index && other.text === ')' && other.kind === 'punctuation')
    return tokens
      .slice(index + 2, end === -1 ? tokens.length : end)
      .filter((other) => other.kind === 'string')
      .map((other) => ({ name: other.text, span: { start: other.start + 1, end: other.end - 1 } }))
  })
}

/** A name that Kubernetes accepts, made from a person's. */
export function resourceName(text: string): string {
  return text
    .replaceAll('ß', 'ss')
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 200)
    .replace(/^-+|-+$/g, '')
}
