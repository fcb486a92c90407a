import { locateExpression, type Model, type SegmentModel } from '../model.ts'
import { endlessSources } from '../pql/streaming.ts'
import type { Rule } from './rule.ts'

export const unboundedLookBack: Rule = {
  severity: 'warning',
  page: {
    title: 'Segments look back at events without end',
    checks:
      'Wherever a Batch Segment of a ProfileStore reads events, it says from when on, by a window before now or by a date. It is said once for a store, since how long events are kept is the business of a store. Streaming Segments have the tighter bound of not-streamable.',
    why: 'All events ever taken in are read at each evaluation, more of them every day; and where old events expire, people leave the audience for no reason of their own.',
    source: 'TTL health checks, look-back windows',
    bad: `
kind: Segment
metadata: { name: buyers }
spec:
  expression: xEvent[eventType = "purchase"].count() >= 2
`,
    good: `
kind: Segment
metadata: { name: buyers }
spec:
  expression: xEvent[eventType = "purchase" and timestamp occurs <= 2 years before now].count() >= 2
`,
  },
  check: {
    ProfileStore(resource, { model, report }) {
      const store = model.relations.store.get(resource)
      if (!store) return
      const endless = model.relations.segmentsOfStore(store).flatMap((segment) => {
        const [what] = segment.checked?.complexity.endless ?? []
        return what !== undefined && segment.resource.spec.evaluation === 'Batch' ? [{ segment, what }] : []
      })
      const [first, ...others] = endless
      if (!first) return
      report({
        path: ['metadata', 'name'],
        message: `\`${first.segment.resource.name}\`${others.length > 0 ? ` and ${others.length} more` : ''} of \`${resource.name}\` look${others.length > 0 ? '' : 's'} back at events without end`,
        help: 'Say in them how far back events matter, as in `timestamp occurs <= 2 years before now`.',
        related: endless.slice(0, named).map(({ segment, what }) => ({
          resource: segment.resource,
          path: ['spec', 'expression'],
          ...rangeOf(segment, model),
          message: `${what} from ever on`,
        })),
      })
    },
  },
}

/** How many Segments are shown. */
const named = 10

/** Where a Segment reads such events first. */
function rangeOf(segment: SegmentModel, model: Model): { range?: { readonly start: number; readonly end: number } } {
  const located = locateExpression(segment, model)
  const [source] = located?.condition ? endlessSources(located.condition) : []
  const range = source && located?.placeOf(source.at)
  return range ? { range } : {}
}
