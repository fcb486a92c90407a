import type { Rule } from './rule.ts'

export const differentOrganizations: Rule = {
  severity: 'warning',
  page: {
    title: 'Experience Platform and Campaign are in different IMS organizations',
    checks:
      'The Organization of a CampaignInstance against those of the ProfileStores that are activated to it or read its logs.',
    why: 'One organization is recommended, so that people sign in once and reach both.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, prerequisites',
    bad: `
kind: Organization
metadata: { name: folio-campaign }
spec:
  imsOrgId: 7D1F93B2C4A85E60DD21C3F9@AdobeOrg
  productContexts: [Campaign]
---
kind: CampaignInstance
metadata: { name: letters }
spec:
  organizationRef: { name: folio-campaign }
`,
    good: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  organizationRef: { name: folio }
`,
  },
  check: {
    CampaignInstance(instance, { model, report }) {
      const own = model.organizationOf(instance)
      const { relations } = model
      const stores = new Set(
        [...relations.activationsOfInstance(instance), ...relations.sourcesOfInstance(instance)].map(
          ({ store }) => store,
        ),
      )
      const other = [...stores].find(
        (store) => own && store?.organization && store.organization.spec.imsOrgId !== own.spec.imsOrgId,
      )
      if (!own || !other?.organization) return
      report({
        path: ['spec', 'organizationRef', 'name'],
        message: `Campaign is in \`${own.name}\`, ProfileStore \`${other.resource.name}\` in \`${other.organization.name}\``,
        help: 'Have both provisioned in one IMS organization, or allow it with the reason.',
        related: [
          {
            resource: other.resource,
            path: ['spec', 'organizationRef', 'name'],
            message: `belongs to ${other.organization.spec.imsOrgId}`,
          },
        ],
      })
    },
  },
}
