import type { Rule } from './rule.ts'

export const tooManyMergePolicies: Rule = {
  severity: 'error',
  page: {
    title: 'An Organization has more merge policies than Experience Platform takes',
    checks:
      'ProfileStores of one Organization, each of which is one merge policy, against `limits.mergePolicies` of the Organization (5; newer pages of Adobe say 3, so set what your organization has).',
    why: 'Beyond its maximum an organization gets no further merge policy, and scheduled segmentation does not run.',
    source: 'Default guardrails for Real-Time Customer Profile data; Segmentation Service, schedules',
    bad: `
# repeat: 1..5
kind: ProfileStore
metadata: { name: readers-$n }
spec:
  mergePolicy: { attributes: TimestampOrdered }
`,
    good: `
# repeat: 1..4
kind: ProfileStore
metadata: { name: readers-$n }
spec:
  mergePolicy: { attributes: TimestampOrdered }
`,
  },
  check: {
    Organization(organization, { model, report }) {
      const stores = model.stores.filter((store) => store.organization === organization).map(({ resource }) => resource)
      const limit = organization.spec.limits.mergePolicies
      const beyond = stores.sort((a, b) => (a.name < b.name ? -1 : 1))[limit]
      if (!beyond) return
      report({
        resource: beyond,
        path: ['spec', 'organizationRef', 'name'],
        message: `\`${beyond.name}\` is one merge policy too many: \`${organization.name}\` has ${stores.length} ProfileStores, the limit is ${limit}`,
        help: 'Bring stores together that differ in nothing but their Datasets.',
        related: [
          {
            resource: organization,
            path: ['metadata', 'name'],
            message: `${stores.length} ProfileStores belong to it`,
          },
        ],
      })
    },
  },
}
