import type { Rule } from './rule.ts'

export const exitsWithoutMembershipStatus: Rule = {
  severity: 'error',
  page: {
    title: 'Exits are promised, but the status column is left out',
    checks:
      'Activations with `membershipStatus: Omit` of Segments with `deletionPolicy: ExportExits`. Destinations of `syncType: Profile` have no lists to exit from.',
    why: 'Without the status column a file holds realized profiles only, so nobody would ever leave the list.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails; Profile export behavior',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  membershipStatus: Omit
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  membershipStatus: Include
`,
  },
  check: {
    Activation(resource, { model, report }) {
      const activation = model.relations.activation.get(resource)
      if (
        !activation ||
        resource.spec.membershipStatus !== 'Omit' ||
        activation.destination?.spec.syncType === 'Profile'
      )
        return
      const segments = activation.segments.filter((segment) => segment.resource.spec.deletionPolicy === 'ExportExits')
      const [first] = segments
      if (!first) return
      report({
        path: ['spec', 'membershipStatus'],
        message: `Without the status column no exit of \`${first.resource.name}\`${segments.length > 1 ? ` and ${segments.length - 1} more` : ''} is delivered`,
        help: 'Set `membershipStatus: Include`, or `deletionPolicy: Retain` on the Segment.',
        related: segments.slice(0, 3).map((segment) => ({
          resource: segment.resource,
          path: ['spec', 'deletionPolicy'],
          message: 'exits are promised here',
        })),
        without: [
          {
            keepsOne: false,
            deliveries: segments.map((segment) => ({
              activation: resource.name,
              segment: segment.resource.name,
              message: 'Without the status column its exits are not delivered',
            })),
          },
        ],
        fixes: [
          { title: 'Replace with `Include`', safety: 'review', path: ['spec', 'membershipStatus'], value: 'Include' },
        ],
      })
    },
  },
}
