// Generated from crds/ by `npm run generate`. Do not edit.
import type { ObjectMeta } from '../object-meta.ts'
/**
 * Reads delivery and tracking logs of a Campaign database back into a ProfileStore as events. What Campaign's source connector does in Experience Platform.
 */
export interface CampaignSource {
  apiVersion: 'convoke.dev/v1alpha1'
  kind: 'CampaignSource'
  metadata: ObjectMeta
  spec: CampaignSourceSpec
  status?: CampaignSourceStatus
}
/**
 * Which tables are read, when, and whose events they hold.
 */
export interface CampaignSourceSpec {
  /**
   * The instance to read from; it needs a database.
   */
  campaignInstanceRef: {
    /**
     * Name of a CampaignInstance of the same namespace.
     */
    name: string
  }
  /**
   * The store the events go into.
   */
  profileStoreRef: {
    /**
     * Name of a ProfileStore of the same namespace.
     */
    name: string
  }
  /**
   * Five-field cron expression, for example "30 * * * *".
   */
  schedule: string
  /**
   * IANA time zone of the schedule, for example Europe/Berlin. Default: Etc/UTC.
   */
  timeZone?: string
  /**
   * Whose event a row is.
   */
  identity: {
    /**
     * Identity namespace of the store, for example CustomerId.
     */
    namespace: string
    /**
     * Column with the identity's value, for example external_id.
     */
    column: string
  }
  /**
   * The log tables.
   *
   * @minItems 1
   * @maxItems 100
   *
   * Items: One table.
   */
  tables: {
    /**
     * Table, or schema and table with a dot, for example delivery_logs.
     */
    name: string
    /**
     * Value of eventType in the events, for example directMarketing.emailDelivered.
     */
    eventType: string
    /**
     * Column that grows with every change, for example last_modified; only later rows are read, and none that is dated later than the Run.
     */
    watermark: string
    /**
     * Columns that together identify a row of the log, for example broadlog_id: a row that changes is the same event. Default: the primary key of the table; where it has none every column, and a row that changes is another event.
     *
     * @minItems 1
     * @maxItems 32
     *
     * Items: Name of a column, for example broadlog_id.
     */
    key?: string[]
    /**
     * Which column becomes which attribute. Default: [], all columns that name a path of the event schema.
     *
     * @maxItems 1600
     *
     * Items: One column.
     */
    mapping?: {
      /**
       * Column of the table.
       */
      source: string
      /**
       * Path in the event schema, for example commerce.order.priceTotal.
       */
      target: string
    }[]
  }[]
  /**
   * How far before the watermark rows are read again, for transactions that committed late; a number and s, m or h. Rows already known are not doubled. Default: 10m.
   */
  overlap?: string
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
   * How many rows before a watermark that is a number are read again, for the same reason. Default: 1000.
   */
  overlapRows?: number
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
}
/**
 * What the operator found and did. Not written by hand.
 */
export interface CampaignSourceStatus {
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
   * Slots that were never run since the CampaignSource was made.
   */
  missedSlots?: number
  /**
   * The latest slot that was never run.
   */
  lastMissedTime?: string
  /**
   * The schedule that lastScheduledTime belongs to; slots before a change of schedule are not caught up.
   */
  observedSchedule?: string
  /**
   * When observedSchedule last changed.
   */
  scheduleChangedTime?: string
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
   * Rows that the latest successful Run read.
   */
  rows?: number
}
