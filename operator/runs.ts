// One pass over one Run: what is known of it, what follows, and then that is done. The steps go one after the other; each is begun only when
// the result of the one before is stored in the status, and every name is the same however often it is asked for, so that a pass may be cut off
// anywhere and made again.

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
  // What the copies show may have changed meanwhile; from here to the first act nothing else happens in this process.
  const now = near(own, run)
  const decided = decide(now, further, own.clock.now())
  if ('look' in decided) throw new Error(`${run.name} cannot be decided on: it asks for ${decided.look} again.`)
  return act(own, now, decided)
}
