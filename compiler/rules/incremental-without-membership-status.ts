import { withoutConsent } from '../consent.ts'
import type { Rule } from './rule.ts'

export const incrementalWithoutMembershipStatus: Rule = {
  severity: 'warning',
  page: {
    title: 'Who leaves the audience stays on the list in Campaign',
    checks:
      'Activations with `export: Incremental` and `membershipStatus: Omit` to a Destination of `syncType: Audience`. Where a Segment promises exits, exits-without-membership-status is said instead, where consent can be taken back consent-without-exits.',
    why: 'Such files name only who came in, and Campaign adds them: nobody is ever taken off the list, and people who have left the audience go on getting its messages.',
    source:
      'Profile export behavior; Adobe Campaign Managed Cloud Services connection (the status is a required mapping)',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  segmentRefs: [{ name: patrons }]
  membershipStatus: Omit
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  segmentRefs: [{ name: patrons }]
  membershipStatus: Include
`,
  },
  check: {
    Activation(resource, { model, report }) {
      const activation = model.relations.activation.get(resource)
      const { spec } = resource
      if (spec.membershipStatus !== 'Omit' || spec.export !== 'Incremental') return
      if (activation?.destination?.spec.syncType !== 'Audience') return
      if (activation.segments.some((segment) => segment.resource.spec.deletionPolicy === 'ExportExits')) return
      // Who takes consent back is the graver reason for the same thing: consent-without-exits.
      const { store, destination } = activation
      if (store && !spec.consent && withoutConsent(store, destination?.spec.channel)) return
      report({
        path: ['spec', 'membershipStatus'],
        message: 'Increments without the status column name nobody who leaves: they stay on the list in Campaign',
        help: 'Set `membershipStatus: Include`, or `export: Full`, which replaces the list.',
        fixes: [
          { title: 'Replace with `Include`', safety: 'review', path: ['spec', 'membershipStatus'], value: 'Include' },
        ],
      })
    },
  },
}
