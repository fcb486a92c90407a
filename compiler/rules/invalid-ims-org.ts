import type { Rule } from './rule.ts'

export const invalidImsOrg: Rule = {
  severity: 'error',
  page: {
    title: 'This is no identifier of an IMS organization',
    checks: '`imsOrgId`: 24 capital letters and digits, then @AdobeOrg.',
    why: 'The pattern needs a valid IMS organization; its name or its tenant is not its identifier.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, prerequisites; Adobe Admin Console',
    bad: `
kind: Organization
metadata: { name: folio }
spec:
  imsOrgId: folio@AdobeOrg
`,
    good: `
kind: Organization
metadata: { name: folio }
spec:
  imsOrgId: 4C2E8A7B51D09F6634AB77C1@AdobeOrg
`,
  },
  check: {
    Organization(organization, { report }) {
      const { imsOrgId } = organization.spec
      if (/^[0-9A-Z]{24}@AdobeOrg$/.test(imsOrgId)) return
      const id = imsOrgId.replace(/@.*$/, '').trim().toUpperCase()
      const meant = /^[0-9A-Z]{24}$/.test(id) ? `${id}@AdobeOrg` : null
      report({
        path: ['spec', 'imsOrgId'],
        message: `\`${imsOrgId}\` is not an IMS organization: 24 capital letters and digits, then @AdobeOrg`,
        help: meant ? `Did you mean \`${meant}\`?` : 'Copy the Organization ID from the Adobe Admin Console.',
        fixes: meant
          ? [{ title: `Replace with \`${meant}\``, safety: 'review', path: ['spec', 'imsOrgId'], value: meant }]
          : [],
      })
    },
  },
}
