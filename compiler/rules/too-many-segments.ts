import { activatedSegments, segmentPath } from '../activated-segments.ts'
import type { Rule } from './rule.ts'

export const tooManySegments: Rule = {
  severity: 'error',
  page: {
    title: 'More Segments are activated to a Campaign instance than it takes',
    checks:
      "Different Segments over all Activations of all Destinations of one CampaignInstance, against `limits.segments` (50; Campaign option NmsCdp_Aep_Audience_List_Limit). The pattern calls 50 a recommendation, and Campaign's option says where it ends: where yours is higher, raise the limit; to go over it with a warning, set `enforcement.segments: Warn` on the CampaignInstance. In a cluster the newest Segments beyond the limit are held; those that ran go on running.",
    why: 'Campaign stops loading audiences beyond its limit; the pattern recommends at most 50.',
    source:
      'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails; Adobe Campaign Managed Cloud Services connection',
    bad: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  limits: { segments: 2 }
`,
    good: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  limits: { segments: 3 }
`,
  },
  check: {
    CampaignInstance(instance, { model, report }) {
      const limit = instance.spec.limits.segments
      const segments = activatedSegments(model, instance)
      const beyond = segments[limit]
      if (!beyond) return
      report({
        resource: beyond.activation.resource,
        path: segmentPath(beyond),
        message: `\`${beyond.segment.resource.name}\` is one Segment too many: ${segments.length} are activated to \`${instance.name}\`, the limit is ${limit}`,
        help: `Activate ${segments.length - limit} fewer, or have the platform team raise \`limits.segments\` as far as Campaign allows.`,
        related: [{ resource: instance, path: ['spec', 'limits', 'segments'], message: `the limit is ${limit}` }],
        severity: instance.spec.enforcement.segments === 'Warn' ? 'warning' : 'error',
      })
    },
  },
}
