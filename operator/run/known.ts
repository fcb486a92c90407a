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
  /** Unfinished Runs of the same target, this one aside. */
  readonly siblings: readonly Run[]
  readonly jobs: readonly JobState[]
  /** Whether the namespace was compiled since this process began. */
  readonly isCompiled: boolean
  /** Before this instant the Run's Segments may not be activated; 0: nothing stands against it. */
  readonly floorMs: number
  /** Why nothing of the store whose Segments an Activation delivers may be delivered; null: nothing stands against it. */
  readonly hold: string | null
  /** Who has what only one may have and the Run needs; null: nobody else. */
  readonly holder: ResourceKey | null
  /** Of an Activation whose policy is Replace, the Run that could begin if this one ended; null: none. */
  readonly replacement: Run | null
  /** A step that takes longer is ended and fails. */
  readonly jobSeconds: number
  /** When a Run of the target that is finished by now began last, and its name; null: none began after this one. */
  readonly laterBegun: string | null
}

/** What the API server and the Pods say, asked for only where it matters. */
export type Far = {
  /** Of a Run that has not begun: whether its target is there, whatever the copies show. */
  readonly isTargetThere: boolean
  /** Whether a change made before the Run may still make another plan. */
  readonly isPlanBehind: boolean
  /** null where it has none, or it is not there any more. */
  readonly plan: LoadedPlan | null
  /** A claim that its steps need and that is not there; null: all are. */
  readonly missingClaim: string | null
  /** Of the step at work. */
  readonly pods: PodsSay | null
  /** What the Job says that read a lost report from the store; null: it has not ended, or there is none. */
  readonly reprint: Outcome | null
}

/** What the Pods of a Job say. */
export type PodsSay = {
  /** How the step ended; null while its container works, or has not begun. */
  readonly outcome: Outcome | null
  /** Why its Pod does not run, for people; null where it runs, or nothing is known. */
  readonly waiting: string | null
  /** Pods that were taken from their node before they were done, and what was said of the latest. */
  readonly evictions: number
  readonly evicted: string | null
}

export type Act =
  /** The Run becomes its target's. */
  | { readonly do: 'adopt'; readonly target: Target }
  | { readonly do: 'write'; readonly fields: Readonly<Record<string, unknown>> }
  /** What only one may have is the Run's; from `activatedMs` on others have to keep their distance. */
  | { readonly do: 'reserve'; readonly activatedMs: number | null }
  /** Which Segments it activates, and that what becomes of them is not known yet. */
  | { readonly do: 'remember'; readonly plan: LoadedPlan; readonly activatedTime: string }
  /** The Job of an attempt, and its RunInput before it. `isSure`: it was just written down, and need not be asked for. */
  | {
      readonly do: 'start'
      readonly entry: StepStatus
      readonly status: RunStatus
      readonly plan: LoadedPlan
      readonly reprint: boolean
      readonly isSure: boolean
    }
  /** The plan and the RunInput that somebody took away. */
  | { readonly do: 'restore'; readonly entry: StepStatus; readonly plan: LoadedPlan }
  /** The Job is there as long as a Pod of it is; `isPatient: false`: nobody waits for that. */
  | { readonly do: 'end'; readonly job: JobState; readonly isPatient: boolean }
  | { readonly do: 'expire'; readonly job: JobState }
  | {
      readonly do: 'tellCounts'
      readonly step: RunReport['step']
      readonly details: readonly Detail[]
      readonly report: RunReport
    }
  /** What the target remembers of the Run, before the Run counts as finished. */
  | { readonly do: 'settle'; readonly status: RunStatus; readonly succeeded: boolean }
  | { readonly do: 'measure'; readonly reason: string; readonly seconds: number | null }
  | { readonly do: 'event'; readonly about: 'run' | 'target'; readonly event: Told }
  | { readonly do: 'log'; readonly line: LogLine }
  /** Whoever waited for what the Run had may go on. */
  | { readonly do: 'letGo' }

export type Decision = {
  readonly acts: readonly Act[]
  /** `behind`: the copies do not show what is there; the pass is made again. */
  readonly result: Result | { readonly kind: 'behind' }
}

/** A pass that needs to know more than the copies show. */
export type LookFurther = { readonly look: 'target' | 'pods' | 'plan' }
