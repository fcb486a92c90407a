import type { SegmentModel } from '../model.ts'
import { readsEvents, type StreamingReason, streamingReasons } from '../pql/streaming.ts'
import { type Relations, relationsOf } from '../relations.ts'
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
      const relations = relationsOf(model)
      const segment = relations.segment(resource)
      const reasons = segment ? reasonsAgainstStreaming(segment, relations) : []
      const [only] = reasons
      if (!segment || !only) return
      report({
        path: ['spec', 'expression'],
        ...(reasons.length === 1 ? placeOf(only, segment) : {}),
        message:
          reasons.length === 1
            ? `\`${resource.name}\` cannot stream: ${lowerFirst(only.message)}`
            : `\`${resource.name}\` cannot stream, for ${reasons.length} reasons`,
        help: reasons.length === 1 ? only.help : 'Change all of them, or set `evaluation: Batch`.',
        related: [{ resource, path: ['spec', 'evaluation'], message: 'streaming is asked for here' }],
        ...(reasons.length === 1
          ? {}
          : { why: `${reasons.map(({ message }, index) => `${index + 1}. ${message}`).join('. ')}.` }),
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

/** Empty for a Segment that is not Streaming, or does not compile. */
export function reasonsAgainstStreaming(segment: SegmentModel, relations: Relations): readonly StreamingReason[] {
  if (segment.resource.spec.evaluation !== 'Streaming' || !segment.condition) return []
  const known = memo.get(segment)
  if (known) return known
  const reasons = streamingReasons(segment.condition, (name) => {
    const other = relations.sibling(segment, name)
    return !other || isProfileOnly(other, relations)
  })
  memo.set(segment, reasons)
  return reasons
}

const memo = new WeakMap<SegmentModel, readonly StreamingReason[]>()

function isProfileOnly(segment: SegmentModel, relations: Relations): boolean {
  const seen = new Set([segment])
  for (const current of seen) {
    if (current.condition && readsEvents(current.condition)) return false
    for (const name of current.references) {
      const next = relations.sibling(current, name)
      if (next) seen.add(next)
    }
  }
  return true
}

/**
 * The reference, the window or the place where events come in that a reason is about, where the expression has only one; otherwise the
 * whole expression. Reasons speak of meanings, which have lost their places.
 */
function placeOf(reason: StreamingReason, { resource, checked }: SegmentModel): { readonly range?: Span } {
  const referred = /inSegment\("([^"]+)"\)/.exec(reason.message)?.[1]
  const reference = checked?.references.find(({ name }) => name === referred)
  if (reference) return { range: reference.span }
  const isWindow = /are looked for over/.test(reason.message)
  const pattern = isWindow ? /(?:[<>]=?|=)?\s*\d+\s+(?:second|minute|hour|day|week|month|year)s?\b/g : /\bxEvent\b/g
  const [first, ...others] = resource.spec.expression.matchAll(pattern)
  return first && others.length === 0 ? { range: { start: first.index, end: first.index + first[0].length } } : {}
}

type Span = { readonly start: number; readonly end: number }

/** For the middle of a sentence; numbers and quotes stay. */
function lowerFirst(message: string): string {
  return message[0]!.toLowerCase() + message.slice(1)
}
