import { locateExpression, type Model, type SegmentModel } from '../model.ts'
import type { StreamingReason } from '../pql/streaming.ts'
import { reasonsAgainst } from '../relations.ts'
import type { Rule } from './rule.ts'

export const notStreamable: Rule = {
  severity: 'error',
  page: {
    title: 'A Streaming Segment has an expression that cannot stream',
    checks:
      'Expressions of Segments with `evaluation: Streaming`: profile attributes; one event, or several in strict order, within 24 hours; both together. No longer windows, no anniversaries, no absence of events alone, no events beside `inSegment` of a Segment that reads events.',
    why: 'Experience Platform evaluates such a Segment once a day whatever is asked for, so it would be a day late without a word.',
    source: 'Segmentation Service, streaming segmentation, as of 20 May 2025',
    bad: `
kind: Segment
metadata: { name: recent-buyers }
spec:
  evaluation: Streaming
  expression: exists E from xEvent where E.eventType = "purchase" and E.timestamp occurs <= 7 days before now
`,
    good: `
kind: Segment
metadata: { name: recent-buyers }
spec:
  evaluation: Streaming
  expression: exists E from xEvent where E.eventType = "purchase" and E.timestamp occurs <= 24 hours before now
`,
  },
  check: {
    Segment(resource, { model, report }) {
      if (resource.spec.evaluation !== 'Streaming') return
      const { relations } = model
      const segment = relations.segment(resource)
      if (!segment || relations.reasonsAgainstStreaming(segment).length === 0) return
      const [first, ...others] = placedReasons(segment, model)
      if (!first) return
      const path = ['spec', 'expression']
      const isOnly = others.length === 0
      report({
        path,
        ...(isOnly && first.ranges[0] ? { range: first.ranges[0] } : {}),
        message: isOnly
          ? `\`${resource.name}\` cannot stream: ${lowerFirst(first.message)}`
          : `\`${resource.name}\` cannot stream, for ${others.length + 1} reasons`,
        help: isOnly ? first.help : 'Change all of them, or set `evaluation: Batch`.',
        related: [
          ...(isOnly
            ? first.ranges.slice(1).map((range) => ({ resource, path, range, message: 'and here' }))
            : [first, ...others].flatMap(({ ranges }, index) =>
                ranges.map((range) => ({ resource, path, range, message: `reason ${index + 1}` })),
              )),
          { resource, path: ['spec', 'evaluation'], message: 'streaming is asked for here' },
        ],
        ...(isOnly
          ? {}
          : { why: `${[first, ...others].map(({ message }, index) => `${index + 1}. ${message}`).join('. ')}.` }),
        fixes: [
          {
            title: 'Replace with `Batch`: membership is up to a day old',
            safety: 'review',
            path: ['spec', 'evaluation'],
            value: 'Batch',
          },
        ],
      })
    },
  },
}

/** The reasons with their places in the expression. Trees have no places, so the expression is read once more. */
function placedReasons(
  segment: SegmentModel,
  model: Model,
): readonly (StreamingReason & { readonly ranges: readonly Range[] })[] {
  const located = locateExpression(segment, model)
  if (!located?.condition) return []
  return reasonsAgainst(located.condition, segment, model.relations.sibling).map((reason) => ({
    ...reason,
    ranges: reason.at.flatMap((node) => located.placeOf(node) ?? []),
  }))
}

type Range = { readonly start: number; readonly end: number }

/** The message for the middle of a sentence; numbers and quotes stay. */
function lowerFirst(message: string): string {
  return message[0]!.toLowerCase() + message.slice(1)
}
