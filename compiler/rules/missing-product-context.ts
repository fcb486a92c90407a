import { nearest } from '../suggest.ts'
import type { Rule } from './rule.ts'

export const missingProductContext: Rule = {
  severity: 'error',
  page: {
    title: 'The Organization has no product context of Campaign',
    checks: '`productContexts` of the Organization of every CampaignInstance holds Campaign.',
    why: 'The product context is what the connectors are configured with; without it the instance cannot be chosen.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, prerequisites',
    bad: `
kind: Organization
metadata: { name: folio }
spec:
  productContexts: []
`,
    good: `
kind: Organization
metadata: { name: folio }
spec:
  productContexts: [Campaign]
`,
  },
  check: {
    Organization(organization, { model, report }) {
      const instance = model.instances.find((candidate) => candidate.organization === organization)?.resource
      const { productContexts } = organization.spec
      if (!instance || productContexts.includes('Campaign')) return
      const misspelt = productContexts.findIndex((written) => nearest(written, ['Campaign']).length > 0)
      const path = misspelt < 0 ? ['spec', 'productContexts'] : ['spec', 'productContexts', misspelt]
      report({
        path,
        message: `Organization \`${organization.name}\` has no product context \`Campaign\``,
        help:
          misspelt < 0
            ? 'Add `Campaign` once the product context exists in the Admin Console.'
            : 'Did you mean `Campaign`?',
        related: [
          {
            resource: instance,
            path: ['spec', 'organizationRef', 'name'],
            message: 'is an instance of this Organization',
          },
        ],
        fixes: misspelt < 0 ? [] : [{ title: 'Replace with `Campaign`', safety: 'review', path, value: 'Campaign' }],
      })
    },
  },
}
