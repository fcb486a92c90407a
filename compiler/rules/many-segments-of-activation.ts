import type { Rule } from './rule.ts'

export const manySegmentsOfActivation: Rule = {
  severity: 'warning',
  page: {
    title: 'An Activation delivers more than 250 Segments',
    checks:
      'Segments of an Activation, the counterpart of a dataflow, while the CampaignInstance takes that many (`limits.segments`).',
    why: 'More than 250 audiences in one dataflow to a destination cost performance.',
    source: 'Default guardrails for activation data, audiences to a single destination',
    bad: `
# repeat: 1..248
kind: Segment
metadata: { name: s$n }
spec:
  expression: club.credits > $n
---
kind: CampaignInstance
metadata:
  name: letters
  annotations: { convoke.dev/allow: "many-segments: the limit was raised to 300" }
spec:
  limits: { segments: 300 }
---
kind: Activation
metadata: { name: win-back }
spec:
  segmentSelector: { matchLabels: {} }
---
kind: ProfileStore
metadata:
  name: readers
  annotations: { convoke.dev/allow: "many-hourly-exports: nothing else goes out at these hours" }
`,
    good: `
# repeat: 1..247
kind: Segment
metadata: { name: s$n }
spec:
  expression: club.credits > $n
---
kind: CampaignInstance
metadata:
  name: letters
  annotations: { convoke.dev/allow: "many-segments: the limit was raised to 300" }
spec:
  limits: { segments: 300 }
---
kind: Activation
metadata: { name: win-back }
spec:
  segmentSelector: { matchLabels: {} }
---
kind: ProfileStore
metadata:
  name: readers
  annotations: { convoke.dev/allow: "many-hourly-exports: nothing else goes out at these hours" }
`,
  },
  check: {
    Activation(resource, { model, report }) {
      const activation = model.relations.activation.get(resource)
      const segments = activation?.segments ?? []
      const beyond = segments[limit]
      if (!beyond || segments.length > (activation?.instance?.spec.limits.segments ?? 0)) return
      report({
        path: resource.spec.segmentRefs ? ['spec', 'segmentRefs', limit, 'name'] : ['spec', 'segmentSelector'],
        message: `\`${resource.name}\` delivers ${segments.length} Segments; ${limit} are recommended at most`,
        help: 'Make two Activations of it.',
        related: [{ resource: beyond.resource, path: ['metadata', 'name'], message: `number ${limit + 1}` }],
      })
    },
  },
}

const limit = 250
