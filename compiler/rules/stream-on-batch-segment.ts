import { durationText, effectiveLatency, ownLatencySeconds } from '../effective-latency.ts'
import type { Rule } from './rule.ts'

export const streamOnBatchSegment: Rule = {
  severity: 'warning',
  page: {
    title: 'A Streaming Segment waits for a Batch one',
    checks: '`inSegment` of Segments with `evaluation: Streaming`, over any number of Segments.',
    why: 'A Segment is as late as the slowest one it refers to: between two daily evaluations it drifts.',
    source: 'Segmentation Service, streaming segmentation',
    bad: `
kind: Segment
metadata: { name: quiet-patrons }
spec:
  evaluation: Streaming
`,
    good: `
kind: Segment
metadata: { name: quiet-patrons }
spec:
  evaluation: Batch
`,
  },
  check: {
    Segment(resource, { model, report }) {
      if (resource.spec.evaluation !== 'Streaming') return
      const { relations } = model
      const segment = relations.segment(resource)
      if (
        !segment?.condition ||
        segment.references.length === 0 ||
        relations.reasonsAgainstStreaming(segment).length > 0
      )
        return
      const { seconds, text, slowest } = effectiveLatency(segment, model)
      const own = ownLatencySeconds(segment)
      if (seconds <= own) return
      const reference = segment.checked?.references.find(({ name }) => {
        const next = relations.sibling(segment, name)
        return next && effectiveLatency(next, model).seconds === seconds
      })
      const through = reference && reference.name !== slowest.resource.name ? ` (through \`${reference.name}\`)` : ''
      report({
        path: ['spec', 'expression'],
        ...(reference ? { range: reference.span } : {}),
        message: `\`${resource.name}\` is up to ${text} late, not ${durationText(own)}: \`${slowest.resource.name}\`${through} is Batch`,
        help: 'Make that Segment Streaming, write its condition out here, or set `evaluation: Batch`.',
        related: [{ resource: slowest.resource, path: ['spec', 'evaluation'], message: 'evaluated once a day' }],
      })
    },
  },
}
