import type { Resource } from '../resource.ts'
import { alternatives, nearest } from '../suggest.ts'
import type { Rule } from './rule.ts'

export const missingEntitlement: Rule = {
  severity: 'error',
  page: {
    title: 'The Organization is not entitled to what is used',
    checks:
      "RealTimeCDP and Sources for a ProfileStore, Destinations for a Destination: `entitlements` of the Organization of the store in question. Sources is what brings data into a store, Campaign's logs among them.",
    why: 'The pattern needs access to Real-Time CDP, Sources and Destinations; without it Adobe refuses the connection.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, prerequisites',
    bad: `
kind: Organization
metadata: { name: folio }
spec:
  entitlements: [RealTimeCDP, Destinations]
`,
    good: `
kind: Organization
metadata: { name: folio }
spec:
  entitlements: [RealTimeCDP, Sources, Destinations]
`,
  },
  check: {
    Organization(organization, { model, report }) {
      const { relations } = model
      // Sources and Destinations belong to Experience Platform: the organization of the store at the other end counts.
      const usesDestination = ({ resource, instance }: (typeof model.destinations)[number]): boolean => {
        const stores = relations.activationsOfDestination(resource).flatMap(({ store }) => (store ? [store] : []))
        return stores.length > 0
          ? stores.some((store) => store.organization === organization)
          : instance !== null && model.organizationOf(instance) === organization
      }
      const store = model.stores.find((each) => each.organization === organization)?.resource
      const users: readonly (readonly [string, Resource | undefined])[] = [
        ['RealTimeCDP', store],
        ['Sources', model.sources.find(({ store }) => store?.organization === organization)?.resource ?? store],
        ['Destinations', model.destinations.find(usesDestination)?.resource],
      ]
      const { entitlements } = organization.spec
      const missing = users.flatMap(([name, user]) => (user && !entitlements.includes(name) ? [{ name, user }] : []))
      if (missing.length === 0) return
      const names = missing.map(({ name }) => name)
      const misspelt = entitlements.flatMap((written, index) =>
        nearest(written, names).map((name) => ({ index, name })),
      )
      const [only] = misspelt
      report({
        path: only ? ['spec', 'entitlements', only.index] : ['spec', 'entitlements'],
        message: `Organization \`${organization.name}\` is not entitled to ${alternatives(names, 'and')}`,
        help: only
          ? `Did you mean \`${only.name}\`?`
          : `Add ${alternatives(names, 'and')} if your contract with Adobe covers ${names.length === 1 ? 'it' : 'them'}.`,
        related: missing.map(({ name, user }) => ({
          resource: user,
          path: ['metadata', 'name'],
          message: `needs ${alternatives([name])}`,
        })),
        fixes: misspelt.map(({ index, name }) => ({
          title: `Replace with \`${name}\``,
          safety: 'review',
          path: ['spec', 'entitlements', index],
          value: name,
        })),
      })
    },
  },
}
