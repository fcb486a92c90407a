/** Every code, in the order of the manual. The list is closed: a code is a row here, a file in `rules/` and a fixture. */
export const codes = [
  // well-formed resources
  'yaml-syntax',
  'duplicate-key',
  'ambiguous-scalar',
  'unknown-kind',
  'unknown-field',
  'missing-field',
  'wrong-type',
  'invalid-value',
  // well-formed bundle
  'unresolved-reference',
  'duplicate-resource',
  'segment-cycle',
  'invalid-schedule',
  'unreachable-schedule',
  'unknown-time-zone',
  'invalid-pod-template',
  // the language
  'pql-syntax',
  'pql-unknown-function',
  'pql-type-mismatch',
  'unknown-attribute',
  'pql-unsupported',
  'expression-too-large',
  // prerequisites of the pattern
  'missing-organization',
  'missing-entitlement',
  'missing-product-context',
  'invalid-ims-org',
  'different-organizations',
  // limits of Campaign
  'unsupported-campaign-version',
  'multiple-organizational-units',
  'creates-profiles',
  'too-many-segments',
  'many-segments',
  'too-many-attributes',
  'activation-too-frequent',
  'unsupported-activation-frequency',
  'segment-activated-twice',
  // identities of people
  'unreachable-identity',
  'unique-without-stitching',
  // evaluation
  'batch-evaluated-too-often',
  'streaming-too-frequent',
  'not-streamable',
  'stream-without-source',
  'stream-on-batch-segment',
  // mapping and files
  'array-attribute',
  'map-attribute',
  'object-attribute',
  'event-attribute',
  'encrypted-file',
  'exits-without-membership-status',
  'exits-in-full-export',
  'file-name-too-long',
  'file-name-collision',
  'unsupported-audience-name',
  'missing-deduplication-key',
  'optional-deduplication-key',
  'unknown-target-column',
  'target-type-mismatch',
  'missing-reconciliation-key',
  'retention-exceeded',
  // profile guardrails
  'too-many-datasets',
  'too-many-merge-policies',
  'too-many-batch-segments',
  'too-many-streaming-segments',
  // suppressions
  'unexplained-suppression',
  'unused-suppression',
] as const

export type Code = (typeof codes)[number]
