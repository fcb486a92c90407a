// Generated from crds/ by `npm run generate`. Do not edit.
import type { ObjectMeta } from '../object-meta.ts'
import type { Transform } from '../transforms.ts'
/**
 * Delivers Segments to a Destination on a schedule, one file per Segment, with a mapping of attributes to columns.
 */
export interface Activation {
  apiVersion: 'convoke.dev/v1alpha1'
  kind: 'Activation'
  metadata: ObjectMeta
  spec: ActivationSpec
  status?: ActivationStatus
}
/**
 * What is delivered where, when and how.
 */
export interface ActivationSpec {
  /**
   * Where the files go.
   */
  destinationRef: {
    /**
     * Name of a Destination of the same namespace.
     */
    name: string
  }
  /**
   * The Segments, by name. Exactly one of segmentRefs and segmentSelector.
   *
   * @minItems 1
   * @maxItems 5000
   *
   * Items: One Segment.
   */
  segmentRefs?: {
    /**
     * Name of a Segment of the same namespace.
     */
    name: string
  }[]
  /**
   * The Segments of the same namespace by label; {} is all of them.
   */
  segmentSelector?: {
    /**
     * Labels a Segment must have, for example {team: loyalty}.
     */
    matchLabels?: {
      /**
       * The label's value.
       */
      [k: string]: string
    }
    /**
     * Further demands on a Segment's labels; all must hold.
     *
     * @maxItems 64
     *
     * Items: One demand.
     */
    matchExpressions?: {
      /**
       * The label's key.
       */
      key: string
      /**
       * How the label is compared with values.
       */
      operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
      /**
       * Values for In and NotIn.
       *
       * @maxItems 256
       *
       * Items: One value.
       */
      values?: string[]
    }[]
  }
  /**
   * Columns of the files, in this order. At most limits.attributes of the CampaignInstance, 20 unless raised.
   *
   * @maxItems 5000
   *
   * Items: One column.
   */
  mapping: {
    /**
     * Path of a scalar attribute of the profile schema, for example personalEmail.address, or what the store knows of a Segment of its own: segmentMembership.get("ups").get("NAME").lastQualificationTime (since when the profile has been in it, or out of it) and .status (realized or exited; empty for who never was in it). Arrays, maps, objects and events cannot be activated.
     */
    source: string
    /**
     * Column of the target mapping, and header in the file, for example email.
     */
    target: string
    /**
     * Whether profiles that agree in this column (in all such columns) become one row, the one that qualified last. Default: false.
     */
    deduplicationKey?: boolean
    /**
     * Whether profiles without a value are left out and counted. Default: false.
     */
    mandatory?: boolean
    /**
     * What is done to the text on the way, a step or a list of steps in their order: Lowercase, Uppercase, Trim, SHA256 (in lower-case hexadecimal), {constant: TEXT}, {concat: [{source: PATH}, TEXT, {value: true}]} of other attributes, texts and the value so far, {split: {by: TEXT, index: NUMBER}} (0 is the first piece, -1 the last), {parseJson: true} or {parseJson: PATH} of a value inside. Default: None.
     */
    transform?: Transform
  }[]
  /**
   * What a file holds: all members (Full), or what changed since the last acknowledged file, the first being a backfill of all members (Incremental). Default: Incremental.
   */
  export?: 'Full' | 'Incremental'
  /**
   * What counts as a change for Incremental: entering and exiting (Membership), or a changed mapped value of a member as well (MembershipOrAttributes). Default: Membership.
   */
  incrementalOn?: 'Membership' | 'MembershipOrAttributes'
  /**
   * Whether the last column is segmentMembership.status, realized or exited. Without it files hold realized profiles only. Default: Include.
   */
  membershipStatus?: 'Include' | 'Omit'
  /**
   * When files are delivered: {every, startAt} or {after}.
   */
  schedule: {
    /**
     * Elapsed time between two activations, a number and s, m or h. The connector knows 3h, 6h, 8h, 12h and 24h.
     */
    every?: string
    /**
     * The first activation, quoted, in RFC 3339, for example "2026-12-01T04:00:00Z".
     */
    startAt?: string
    /**
     * Right after each daily batch evaluation of the store.
     */
    after?: 'Evaluation'
  }
  /**
   * Whether no new Runs are made. Running ones finish. The annotation convoke.dev/suspend does the same without a change in Git. Default: false.
   */
  suspend?: boolean
  /**
   * What happens when a Run is due while another is not finished: wait for it (Forbid), end it (Replace) or run beside it (Allow). Default: Forbid.
   */
  concurrencyPolicy?: 'Allow' | 'Forbid' | 'Replace'
  /**
   * Seconds after its time at which a Run that could not start is given up. Default: absent, never.
   */
  startingDeadlineSeconds?: number
  /**
   * Which missed Runs are made up for, for example after the operator was down: none or the latest one. Default: Latest.
   */
  catchUp?: 'None' | 'Latest'
  /**
   * How a Run is tried again whose failure may pass, such as a server that is away: further attempts of the same Run, for the same instant. They end when the next Run is due. Streaming evaluations are not tried again. Default: {limit: 10, backoff: 1m}.
   */
  retry?: {
    /**
     * Further attempts after the first; 0: none. Default: 10.
     */
    limit?: number
    /**
     * Time until the second attempt, a number and s, m or h. It doubles with each attempt, up to an hour. Default: 1m.
     */
    backoff?: string
  }
  /**
   * How many finished Runs are kept. Default: {successful: 3, failed: 3}.
   */
  historyLimits?: {
    /**
     * Succeeded Runs kept, the newest. Default: 3.
     */
    successful?: number
    /**
     * Failed Runs kept, the newest. Default: 3.
     */
    failed?: number
  }
  /**
   * Lifts the consent of the ProfileStore for these files, on purpose. Default: absent, who may not be sent is in no file.
   */
  consent?: {
    /**
     * Who is left out for lack of consent: nobody (None).
     */
    exclude: 'None'
    /**
     * Why they may be sent all the same, for whoever asks, for example: service messages that the contract asks for.
     */
    reason: string
  }
  /**
   * Holds a Segment whose increment is suspicious until somebody approves it; the others are delivered. Never applied to a backfill. Default: absent, off.
   */
  circuitBreaker?: {
    /**
     * Percent of the last delivered set that may enter. Default: any.
     */
    maxEnteredPercent?: number
    /**
     * Percent of the last delivered set that may exit. Default: any.
     */
    maxExitedPercent?: number
    /**
     * Whether an audience that had members may become empty. Default: false.
     */
    allowEmpty?: boolean
    /**
     * Changes of fewer people pass, whatever they are in percent: with 10, the 6 that leave a list of 11 do. An audience that becomes empty is held all the same; with 0 the percentages alone count. Default: 0.
     */
    minPeople?: number
    /**
     * What waits when a Segment is held. All: its whole file, since an exit that lost data has caused looks like any other, and nobody is written to who was not on the list before. Entries: those who enter; whoever has left is taken off the list in the meantime, also where it is the exits that are suspicious. Full files, and those without a status column, name no exits and wait whole. Default: All.
     */
    hold?: 'All' | 'Entries'
  }
}
/**
 * What the operator found and did. Not written by hand.
 */
