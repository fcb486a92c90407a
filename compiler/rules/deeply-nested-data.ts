import type { Rule } from './rule.ts'

/** The limit of Experience Platform's validation of audiences. */
const most = 2

const store = `
kind: ProfileStore
metadata: { name: visitors }
spec:
  schema:
    profile:
      type: object
      properties:
        readerId: { type: string }
        visits:
          type: array
          items: { type: object, properties: { pages: { type: array, items: { type: object, properties: { tags: { type: array, items: { type: string } } } } } } }
  identities:
    - { namespace: ReaderId, path: readerId, primary: true }
`

export const deeplyNestedData: Rule = {
  severity: 'warning',
  page: {
    title: 'An expression reads data nested more than 2 levels deep',
    checks: 'Arrays and maps inside each other that an expression reads: up to 2 levels, the events themselves aside.',
    why: 'Each level is looked through for each item of the one above; Experience Platform warns of such an audience.',
    source: 'Segmentation Service, audience validation',
    bad: `${store}---
kind: Segment
metadata: { name: others }
spec:
  profileStoreRef: { name: visitors }
  expression: visits.exists(pages.exists(tags.includes("x")))
`,
    good: `${store}---
kind: Segment
metadata: { name: others }
spec:
  profileStoreRef: { name: visitors }
  expression: visits.exists(pages.count() > 1)
`,
  },
  check: {
    Segment(resource, { model, report }) {
      const isSound = model.relations.segment(resource)?.condition
      const levels = isSound ? model.relations.complexity(resource).nesting : 0
      if (levels <= most) return
      report({
        path: ['spec', 'expression'],
        message: `\`${resource.name}\` reads data ${levels} levels deep, more than ${most}`,
        help: 'Have the field copied to a higher level of the schema when data are brought in.',
      })
    },
  },
}
