// Runs to look at that no example has: nothing, something broken, thousands, names nobody expects.
import { type Compilation, compile } from '../../compiler/index.ts'
import type { RunReport } from '../../crds/index.ts'
import { type Knowledge, type Outcome, type RunDocument, runDocument } from '../../views/index.ts'

export const at = new Date('2026-11-24T06:00:00Z')

type SegmentSpec = { readonly name: string; readonly displayName?: string; readonly expression?: string }

/** A project of one store, one Destination and Activations for its Segments, 40 each. */
export function project(segments: readonly SegmentSpec[]): string {
  const activations = Array.from({ length: Math.ceil(segments.length / 40) }, (_, index) =>
    segments.slice(index * 40, index * 40 + 40),
  )
  const yaml = (value: unknown): string => JSON.stringify(value)
  const head = (kind: string, name: string, spec: object): string =>
    `apiVersion: convoke.dev/v1alpha1\nkind: ${kind}\nmetadata: { name: ${yaml(name)} }\nspec: ${yaml(spec)}\n`
  return [
    head('Organization', 'org', {
      imsOrgId: '3C4D5E6F708192A3B4C5D6E7@AdobeOrg',
      entitlements: ['RealTimeCDP', 'Sources', 'Destinations'],
      productContexts: ['Campaign'],
    }),
    head('ProfileStore', 'people', {
      organizationRef: { name: 'org' },
      schema: {
        profile: {
          type: 'object',
          properties: { id: { type: 'string' }, email: { type: 'string' }, age: { type: 'integer' } },
        },
        event: {
          type: 'object',
          properties: { timestamp: { type: 'string', format: 'date-time' }, eventType: { type: 'string' } },
        },
      },
      identities: [{ namespace: 'ReaderId', path: 'id', primary: true }],
      storage: { volume: { claimName: 'store' } },
    }),
    head('CampaignInstance', 'production', {
      organizationRef: { name: 'org' },
      version: '8.7',
      organizationalUnits: ['all'],
      limits: { segments: 5000 },
      database: { postgreSQL: { host: 'db', port: 5432, database: 'campaign', credentialsSecretRef: { name: 'db' } } },
      targetMapping: {
        table: 'recipients',
        columns: [
          { name: 'key', type: 'Text' },
          { name: 'email', type: 'Text' },
        ],
        reconciliationKey: ['key'],
      },
    }),
    head('Destination', 'lists', {
      campaignInstanceRef: { name: 'production' },
      location: { volume: { claimName: 'landing', path: 'out' } },
    }),
    ...segments.map(({ name, displayName, expression }) =>
      head('Segment', name, {
        profileStoreRef: { name: 'people' },
        description: `About ${displayName ?? name}`,
        expression: expression ?? 'age >= 18',
        ...(displayName && { displayName }),
      }),
    ),
    ...activations.map((own, index) =>
      head('Activation', `letters-${index + 1}`, {
        destinationRef: { name: 'lists' },
        segmentRefs: own.map(({ name }) => ({ name })),
        schedule: { after: 'Evaluation' },
        circuitBreaker: { maxExitedPercent: 50 },
        mapping: [
          { source: 'id', target: 'key', deduplicationKey: true, mandatory: true },
          { source: 'email', target: 'email', mandatory: true },
        ],
      }),
    ),
  ].join('---\n')
}

const report = (step: RunReport['step'], run: string, more: Partial<RunReport>): RunReport => ({
  step,
  run,
  attempt: 1,
  outcome: 'Succeeded',
  startedAt: '2026-11-24T06:00:00.000Z',
  finishedAt: '2026-11-24T06:00:01.500Z',
  totals: {},
  ...more,
})

export type Fate = {
  readonly members: number
  readonly entered?: number
  readonly exited?: number
  readonly missing?: number
  /** Without a recipient. */
  readonly unknown?: number
  readonly held?: string
  readonly wasBefore?: number
}

