import type { Rule } from './rule.ts'

export const tooManyDestinations: Rule = {
  severity: 'error',
  page: {
    title: 'A ProfileStore delivers to more than 100 Destinations',
    checks:
      'Destinations that Segments of a ProfileStore, the counterpart of a sandbox, are activated to, and those of its Organization that nothing is activated to yet, against `limits.destinations` of the Organization (100).',
    why: 'Experience Platform creates no further destination in a sandbox that has 100.',
    source: 'Default guardrails for activation data, number of destinations',
    bad: `
kind: Organization
metadata: { name: folio }
spec:
  limits: { destinations: 1 }
---
kind: Destination
metadata: { name: second-box }
spec:
  location: { volume: { claimName: second-box } }
`,
    good: `
kind: Organization
metadata: { name: folio }
spec:
  limits: { destinations: 2 }
---
kind: Destination
metadata: { name: second-box }
spec:
  location: { volume: { claimName: second-box } }
`,
  },
  check: {
    ProfileStore(resource, { model, report }) {
      const { relations } = model
      const organization = relations.store.get(resource)?.organization
      if (!organization) return
      const destinations = model.destinations
        .filter(({ resource: destination, instance }) => {
          const activations = relations.activationsOfDestination(destination)
          return activations.length > 0
            ? activations.some(({ store }) => store?.resource === resource)
            : instance !== null && model.organizationOf(instance) === organization
        })
        .map(({ resource: destination }) => destination)
        .sort((a, b) => (a.name < b.name ? -1 : 1))
      const limit = organization.spec.limits.destinations
      const beyond = destinations[limit]
      if (!beyond) return
      report({
        resource: beyond,
        path: ['metadata', 'name'],
        message: `\`${beyond.name}\` is one too many: \`${resource.name}\` has ${destinations.length} Destinations, the limit is ${limit}`,
        help: 'Remove Destinations that nothing is activated to, or bring some together.',
        related: [
          { resource: organization, path: ['spec', 'limits', 'destinations'], message: `the limit is ${limit}` },
        ],
      })
    },
  },
}
