import type { Rule } from './rule.ts'

export const createsProfiles: Rule = {
  severity: 'error',
  page: {
    title: 'An import would create profiles in Campaign',
    checks: '`unknownProfiles` of a CampaignInstance is Reject: rows without a recipient wait until Campaign has one.',
    why: 'Campaign is the source of truth for active profiles: new ones may not come from Experience Platform Segments.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails',
    bad: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  unknownProfiles: Create
`,
    good: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  unknownProfiles: Reject
`,
  },
  check: {
    CampaignInstance(instance, { report }) {
      const { unknownProfiles } = instance.spec
      if (unknownProfiles === 'Reject') return
      report({
        path: ['spec', 'unknownProfiles'],
        message: `\`unknownProfiles: ${unknownProfiles}\` is not allowed; profiles are created in Campaign only`,
        help: 'Write `Reject`, and create profiles in Campaign before they are activated.',
        fixes: [
          { title: 'Replace with `Reject`', safety: 'review', path: ['spec', 'unknownProfiles'], value: 'Reject' },
        ],
      })
    },
  },
}
