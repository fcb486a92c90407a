// What is known of a Run when a pass over it begins, and what a pass can do.
import type { Detail, RunnableKind, RunReport, RunStatus } from '#crds'
import type { StepStatus } from '#protocol'
import type { Resource, ResourceKey } from '../definition.ts'
import type { JobState } from '../job-state.ts'
import type { Result } from '../kernel/queue.ts'
import type { LoadedPlan } from '../plans.ts'
import type { Outcome } from '../reports.ts'
import type { LogLine, Told } from '../surroundings.ts'

export type Run = Resource<'Run'>
export type Target = Resource<RunnableKind>

/** What the operator's own copies and memory show. */
export type Near = {
  readonly run: Run
  /** null where the copies do not show it. */
  readonly target: Target | null
  /** Unfinished Runs of the same target, without this one. */
  readonly siblings: readonly Run[]
  readonly jobs: readonly JobState[]
  /** Whether the namespace was compiled since this process began. */
  readonly isCompiled: boolean
  /** The Run's Segments may not be activated before this instant; 0: no limit. */
  readonly floorMs: number
  /** Why nothing of the store that the Activation delivers from may be delivered; null: deliveries go on. */
  readonly hold: string | null
  /** The other Run that has what this Run needs and only one may have; null: nobody else has it. */
  readonly holder: ResourceKey | null
  /** For an Activation with `concurrencyPolicy: Replace`, the Run that could begin if this one ended; null: none. */
  readonly replacement: Run | null
  /** A step that takes longer than this is ended and fails. */
  readonly jobSeconds: number
  /** The name of the target's finished Run that began last; null: none began after this one. */
  readonly laterBegun: string | null
}

/** What the API server and the Pods say, asked for only where it matters. */
export type Far = {
  /** For a Run that has not begun: whether its target is there, whatever the copies show. */
  readonly isTargetThere: boolean
  /** Whether a change that was made before the Run may still lead to another plan. */
  readonly isPlanBehind: boolean
  /** null where the Run has no plan, or its plan is gone. */
  readonly plan: LoadedPlan | null
  /** A claim that the steps need and that is missing; null: all are there. */
  readonly missingClaim: string | null
  /** What the Pods of the step at work say. */
  readonly pods: PodsSay | null
  /** What the Job says that reads a lost report from the store; null: it has not ended, or there is none. */
  readonly reprint: Outcome | null
}

/** What the Pods of a Job say. */
export type PodsSay = {
  /** How the step ended; null while its container works, or has not begun. */
  readonly outcome: Outcome | null
  /** For people: why the Pod does not run; null where it runs, or nothing is known. */
  readonly waiting: string | null
  /** How many Pods were taken from their node before they were done, and what was said of the latest. */
  readonly evictions: number
  readonly evicted: string | null
}

export type Act =
  /** Makes the target own the Run. */
  | { readonly do: 'adopt'; readonly target: Target }
  | { readonly do: 'write'; readonly fields: Readonly<Record<string, unknown>> }
  /** Reserves what only one Run may have; from `activatedMs` on, other activations of the Segments keep their distance. */
  | { readonly do: 'reserve'; readonly activatedMs: number | null }
  /** Stores which Segments the Run activates, and that their outcome is not known yet. */
  | { readonly do: 'remember'; readonly plan: LoadedPlan; readonly activatedTime: string }
  /** Makes the RunInput of an attempt, then its Job. `isSure`: the attempt was just stored, and need not be asked for. */
  | {
      readonly do: 'start'
      readonly entry: StepStatus
      readonly status: RunStatus
      readonly plan: LoadedPlan
      readonly reprint: boolean
      readonly isSure: boolean
    }
  /** Makes a plan and a RunInput again that somebody removed. */
  | { readonly do: 'restore'; readonly entry: StepStatus; readonly plan: LoadedPlan }
  /** Deletes a Job. The Job object stays while a Pod of it is there; `isPatient: false`: that is not waited for. */
  | { readonly do: 'end'; readonly job: JobState; readonly isPatient: boolean }
  | { readonly do: 'expire'; readonly job: JobState }
  | {
      readonly do: 'tellCounts'
      readonly step: RunReport['step']
      readonly details: readonly Detail[]
      readonly report: RunReport
    }
  /** Stores what the target remembers of the Run, before the Run counts as finished. */
  | { readonly do: 'settle'; readonly status: RunStatus; readonly succeeded: boolean }
  | { readonly do: 'measure'; readonly reason: string; readonly seconds: number | null }
  | { readonly do: 'event'; readonly about: 'run' | 'target'; readonly event: Told }
  | { readonly do: 'log'; readonly line: LogLine }
  /** Gives back what the Run had reserved, and wakes those that waited for it. */
  | { readonly do: 'letGo' }

export type Decision = {
  readonly acts: readonly Act[]
  /** `behind`: the copies do not show what is there, and the pass is made again. */
  readonly result: Result | { readonly kind: 'behind' }
}

/** A pass that needs to know more than the copies show. */
export type LookFurther = { readonly look: 'target' | 'pods' | 'plan' }
