import { createHash } from 'node:crypto'
import type { JobPlan } from '#crds'
import { planOf } from '../export/store.ts'

/** A plan that needs three ConfigMaps: sixty thousand Segments whose names nothing makes shorter. */
export function largePlan(): JobPlan {
  const segments = Array.from({ length: 60_000 }, (_, index) => {
    const name = createHash('sha256').update(String(index)).digest('hex')
    return { name: `s-${index}`, displayName: name }
  })
  return planOf({ segments })
}
