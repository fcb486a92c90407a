import type { Rule } from './rule.ts'

export const unsupportedCampaignVersion: Rule = {
  severity: 'error',
  page: {
    title: 'The connector does not support this version of Campaign',
    checks: '`version` of a CampaignInstance: 8.4 or newer within 8. A bare `8` is taken as told.',
    why: 'The pattern is one for Campaign v8, and the destination connector needs at least 8.4.',
    source: 'Adobe Campaign Managed Cloud Services connection, prerequisites',
    bad: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  version: "8.3"
`,
    good: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  version: "8.4"
`,
  },
  check: {
    CampaignInstance(instance, { report }) {
      const { version } = instance.spec
      const [, major, minor] = /^v?(\d+)(?:\.(\d+)(?:[^\d].*)?)?$/i.exec(version.trim()) ?? []
      if (major === '8' && (minor === undefined || Number(minor) >= 4)) return
      report({
        path: ['spec', 'version'],
        message:
          major === undefined
            ? `\`${version}\` is not a version of Campaign`
            : `Campaign \`${version}\` is not supported; the connector needs 8.4 or a newer 8`,
        help:
          major === undefined
            ? 'Write it like "8.7".'
            : Number(major) < 8
              ? 'Have the instance moved to Campaign v8.'
              : Number(major) > 8
                ? 'The pattern is one for Campaign v8.'
                : 'Have the instance upgraded.',
      })
    },
  },
}
