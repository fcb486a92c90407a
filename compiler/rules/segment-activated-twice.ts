import { segmentPath } from '../activated-segments.ts'
import type { ActivationModel } from '../model.ts'
import type { Rule } from './rule.ts'

export const segmentActivatedTwice: Rule = {
  severity: 'warning',
  page: {
    title: 'Two Activations deliver one Segment to one Campaign instance',
    checks:
      'Segments of all Activations of one CampaignInstance; one finding for each Activation, at the later one by name.',
    why: 'The interval of three hours holds for a Segment and an instance: one of the two always waits for the other, and later files overwrite the columns of earlier ones.',
    source: 'Adobe Campaign Managed Cloud Services connection, guardrails',
    bad: `
kind: Activation
metadata: { name: winter-letter }
spec:
  segmentRefs: [{ name: patrons }]
  schedule: { every: 24h, startAt: "2026-12-01T05:00:00Z" }
`,
    good: `
kind: Activation
metadata: { name: winter-letter }
spec:
  segmentRefs: [{ name: visitors }]
  schedule: { every: 24h, startAt: "2026-12-01T05:00:00Z" }
---
kind: Segment
metadata: { name: visitors }
spec:
  expression: club.level = "visitor"
`,
  },
  check: {
    CampaignInstance(instance, { model, report }) {
      const owner = new Map<string, ActivationModel>()
      for (const activation of model.relations.activationsOfInstance(instance)) {
        const again = activation.segments.filter(({ resource }) => owner.has(resource.name))
        for (const { resource } of activation.segments)
          if (!owner.has(resource.name)) owner.set(resource.name, activation)
        const [first] = again
        if (!first) continue
        const other = owner.get(first.resource.name)!
        report({
          resource: activation.resource,
          path: segmentPath({ activation, segment: first }),
          message: `Segment \`${first.resource.name}\`${again.length > 1 ? ` and ${again.length - 1} more are` : ' is'} activated to \`${instance.name}\` by \`${other.resource.name}\` too`,
          help: 'Deliver it by one Activation with all its columns, or allow this with the reason.',
          related: [
            {
              resource: other.resource,
              path: segmentPath({ activation: other, segment: first }),
              message: 'activated here',
            },
          ],
        })
      }
    },
  },
}