/** What happened to each Segment, as stores and steps would tell it. */
export function sceneOf(
  compilation: Compilation,
  fates: ReadonlyMap<string, Fate>,
  fails: string | null = null,
): RunDocument {
  const evaluated = [...fates].map(([segment, { members, entered = 0, exited = 0 }]) => ({
    segment,
    digest: 'sha256:1',
    members,
    entered,
    exited,
  }))
  const activations = compilation.model.activations.map(({ resource, segments }) => ({
    resource,
    names: segments.map((segment) => segment.resource.name),
  }))
  const outcomes: Outcome[] = [
    {
      run: 'pstore-people-batch-29932860',
      target: { kind: 'ProfileStore', namespace: 'default', name: 'people' },
      evaluation: 'Batch',
      scheduledTime: '2026-11-24T01:00:00Z',
      seconds: 4,
      steps: [
        report('ingest', 'pstore-people-batch-29932860', { totals: { files: 2, accepted: 1200 } }),
        report('evaluate', 'pstore-people-batch-29932860', { totals: { segments: fates.size } }),
      ],
    },
    ...activations.map(({ resource, names }): Outcome => {
      const details = names.map((segment) => {
        const { members, entered = 0, exited = 0, missing = 0, held } = fates.get(segment)!
        return {
          segment,
          members,
          entered,
          exited,
          realized: entered,
          counts: { missingMandatory: missing, duplicateKey: 0 },
          ...(held === undefined
            ? {
                files: [{ name: `${segment}.csv`, rows: entered + exited, bytes: 100, sha256: '0'.repeat(64) }],
                manifest: `${segment}.csv.manifest.json`,
              }
            : { held }),
        }
      })
      const isFailed = resource.name === fails
      return {
        run: `act-${resource.name}-29932860`,
        target: { kind: 'Activation', namespace: 'default', name: resource.name },
        evaluation: null,
        scheduledTime: '2026-11-24T01:00:00Z',
        seconds: 2,
        steps: isFailed
          ? [
              report('export', `act-${resource.name}-29932860`, {
                outcome: 'Failed',
                error: {
                  reason: 'StoreUnavailable',
                  message: 'The landing zone cannot be reached: connection refused.',
                  retryable: true,
                },
              }),
            ]
          : [
              report('export', `act-${resource.name}-29932860`, { details }),
              report('import', `act-${resource.name}-29932860`, {
                details: details.flatMap(({ segment, entered, exited }) =>
                  fates.get(segment)!.held === undefined
                    ? [
                        {
                          segment,
                          file: `${segment}.csv`,
                          counts: {
                            rowsRead: entered + exited,
                            updated: 0,
                            unchanged: entered - (fates.get(segment)!.unknown ?? 0),
                            rejected: 0,
                            waiting: fates.get(segment)!.unknown ?? 0,
                            exited,
                            added: entered,
                            removed: exited,
                          },
                        },
                      ]
                    : [],
                ),
              }),
            ],
      }
    }),
  ]
  const knowledge: Knowledge = {
    stores: [
      {
        namespace: 'default',
        name: 'people',
        profiles: 12_345_678,
        events: 987_654_321,
        leftOut: { eventsPerProfile: 0, identitiesPerProfile: 0 },
        datasets: [
          { name: 'readers', files: 2, records: 12_345_678, badRows: 3, newestFile: 'a.csv', newestEvent: null },
        ],
        evaluations: [
          {
            evaluation: 'Batch',
            evaluatedAt: '2026-11-22T06:00:00Z',
            segments: evaluated.map((each) => ({
              ...each,
              members: fates.get(each.segment)!.wasBefore ?? each.members,
              entered: 0,
              exited: 0,
            })),
          },
          { evaluation: 'Batch', evaluatedAt: '2026-11-24T06:00:00Z', segments: evaluated },
        ],
        people: { any: { members: 1000, came: 10, went: 5 }, delivered: { members: 900, came: 9, went: 4 } },
        eventsOfOnePerson: 4999,
        turnover: new Map(),
      },
    ],
    activations: activations.map(({ resource, names }) => ({
      namespace: 'default',
      name: resource.name,
      past: [],
      delivered: new Map(
        names.map((name) => [
          name,
          (fates.get(name)!.held === undefined ? fates.get(name)!.members : 10) - (fates.get(name)!.missing ?? 0),
        ]),
      ),
      incomplete: new Map(
        names.flatMap((name) =>
          fates.get(name)!.missing ? [[name, new Map([['email', fates.get(name)!.missing!]])] as const] : [],
        ),
      ),
      rejects: new Map(),
      campaign: new Map(
        names.map((name) => [
          name,
          {
            taken: Math.max(
              0,
              fates.get(name)!.members - (fates.get(name)!.missing ?? 0) - (fates.get(name)!.unknown ?? 0),
            ),
            optedOut: 0,
            unknown: fates.get(name)!.unknown ?? 0,
          },
        ]),
      ),
    })),
    gaps: [],
  }
  return runDocument({ compilation, at, outcomes, notices: [], knowledge })
}

export function compiled(text: string): Compilation {
  // Pages show whatever names there are, also those that Campaign does not take.
  const severities = { 'unsupported-audience-name': 'warning' } as const
  return compile([{ file: 'all.yaml', text }], { verifyFixes: false, severities })
}

/** Names with markup, from right to left, with emoji, and longer than any line. */
export const oddNames = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  'قائمة العملاء 2026',
  'לקוחות נאמנים (VIP)',
  'Birthday 🎂👨‍👩‍👧‍👦 club',
  '顧客のセグメント',
  `${'Averyverylongnamewithoutanyspace'.repeat(6)}`,
  'a\u202eb\u202c reversed',
  'tab\tand \u001b[31mcolour',
]
