// Generated from crds/ by `npm run generate`. Do not edit.
import type { ObjectMeta } from '../object-meta.ts'
import type { UnionSchema } from '../union-schema.ts'
/**
 * Profiles and their events, put together from Datasets: the union schema, identities, merge policy, when Segments are evaluated, where the data lies and which engine computes. What a sandbox's Real-Time Customer Profile is in Experience Platform.
 */
export interface ProfileStore {
  apiVersion: 'convoke.dev/v1alpha1'
  kind: 'ProfileStore'
  metadata: ObjectMeta
  spec: ProfileStoreSpec
  status?: ProfileStoreStatus
}
/**
 * What the store holds and how it is evaluated.
 */
export interface ProfileStoreSpec {
  /**
   * The Organization the profiles belong to.
   */
  organizationRef: {
    /**
     * Name of an Organization of the same namespace.
     */
    name: string
  }
  /**
   * The union schema: what profiles and events look like. Written in the subset of JSON Schema that XDM needs: objects (properties), arrays (items), maps (additionalProperties), string, integer, number, boolean; a string with format date or date-time is a time.
   */
  schema: {
    /**
     * Schema of a profile, an object. Recursive, so kept here as written and checked by the compiler. Example: {type: object, properties: {loyalty: {type: object, properties: {tier: {type: string, enum: [bronze, silver, gold]}}}}}.
     */
    profile: UnionSchema
    /**
     * Schema of an event, an object that always has a timestamp. Kept as written and checked by the compiler. Default: none, the store holds no events.
     */
    event?: UnionSchema
  }
  /**
   * Attributes that say whose record it is, in order of priority. Exactly one is primary.
   *
   * @minItems 1
   * @maxItems 64
   *
   * Items: One identity.
   */
  identities: {
    /**
     * Identity namespace, for example CustomerId, Email or ECID.
     */
    namespace: string
    /**
     * Path of a string or integer attribute of the profile schema, for example personalEmail.address.
     */
    path: string
    /**
     * Whether this identity names the profile. Default: false.
     */
    primary?: boolean
    /**
     * How values are compared to find out who is who; attributes stay as they are written. Email: without white space around it, in lower case. Phone: in E.164, where a number can be read as one. Trim: without white space around it. None: as written. Default: by the namespace, that is Email for Email and None for all others; a store whose data began before there was this field compares as written until the field says otherwise.
     */
    normalize?: 'None' | 'Email' | 'Phone' | 'Trim'
    /**
     * For normalize Phone: the country whose phone numbers have no country code, by its ISO 3166-1 code, for example DE.
     */
    defaultCountry?: string
    /**
     * Whether nobody has two of them. With stitching PrivateGraph, two people who share another identity, say a device, then stay two: the shared one goes to who was linked with it last. The order of the identities is their priority, the primary one first: where links contradict each other, those between namespaces that stand earlier are kept. Default: false.
     */
    unique?: boolean
    /**
     * Values that stand for nobody, as systems write them where they know no identity. They link no profiles, and a record with no other identity is left away and counted; so is an identity that is linked with more than 1,000 of one other namespace. Default: the usual ones, such as 0, null, n/a, unknown, guest and noemail@noemail.com. An empty list: every value is somebody.
     *
     * @maxItems 200
     *
     * Items: One value, whatever its case.
     */
    placeholders?: string[]
  }[]
  /**
   * How records of several Datasets become one profile. Default: {attributes: TimestampOrdered, stitching: None}.
   */
  mergePolicy?: {
    /**
     * Which record an attribute is taken from: the one with the latest timestamp that has the attribute (TimestampOrdered), or that of the Dataset with the highest precedence, then the latest (DatasetPrecedence). Default: TimestampOrdered.
     */
    attributes?: 'TimestampOrdered' | 'DatasetPrecedence'
    /**
     * Whether profiles that share an identity are one profile (PrivateGraph) or not (None). Default: None.
     */
    stitching?: 'None' | 'PrivateGraph'
  }
  /**
   * Who may be sent to Destinations. Who may not is in Segments like anybody else, but is in no file, leaves Campaign's lists with the next file whatever the circuit breaker says, and is counted as left out for consent. Default: absent, everybody may.
   */
  consent?: {
    /**
     * What holds for every Destination: out, in or both. Default: absent, channels only.
     */
    general?: {
      /**
       * Path of a profile attribute that is text, true or false, or an integer, for example consents.marketing.email.val.
       */
      path: string
      /**
       * Values of those who may not be sent. Default: none.
       *
       * @minItems 1
       * @maxItems 50
       *
       * Items: One value, whatever its case; quoted, for example "n" or "false".
       */
      out?: string[]
      /**
       * Values of those who may be sent; with it nobody else may, nor who has no value. Default: absent, everybody but those of out.
       *
       * @minItems 1
       * @maxItems 50
       *
       * Items: One value, whatever its case; quoted, for example "y" or "true".
       */
      in?: string[]
    }
    /**
     * What holds besides for Destinations of a channel (spec.channel), by the channel's name, for example email or sms. Default: none.
     */
    channels?: {
      /**
       * One channel: out, in or both.
       */
      [k: string]: {
        /**
         * Path of a profile attribute that is text, true or false, or an integer, for example consents.marketing.email.val.
         */
        path: string
        /**
         * Values of those who may not be sent. Default: none.
         *
         * @minItems 1
         * @maxItems 50
         *
         * Items: One value, whatever its case; quoted, for example "n" or "false".
         */
        out?: string[]
        /**
         * Values of those who may be sent; with it nobody else may, nor who has no value. Default: absent, everybody but those of out.
         *
         * @minItems 1
         * @maxItems 50
         *
         * Items: One value, whatever its case; quoted, for example "y" or "true".
         */
        in?: string[]
      }
    }
  }
  /**
   * When Segments are evaluated.
   */
  evaluation?: {
    /**
     * The daily evaluation of all Segments. Default: {schedule: "0 1 * * *", timeZone: Etc/UTC}.
     */
    batch?: {
      /**
       * Five-field cron expression, at most one run a local day. Each local slot runs exactly once: a slot that the clocks skip runs right after the gap, one that they repeat runs the first time. Default: "0 1 * * *".
       */
      schedule?: string
      /**
       * IANA time zone of the schedule, for example Europe/Berlin. Default: Etc/UTC.
       */
      timeZone?: string
    }
    /**
     * Evaluation of Segments with evaluation Streaming in between. Default: absent, that is every 5m when a Streaming Segment exists.
     */
    streaming?: {
      /**
       * Time between two evaluations, a number and s, m or h; at least 5m. Default: 5m.
       */
      every?: string
    }
  }
  /**
   * Whether expressions of the store's Segments may use only what Profile Query Language has; extensions of Convoke are refused then (beyond-pql), at admission too. Default: false.
   */
  strictPql?: boolean
  /**
   * Where profiles, events and memberships lie.
   */
  storage: {
    /**
     * A folder of a PersistentVolumeClaim of the same namespace. Jobs on several nodes need ReadWriteMany.
     */
    volume: {
      /**
       * Name of the PersistentVolumeClaim: lower-case letters, digits, hyphens and dots.
       */
      claimName: string
      /**
       * Folder or file below the root of the claim, for example audiences/de; it may not leave the claim. Default: the root.
       */
      path?: string
    }
  }
  /**
   * What computes. Default: {type: DuckDB, duckDB: {threads: 2, memoryLimit: 1Gi}}.
   */
  engine?: {
    /**
     * DuckDB computes inside one Pod, Spark on many. Default: DuckDB.
     */
    type?: 'DuckDB' | 'Spark'
    /**
     * How much one Pod may use. Steps that need no cluster run on DuckDB under either type.
     */
    duckDB?: {
      /**
       * Threads. Default: 2.
       */
      threads?: number
      /**
       * Memory before DuckDB spills to disk, a Kubernetes quantity. Leave room below the container's limit. Default: 1Gi.
       */
      memoryLimit?: string
    }
    /**
     * The Spark application for type Spark. Its Pods run beside the driver, with a ServiceAccount of their own.
     */
    spark?: {
      /**
       * Container image with Spark 4 or newer. Default: the one the operator was installed with.
       */
      image?: string
      /**
       * The driver Pod. Default: {cores: 1, memory: 1Gi}.
       */
      driver?: {
        /**
         * Cores. Default: 1.
         */
        cores?: number
        /**
         * Memory, a Kubernetes quantity. Default: 1Gi.
         */
        memory?: string
      }
      /**
       * The executor Pods. Default: {instances: 2, cores: 1, memory: 1Gi}.
       */
      executor?: {
        /**
         * Number of Pods. Default: 2.
         */
        instances?: number
        /**
         * Cores of each. Default: 1.
         */
        cores?: number
        /**
         * Memory, a Kubernetes quantity. Default: 1Gi.
         */
        memory?: string
      }
    }
  }
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
   * How Pods of Jobs are made. Default: {}, that is the scheduler's and the namespace's own defaults.
   */
  podTemplate?: {
    /**
     * Requests and limits of the job's container. Default: requests of {cpu: 100m, memory: 256Mi}, each where neither a request nor a limit names it. A limit of ephemeral-storage is that of the scratch volume too, which else may grow to 20Gi.
     */
    resources?: {
      /**
       * What the scheduler reserves, by resource name, for example {cpu: 500m, memory: 1Gi}.
       */
      requests?: {
        /**
         * A Kubernetes quantity, for example 500m or 1Gi.
         */
        [k: string]: number | string
      }
      /**
       * What the container may not exceed, by resource name, for example {memory: 2Gi}.
       */
      limits?: {
        /**
         * A Kubernetes quantity, for example 500m or 1Gi.
         */
        [k: string]: number | string
      }
    }
    /**
     * Labels a node must have, for example {pool: batch}.
     */
    nodeSelector?: {
      /**
       * The label's value.
       */
      [k: string]: string
    }
    /**
     * Taints of nodes the Pods put up with.
     *
     * @maxItems 64
     *
     * Items: One toleration, in the form of a Pod's.
     */
    tolerations?: {
      /**
       * Taint key. Empty with operator Exists tolerates every taint.
       */
      key?: string
      /**
       * How value is compared; Equal where it is absent.
       */
      operator?: 'Exists' | 'Equal'
      /**
       * Taint value for operator Equal.
       */
      value?: string
      /**
       * Taint effect. Default: every effect.
       */
      effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
      /**
       * Seconds a NoExecute taint is tolerated. Default: for ever.
       */
      tolerationSeconds?: number
    }[]
    /**
     * ServiceAccount of the Pods. They get no API token. Default: the namespace's `default`.
     */
    serviceAccountName?: string
    /**
     * Labels added to Pods, for example {kueue.x-k8s.io/queue-name: marketing}. Those of convoke.dev stay the operator's own.
     */
    labels?: {
      /**
       * The label's value.
       */
      [k: string]: string
    }
    /**
     * Annotations added to Pods.
     */
    annotations?: {
      /**
       * The annotation's value.
       */
      [k: string]: string
    }
  }
}
/**
 * What the operator found and did. Not written by hand.
 */
