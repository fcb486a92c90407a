import type { Kind } from '#crds'
import type { Caches } from './caches.ts'
import type { Compiled } from './compiler.ts'
import type { Resource, ResourceKey } from './definition.ts'
import type { Activations } from './floor.ts'
import type { JobDefaults } from './job.ts'
import type { Api } from './kernel/api.ts'
import type { Clock } from './kernel/clock.ts'
import type { OperatorMetrics } from './metrics.ts'
import type { Plans } from './plans.ts'
import type { UnreadLogs } from './reports.ts'
import type { Reservations } from './reservations.ts'

/** What every controller works with. */
export type Surroundings = {
  readonly clock: Clock
  readonly api: Api
  readonly caches: Caches
  readonly plans: Plans
  readonly reservations: Reservations
  readonly activations: Activations
  readonly unreadLogs: UnreadLogs
  readonly metrics: OperatorMetrics
  readonly options: ControllerOptions
  /** null until the namespace was compiled for the first time. */
  readonly settledOf: (namespace: string) => Compiled | null
  /** Whether something changed in the namespace that `settledOf` does not show yet. */
  readonly isStale: (namespace: string) => boolean
  /** Asks for one more pass over what the key names. */
  readonly touch: (key: ResourceKey, options?: { readonly afterMs?: number; readonly priority?: number }) => void
  /** Makes a Kubernetes Event on a resource. Never throws, and never waits. */
  readonly tell: (about: Resource<Kind>, event: Told) => void
  readonly log: (line: LogLine) => void
}

export type Told = { readonly type: 'Normal' | 'Warning'; readonly reason: string; readonly message: string }

/** One line of JSON; names of resources and Runs, never a value of a profile. */
export type LogLine = {
  readonly level: 'info' | 'warning' | 'error'
  readonly message: string
  readonly [field: string]: string | number | boolean | null
}

export type ControllerOptions = {
  readonly jobs: JobDefaults
}
