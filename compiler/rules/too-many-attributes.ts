import type { Rule } from './rule.ts'

export const tooManyAttributes: Rule = {
  severity: 'error',
  page: {
    title: 'An Activation maps more attributes than Campaign takes',
    checks:
      'Rows of the mapping against `limits.attributes` of the CampaignInstance (20; Campaign option NmsCdp_Aep_Destinations_Max_Columns). The status column does not count. The pattern calls 20 a recommendation, and the option says where Campaign ends: where yours is higher, raise the limit; to go over it with a warning, set `enforcement.attributes: Warn` on the CampaignInstance.',
    why: 'Campaign refuses files with more columns; the pattern recommends no more than 20 attributes.',
    source:
      'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails; Adobe Campaign Managed Cloud Services connection',
    bad: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  limits: { attributes: 4 }
  enforcement: { attributes: Enforce }
`,
    good: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  limits: { attributes: 5 }
  enforcement: { attributes: Enforce }
`,
  },
  check: {
    Activation(activation, { model, report }) {
      const instance = model.relations.activation.get(activation)?.instance
      const count = activation.spec.mapping.length
      if (!instance || count <= instance.spec.limits.attributes) return
      const limit = instance.spec.limits.attributes
      report({
        path: ['spec', 'mapping', limit, 'source'],
        message: `${count} attributes are mapped; \`${instance.name}\` takes ${limit}`,
        help: `Remove ${count - limit}, or have the platform team raise \`limits.attributes\` as far as Campaign allows.`,
        related: [{ resource: instance, path: ['spec', 'limits', 'attributes'], message: `the limit is ${limit}` }],
        severity: instance.spec.enforcement.attributes === 'Warn' ? 'warning' : 'error',
      })
    },
  },
}
