// Generated from crds/ by `npm run generate`. Do not edit.
import type { ObjectMeta } from '../object-meta.ts'
/**
 * One execution of a ProfileStore (ingest, evaluate), an Activation (export, import) or a CampaignSource (extract). Made by the operator, one per slot; making one by hand runs the target now. A retry is another attempt of the same Run.
 */
export interface Run {
  apiVersion: 'convoke.dev/v1alpha1'
  kind: 'Run'
  metadata: ObjectMeta
  spec: RunSpec
  status?: RunStatus
}
/**
 * What is run. Cannot be changed.
 */
export interface RunSpec {
  /**
   * What is run.
   */
  target: {
    /**
     * Kind of the target.
     */
    kind: 'ProfileStore' | 'Activation' | 'CampaignSource'
    /**
     * Name of the target in the same namespace.
     */
    name: string
    /**
     * metadata.uid of the target, so that one made anew under its name is not mistaken for it. Default: whatever has the name.
     */
    uid?: string
  }
  /**
   * The slot this Run is for, for example "2026-12-01T04:00:00Z". File names carry it.
   */
  scheduledTime: string
  /**
   * Evaluation instant; later events have not happened yet. Default: when the first step starts.
   */
  now?: string
  /**
   * Why it runs: its time has come, it was missed, somebody asked for it, or it failed before.
   */
  trigger: 'Schedule' | 'CatchUp' | 'Manual' | 'Retry'
  /**
   * JobPlan to run. Default: the current one of the target.
   */
  planDigest?: string
  /**
   * Targets of kind ProfileStore: which evaluation; Batch where it is absent.
   */
  evaluation?: 'Batch' | 'Streaming'
  /**
   * Targets of kind Activation: Segments that the circuit breaker lets pass this time; of kind ProfileStore: Datasets whose refused files are taken in as they are. Default: [].
   *
   * @maxItems 200
   *
   * Items: Name of a Segment or Dataset.
   */
  approved?: string[]
}
/**
 * What the operator found and did. Not written by hand.
 */
export interface RunStatus {
  /**
   * What is true of this resource now, one entry per type. `kubectl wait --for=condition=…` reads them.
   *
   * @maxItems 16
   *
   * Items: One condition, in the standard Kubernetes form.
   */
  conditions?: {
    /**
     * What is claimed, in CamelCase, for example Ready.
     */
    type: string
    /**
     * Whether the claim holds.
     */
    status: 'True' | 'False' | 'Unknown'
    /**
     * metadata.generation this condition was computed from.
     */
    observedGeneration?: number
    /**
     * When status last changed.
     */
    lastTransitionTime: string
    /**
     * Why, as one CamelCase word for programs.
     */
    reason: string
    /**
     * Why, with the values and the next step, for people. Empty where there is nothing to add.
     */
    message: string
  }[]
  /**
   * metadata.generation the operator last acted on. -1 until it has seen the resource.
   */
  observedGeneration?: number
  /**
   * Digest of the JobPlan that is run, as sha256:….
   */
  planDigest?: string
  /**
   * Evaluation instant of the Run.
   */
  now?: string
  /**
   * Which attempt of the Run this is; a retry goes on with the step that failed.
   */
  attempt?: number
  /**
   * When the failed step is tried again. Absent where it is not.
   */
  retryTime?: string
  /**
   * Targets of kind Activation: the instant that the shortest interval between two activations of a Segment counts from.
   */
  activatedTime?: string
  /**
   * Value of the annotation convoke.dev/requestedAt of this Run that was answered by trying it again.
   */
  lastHandledRequestedAt?: string
  /**
   * Step that runs or ran last.
   */
  step?: 'ingest' | 'evaluate' | 'export' | 'import' | 'extract'
  /**
   * When the first step started.
   */
  startedAt?: string
  /**
   * When the Run was finished.
   */
  finishedAt?: string
  /**
   * What each step did, in order.
   *
   * @maxItems 8
   *
   * Items: One step, its latest attempt.
   */
  steps?: {
    /**
     * Name of the step.
     */
    name: 'ingest' | 'evaluate' | 'export' | 'import' | 'extract'
    /**
     * Name of its Job.
     */
    job?: string
    /**
     * Which attempt this is.
     */
    attempt?: number
    /**
     * How many attempts before it ended without a report, so that nobody knows what they delivered. Absent where each said what it did.
     */
    silentAttempts?: number
    /**
     * How it ended; Held means that the circuit breaker holds at least one Segment. Absent while it runs.
     */
    outcome?: 'Succeeded' | 'Failed' | 'Held'
    /**
     * When it started.
     */
    startedAt?: string
    /**
     * When it ended.
     */
    finishedAt?: string
    /**
     * Counts of the whole step, rows unless the name says otherwise, for example {rowsRead: 3, updated: 2}.
     */
    totals?: {
      /**
       * The count.
       */
      [k: string]: number
    }
    /**
     * Digest of the full report, as sha256:….
     */
    reportDigest?: string
    /**
     * Where the full report lies in the store or the landing zone.
     */
    reportPath?: string
    /**
     * Why it failed, in CamelCase.
     */
    reason?: string
    /**
     * Why it failed and what to do next, for people.
     */
    message?: string
  }[]
  /**
   * Targets of kind Activation: what became of each Segment.
   *
   * @maxItems 4000
   *
   * Items: One Segment.
   */
  segments?: {
    /**
     * Name of the Segment.
     */
    segment: string
    /**
     * Profiles in the Segment.
     */
    members?: number
    /**
     * Rows of the file that say realized.
     */
    realized?: number
    /**
     * Rows of the file that say exited.
     */
    exited?: number
    /**
     * Members who may not be sent, and so are in no file. Absent where everybody may be sent.
     */
    withoutConsent?: number
    /**
     * Whether the file holds all members because nothing was acknowledged before.
     */
    backfill?: boolean
    /**
     * Name of the delivery manifest. Absent where there was nothing to say.
     */
    manifest?: string
    /**
     * Why the circuit breaker holds it.
     */
    held?: string
    /**
     * What the circuit breaker compared.
     */
    hold?: {
      /**
       * What is suspicious: the audience is empty, or too many enter or exit.
       */
      direction?: 'empty' | 'entered' | 'exited'
      /**
       * How many people would come or go.
       */
      people?: number
      /**
       * The same in percent of the list.
       */
      percent?: number
      /**
       * The percentage that the circuit breaker lets pass. Absent for an empty audience.
       */
      limit?: number
      /**
       * How many people are on the list in Campaign, with which it is compared.
       */
      list?: number
      /**
       * How many of them are no longer members.
       */
      left?: number
      /**
       * Run that delivered this list.
       */
      baseline?: string
    }
    /**
     * Whether Campaign has it: imported, or published where Campaign reads the landing zone itself.
     */
    acknowledged?: boolean
    /**
     * Whether the Segment was deleted and its last exits were delivered.
     */
    departed?: boolean
  }[]
}
