import { withoutConsent } from '../consent.ts'
import { excludesConsent } from '../consent-conflict.ts'
import { isCompiled } from '../model.ts'
import type { Rule } from './rule.ts'

export const nobodyWithConsent: Rule = {
  severity: 'warning',
  page: {
    title: 'A Segment asks for people who may not be sent',
    checks:
      'Segments of Activations whose expression holds only for people without consent, by `spec.consent` of their ProfileStore and the channel of the Destination.',
    why: 'All its members are left out, so that its files are empty.',
    source: 'Convoke',
    bad: `
kind: ProfileStore
metadata: { name: readers }
spec:
  consent: { general: { path: noMail, out: ["true"] } }
---
kind: Segment
metadata: { name: patrons }
spec:
  expression: club.level = "patron" and noMail = true
`,
    good: `
kind: ProfileStore
metadata: { name: readers }
spec:
  consent: { general: { path: noMail, out: ["true"] } }
---
kind: Segment
metadata: { name: patrons }
spec:
  expression: club.level = "patron"
`,
  },
  check: {
    Activation(resource, { model, report }) {
      const activation = model.relations.activation.get(resource)
      const { store, destination } = activation ?? {}
      if (!activation || !store || store.faulty || resource.spec.consent) return
      const without = withoutConsent(store, destination?.spec.channel)
      if (!without) return
      const conditionOf = (name: string) => model.segmentNamed(resource.namespace, name)?.condition ?? null
      const empty = activation.segments
        .filter(isCompiled)
        .filter(({ condition }) => excludesConsent(condition, without, store.types, conditionOf))
      const { segmentRefs } = resource.spec
      const [segment] = empty
      if (segment) {
        const { name } = segment.resource
        report({
          path: segmentRefs
            ? ['spec', 'segmentRefs', segmentRefs.findIndex((ref) => ref.name === name), 'name']
            : ['spec', 'segmentSelector'],
          message: `Nobody who may be sent can be in \`${name}\`${empty.length === 1 ? '' : `, nor in ${empty.length - 1} more`}`,
          help: 'Correct the expression, or lift consent for this Activation with `spec.consent: {exclude: None, reason: …}`.',
          related: [
            ...empty.slice(0, 3).map((each) => ({
              resource: each.resource,
              path: ['spec', 'expression'],
              message: 'asks for who is out',
            })),
            { resource: store.resource, path: ['spec', 'consent'], message: 'says who is out' },
          ],
        })
      }
    },
  },
}
