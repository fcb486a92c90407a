import type { JobPlan } from '#crds'
import { type PlanChoices, planOf } from '../export/store.ts'

type ImportPlan = NonNullable<JobPlan['import']>

/** Of every plan here, and of every delivery that is made for one. */
export const planDigest = `sha256:${'0'.repeat(64)}`

/** The plan of an Activation with a Campaign database, over the claim `landing-zone`. */
export function importPlan(
  target: Partial<ImportPlan['target']> = {},
  choices: Partial<ImportPlan> = {},
  file: NonNullable<PlanChoices['file']> = {},
): JobPlan {
  const plan = planOf(
    {
      file,
      location: { volume: { claimName: 'landing-zone' } },
      segments: ['gold', 'silver'].map((name) => ({ name, displayName: name })),
    },
    {
      import: {
        instance: 'production',
        database: { host: '127.0.0.1', port: 1, database: 'campaign' },
        target: {
          schema: 'public',
          table: 'recipients',
          columns: [],
          reconciliationKey: ['external_id'],
          optOutColumns: ['consent'],
          ...target,
        },
        syncType: 'Audience',
        location: { volume: { claimName: 'landing-zone' } },
        retention: '168h',
        ...choices,
      },
    },
  )
  return { ...plan, digest: planDigest }
}
