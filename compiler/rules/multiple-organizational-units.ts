import type { Rule } from './rule.ts'

export const multipleOrganizationalUnits: Rule = {
  severity: 'error',
  page: {
    title: 'Campaign is deployed with several organizational units',
    checks: '`organizationalUnits` of a CampaignInstance names exactly one.',
    why: 'Audiences cannot be told apart by organizational unit: every unit would see and load all of them.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails',
    bad: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  organizationalUnits: [folio-shops, folio-online]
`,
    good: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  organizationalUnits: [folio-shops]
`,
  },
  check: {
    CampaignInstance(instance, { report }) {
      const { organizationalUnits } = instance.spec
      if (organizationalUnits.length === 1) return
      report({
        path: ['spec', 'organizationalUnits', 1],
        message: `Campaign has ${organizationalUnits.length} organizational units; only deployments with one are supported`,
        help: 'Use an instance with a single organizational unit.',
      })
    },
  },
}
