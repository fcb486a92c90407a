import type { Rule } from './rule.ts'

export const wrongType: Rule = {
  severity: 'error',
  page: {
    title: 'A value is of another type than its field',
    checks: 'Text, numbers, true or false, lists and maps, as the kind says.',
    why: 'The API server would refuse it.',
    source: 'Convoke',
    bad: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  version: 8.7
`,
    good: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  version: "8.7"
`,
  },
}
