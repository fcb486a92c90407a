import type { Rule } from './rule.ts'

export const exitsInFullExport: Rule = {
  severity: 'error',
  page: {
    title: 'Exits are promised, but full files never hold them',
    checks:
      'Activations with `export: Full` of Segments with `deletionPolicy: ExportExits`. Destinations of `syncType: Profile` have no lists to exit from.',
    why: 'A full file is the active population: profiles that exited are never in it.',
    source: 'Profile export behavior',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  export: Full
  schedule: { every: 24h, startAt: "2026-12-01T04:00:00Z" }
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  export: Incremental
`,
  },
  check: {
    Activation(resource, { model, report }) {
      const activation = model.relations.activation.get(resource)
      if (!activation || resource.spec.export !== 'Full' || activation.destination?.spec.syncType === 'Profile') return
      const segments = activation.segments.filter((segment) => segment.resource.spec.deletionPolicy === 'ExportExits')
      const [first] = segments
      if (!first) return
      report({
        path: ['spec', 'export'],
        message: `Full files never hold the exits of \`${first.resource.name}\`${segments.length > 1 ? ` and ${segments.length - 1} more` : ''}`,
        help: 'Set `export: Incremental`, or `deletionPolicy: Retain` on the Segment.',
        related: segments.slice(0, 3).map((segment) => ({
          resource: segment.resource,
          path: ['spec', 'deletionPolicy'],
          message: 'exits are promised here',
        })),
        without: [
          {
            keepsOne: false,
            deliveries: segments.map((segment) => ({
              activation: resource.name,
              segment: segment.resource.name,
              message: 'Full files never hold its exits',
            })),
          },
        ],
        fixes: [
          { title: 'Replace with `Incremental`', safety: 'review', path: ['spec', 'export'], value: 'Incremental' },
        ],
      })
    },
  },
}
