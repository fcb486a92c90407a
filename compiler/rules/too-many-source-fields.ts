import type { Rule } from './rule.ts'

export const tooManySourceFields: Rule = {
  severity: 'error',
  page: {
    title: 'A CampaignSource maps more fields than Campaign sends',
    checks:
      'Rows of the `mapping` of each table against `limits.sourceFields` of the CampaignInstance (20; Campaign option NmsCdp_Aep_Sources_Max_Columns). With `enforcement.sourceFields: Warn` it is a warning.',
    why: 'The source connector takes no more fields of a log than this option says.',
    source: 'Create a Campaign Managed Cloud Services source connection, mapping',
    bad: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  limits: { sourceFields: 1 }
---
kind: CampaignSource
metadata: { name: letter-logs }
spec:
  tables:
    - name: delivery_logs
      eventType: directMarketing.emailDelivered
      watermark: last_modified
      mapping:
        - { source: currency, target: commerce.order.currencyCode }
        - { source: total, target: commerce.order.priceTotal }
`,
    good: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  limits: { sourceFields: 2 }
---
kind: CampaignSource
metadata: { name: letter-logs }
spec:
  tables:
    - name: delivery_logs
      eventType: directMarketing.emailDelivered
      watermark: last_modified
      mapping:
        - { source: currency, target: commerce.order.currencyCode }
        - { source: total, target: commerce.order.priceTotal }
`,
  },
  check: {
    CampaignSource(resource, { model, report }) {
      const instance = model.relations.source.get(resource)?.instance
      if (!instance) return
      const limit = instance.spec.limits.sourceFields
      for (const [index, { name, mapping }] of resource.spec.tables.entries()) {
        if (mapping.length <= limit) continue
        report({
          path: ['spec', 'tables', index, 'mapping', limit, 'source'],
          message: `${mapping.length} fields of \`${name}\` are mapped; \`${instance.name}\` sends ${limit}`,
          help: `Remove ${mapping.length - limit}, or have the platform team raise \`limits.sourceFields\` as far as Campaign allows.`,
          related: [{ resource: instance, path: ['spec', 'limits', 'sourceFields'], message: `the limit is ${limit}` }],
          severity: instance.spec.enforcement.sourceFields === 'Warn' ? 'warning' : 'error',
        })
      }
    },
  },
}
