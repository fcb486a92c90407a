import { withoutConsent } from '../consent.ts'
import type { Rule } from './rule.ts'

export const consentWithoutExits: Rule = {
  severity: 'warning',
  page: {
    title: 'Who takes consent back stays on the list',
    checks:
      'Activations of a ProfileStore with `spec.consent`, to a Destination with lists (`syncType: Audience`), that have `export: Incremental` and `membershipStatus: Omit`; or `export: Full` and a `circuitBreaker`, and either no status column or a CampaignInstance without `database`.',
    why: 'Such files cannot say that somebody leaves: who takes consent back stays on the list that Campaign has, for ever or for as long as the circuit breaker holds the Segment.',
    source: 'Profile export behavior; Convoke',
    bad: `
kind: ProfileStore
metadata: { name: readers }
spec:
  consent: { general: { path: noMail, out: ["true"] } }
---
kind: Segment
metadata: { name: quiet-patrons }
spec:
  deletionPolicy: Retain
---
kind: Activation
metadata: { name: win-back }
spec:
  membershipStatus: Omit
`,
    good: `
kind: ProfileStore
metadata: { name: readers }
spec:
  consent: { general: { path: noMail, out: ["true"] } }
---
kind: Activation
metadata: { name: win-back }
spec:
  membershipStatus: Include
`,
  },
  check: {
    Activation(resource, { model, report }) {
      const activation = model.relations.activation.get(resource)
      const { store, destination, instance } = activation ?? {}
      const { spec } = resource
      if (!store || !destination || spec.consent || !withoutConsent(store, destination.spec.channel)) return
      if (destination.spec.syncType === 'Profile') return
      const related = [
        { resource: store.resource, path: ['spec', 'consent'], message: 'consent that people may take back' },
      ]
      const isSilent = spec.membershipStatus === 'Omit'
      if (spec.export === 'Full') {
        if (!spec.circuitBreaker || (!isSilent && instance?.spec.database)) return
        report({
          path: ['spec', 'circuitBreaker'],
          message: 'While the circuit breaker holds a Segment, nobody who takes consent back leaves its list',
          help: isSilent
            ? 'Set `membershipStatus: Include` or `export: Incremental`, or approve held Segments at once.'
            : 'Set `export: Incremental`, or approve held Segments at once.',
          related,
        })
        return
      }
      if (!isSilent) return
      report({
        path: ['spec', 'membershipStatus'],
        message: 'Without the status column nobody who takes consent back leaves the list',
        help: 'Set `membershipStatus: Include`, or `export: Full`.',
        related,
        fixes: [
          { title: 'Replace with `Include`', safety: 'review', path: ['spec', 'membershipStatus'], value: 'Include' },
        ],
      })
    },
  },
}