export interface ProfileStoreStatus {
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
   * Scheduled time of the latest batch Run; earlier slots are never run again.
   */
  lastBatchTime?: string
  /**
   * When the next batch Run is due.
   */
  nextBatchTime?: string
  /**
   * Scheduled time of the latest batch Run that succeeded; Activations that run after the evaluation wait for it.
   */
  lastSuccessfulBatchTime?: string
  /**
   * Batch slots that were never run since the ProfileStore was made.
   */
  missedSlots?: number
  /**
   * The latest batch slot that was never run.
   */
  lastMissedTime?: string
  /**
   * Scheduled time of the latest streaming Run.
   */
  lastStreamingTime?: string
  /**
   * When the next streaming Run is due. Absent without Streaming Segments.
   */
  nextStreamingTime?: string
  /**
   * The schedules that lastBatchTime and lastStreamingTime belong to; slots before a change of schedule are not caught up.
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
   * Membership version that exports read.
   */
  membershipVersion?: string
  /**
   * Evaluation instant of membershipVersion.
   */
  evaluatedAt?: string
  /**
   * Profiles in the store at the latest evaluation.
   */
  profiles?: number
  /**
   * Events in the store at the latest evaluation.
   */
  events?: number
  /**
   * Segments that are evaluated.
   */
  segments?: number
}
