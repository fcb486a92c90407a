import type { Rule } from './rule.ts'

export const missingOrganization: Rule = {
  severity: 'error',
  page: {
    title: 'There is no Organization',
    checks:
      'Whether the namespace of a ProfileStore or CampaignInstance has any Organization. With one of another name it is an unresolved-reference.',
    why: 'The pattern needs a valid IMS organization with its entitlements; they are checked where they are declared.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, prerequisites',
    bad: `
kind: CampaignInstance
metadata: { name: letters, namespace: staging }
spec:
  organizationRef: { name: folio }
`,
    good: `
kind: CampaignInstance
metadata: { name: letters, namespace: staging }
spec:
  organizationRef: { name: folio }
---
kind: Organization
metadata: { name: folio, namespace: staging }
spec:
  productContexts: [Campaign]
`,
  },
}
