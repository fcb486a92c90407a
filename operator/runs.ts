// One pass over one Run: what is known of it, what follows, and then that is done. A step begins only when the result of the one before
// is stored in the status, and the same things always get the same names: so a pass may be cut off anywhere and made again.

import { keyOf } from './definition.ts'
import type { Result } from './kernel/queue.ts'
import { act, forgetRun } from './run/act.ts'
import { decide } from './run/decide.ts'
import type { Run } from './run/known.ts'
import { far, near } from './run/observe.ts'
import type { Surroundings } from './surroundings.ts'

export { forgetRun, runLabels } from './run/act.ts'
export type { Run } from './run/known.ts'
export { reservedBy } from './run/observe.ts'

export async function reconcileRun(own: Surroundings, run: Run): Promise<Result> {
  if (run.definition.metadata.deletionTimestamp !== undefined) {
    await forgetRun(own, keyOf(run))
    return { kind: 'done' }
  }
  const seen = near(own, run)
  const decision = decide(seen, null, own.clock.now())
  if ('acts' in decision) return act(own, seen, decision)
  const further = await far(own, seen, decision)
  // The copies may have changed meanwhile. From here to the first act nothing else happens in this process.
  const now = near(own, run)
  const decided = decide(now, further, own.clock.now())
  if ('look' in decided) throw new Error(`${run.name} cannot be decided on: it asks for ${decided.look} again.`)
  return act(own, now, decided)
}