export interface ActivationStatus {
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
   * Digest of the JobPlan that new Runs get, as sha256:….
   */
  planDigest?: string
  /**
   * Segments that are delivered.
   */
  segments?: number
  /**
   * How many memberships the latest Run that succeeded left out because the person may not be sent. Absent where it left out nobody for that reason, because everybody may be sent.
   */
  withoutConsent?: number
  /**
   * Scheduled time of the latest Run; earlier slots are never run again.
   */
  lastScheduledTime?: string
  /**
   * When the next Run is due.
   */
  nextScheduledTime?: string
  /**
   * Scheduled time of the latest Run that succeeded.
   */
  lastSuccessfulTime?: string
  /**
   * The instant that the shortest interval until the next activation counts from.
   */
  lastActivatedTime?: string
  /**
   * Value of the annotation convoke.dev/approve that the latest approving Run answered.
   */
  lastHandledApprove?: string
  /**
   * The schedule that lastScheduledTime belongs to; slots before a change of schedule are not caught up.
   */
  observedSchedule?: string
  /**
   * When observedSchedule last changed.
   */
  scheduleChangedTime?: string
  /**
   * Slots that were never run since the Activation was made.
   */
  missedSlots?: number
  /**
   * The latest slot that was never run.
   */
  lastMissedTime?: string
  /**
   * Value of the annotation convoke.dev/requestedAt that the latest manual Run answered.
   */
  lastHandledRequestedAt?: string
  /**
   * Names of the Runs that are not finished, at most 32.
   *
   * @maxItems 32
   *
   * Items: Name of a Run.
   */
  activeRuns?: string[]
  /**
   * Segments that are not delivered for now, at most 200.
   *
   * @maxItems 200
   *
   * Items: One held Segment.
   */
  held?: {
    /**
     * Name of the Segment.
     */
    segment: string
    /**
     * Why, in CamelCase: CircuitBreaker, TooManySegments or CompileFailed.
     */
    reason: string
    /**
     * Why, with the values.
     */
    message?: string
    /**
     * Run in which the circuit breaker held it.
     */
    run?: string
    /**
     * Since when.
     */
    since?: string
    /**
     * Runs in a row in which the circuit breaker held it.
     */
    runs?: number
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
  }[]
  /**
   * What Campaign is known to have, per Segment; the next increment is the change against it. At most 200.
   *
   * @maxItems 200
   *
   * Items: The last acknowledged delivery of one Segment.
   */
  baselines?: {
    /**
     * Name of the Segment.
     */
    segment: string
    /**
     * Run whose delivered set was acknowledged.
     */
    run: string
    /**
     * When its import committed or its manifest was published.
     */
    acknowledgedAt: string
    /**
     * Whether the Segment says deletionPolicy: ExportExits, so that its exits are delivered after its deletion.
     */
    exitsOnDeletion?: boolean
    /**
     * Display name of the Segment, for the names of its files.
     */
    displayName?: string
    /**
     * Whether nobody knows if this delivery got to Campaign or the one before it: the next file is a backfill, or empties the audience of a deleted Segment.
     */
    uncertain?: boolean
  }[]
}
