import { activatedSegments, segmentPath } from '../activated-segments.ts'
import type { Rule } from './rule.ts'

export const manySegments: Rule = {
  severity: 'warning',
  page: {
    title: 'More than 25 Segments are activated to a Campaign instance',
    checks:
      'Different Segments over all Activations of all Destinations of one CampaignInstance, while they are within `limits.segments`.',
    why: 'Newer instances of Campaign come with a limit of 25; beyond it audiences are not loaded unless Adobe has raised it.',
    source: 'Adobe Campaign Managed Cloud Services connection, guardrails',
    bad: `
# repeat: 1..23
kind: Segment
metadata: { name: s$n }
spec:
  expression: club.credits > $n
---
kind: Activation
metadata: { name: win-back }
spec:
  segmentSelector: { matchLabels: {} }
`,
    good: `
# repeat: 1..22
kind: Segment
metadata: { name: s$n }
spec:
  expression: club.credits > $n
---
kind: Activation
metadata: { name: win-back }
spec:
  segmentSelector: { matchLabels: {} }
`,
  },
  check: {
    CampaignInstance(instance, { model, report }) {
      const segments = activatedSegments(model, instance)
      const limit = instance.spec.limits.segments
      const beyond = segments[newerDefault]
      if (!beyond || segments.length > limit) return
      report({
        path: ['spec', 'limits', 'segments'],
        message: `${segments.length} Segments are activated to \`${instance.name}\`; newer instances of Campaign take ${newerDefault}`,
        help: 'Ask Adobe what NmsCdp_Aep_Audience_List_Limit is on this instance, and allow this with the answer.',
        related: [
          {
            resource: beyond.activation.resource,
            path: segmentPath(beyond),
            message: `\`${beyond.segment.resource.name}\` is number ${newerDefault + 1}`,
          },
        ],
      })
    },
  },
}

const newerDefault = 25
