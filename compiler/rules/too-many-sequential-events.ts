import type { Rule } from './rule.ts'

/** The limit of Experience Platform's validation of audiences. */
const most = 3

export const tooManySequentialEvents: Rule = {
  severity: 'error',
  page: {
    title: 'A sequence has more than 3 events',
    checks: 'The steps of each CHAIN of an expression: at most 3.',
    why: 'Experience Platform does not save such an audience; all events of a profile are looked through for each further step.',
    source: 'Segmentation Service, audience validation',
    bad: `
kind: Segment
metadata: { name: buyers }
spec:
  expression: >-
    chain(xEvent, timestamp, [A: WHAT(eventType = "login") WHEN(<= 30 days before now), B: WHAT(eventType = "search"), C: WHAT(eventType = "cart"), D: WHAT(eventType = "purchase")])
`,
    good: `
kind: Segment
metadata: { name: buyers }
spec:
  expression: >-
    chain(xEvent, timestamp, [A: WHAT(eventType = "login") WHEN(<= 30 days before now), B: WHAT(eventType = "cart"), C: WHAT(eventType = "purchase")])
`,
  },
  check: {
    Segment(resource, { model, report }) {
      for (const { span, steps } of model.relations.complexity(resource).chains.filter(({ steps }) => steps > most))
        report({
          path: ['spec', 'expression'],
          range: span,
          message: `A CHAIN of \`${resource.name}\` has ${steps} steps, the limit is ${most}`,
          help: 'Keep its beginning, middle and end, or make two Segments of it.',
        })
    },
  },
}
