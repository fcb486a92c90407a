// Generated from crds/ by `npm run generate`. Do not edit.
import type { ObjectMeta } from '../object-meta.ts'
/**
 * An Adobe Campaign v8 instance that audiences are delivered to: its target mapping, and the limits that Activations to it keep, counted over all its Destinations. Owned by the platform team.
 */
export interface CampaignInstance {
  apiVersion: 'convoke.dev/v1alpha1'
  kind: 'CampaignInstance'
  metadata: ObjectMeta
  spec: CampaignInstanceSpec
  status?: CampaignInstanceStatus
}
/**
 * What the instance is and what it takes.
 */
export interface CampaignInstanceSpec {
  /**
   * The Organization the instance is provisioned in. The same as the store's is recommended.
   */
  organizationRef: {
    /**
     * Name of an Organization of the same namespace.
     */
    name: string
  }
  /**
   * Version of Campaign, quoted, for example "8.7". The connector needs 8.4 or newer.
   */
  version: string
  /**
   * Organizational units of the deployment. Only deployments with a single one are supported.
   *
   * @minItems 1
   * @maxItems 1000
   *
   * Items: Name of an organizational unit, for example acme-retail.
   */
  organizationalUnits: string[]
  /**
   * The database that files are loaded into and logs are read from. Default: absent, Campaign picks the files up from the landing zone itself and a file counts as delivered when its manifest is published.
   */
  database?: {
    /**
     * A PostgreSQL database. Its role needs SELECT and UPDATE on the target table and may create the schema convoke.
     */
    postgreSQL: {
      /**
       * Name or address of the server, for example campaign-db.
       */
      host: string
      /**
       * Port. Default: 5432.
       */
      port?: number
      /**
       * Name of the database.
       */
      database: string
      /**
       * How the way to the server is protected. VerifyFull: TLS, with a certificate of a known CA for this host. Require: TLS, whoever answers; with caSecretRef, a certificate of that CA. Disable: password and data go in clear. Default: VerifyFull.
       */
      sslMode?: 'VerifyFull' | 'Require' | 'Disable'
      /**
       * Secret of the same namespace with the key ca.crt: certificates of the CAs that the server's certificate may be of, in PEM. Default: absent, the public CAs that Node.js knows.
       */
      caSecretRef?: {
        /**
         * Name of the Secret.
         */
        name: string
      }
      /**
       * Secret of the same namespace with the keys username and password.
       */
      credentialsSecretRef?: {
        /**
         * Name of the Secret.
         */
        name: string
      }
    }
  }
  /**
   * The table that receives attributes, as Campaign's target mapping describes it.
   */
  targetMapping: {
    /**
     * Internal name of the target mapping in Campaign, for example mapRecipient. Default: "".
     */
    name?: string
    /**
     * Database schema of the table. Default: public.
     */
    schema?: string
    /**
     * Name of the table, for example recipients.
     */
    table: string
    /**
     * Columns that Activations may map attributes to.
     *
     * @minItems 1
     * @maxItems 1600
     *
     * Items: One column.
     */
    columns: {
      /**
       * Name of the column, for example email.
       */
      name: string
      /**
       * What the column holds.
       */
      type: 'Text' | 'Integer' | 'Double' | 'Boolean' | 'Date' | 'DateTime'
    }[]
    /**
     * Columns that together identify a recipient; rows of a file find theirs by them.
     *
     * @maxItems 32
     *
     * Items: Name of one of the columns, for example external_id.
     */
    reconciliationKey: string[]
    /**
     * Columns that are never written, because Campaign owns consent. Default: [].
     *
     * @maxItems 1600
     *
     * Items: Name of a column, for example black_list_email.
     */
    optOutColumns?: string[]
  }
  /**
   * What happens to rows without a recipient in Campaign. They wait in the schema convoke until it has one, and are listed in the rejects file: Campaign is the source of truth and profiles are never created from Experience Platform. Default: Reject, the only value that passes.
   */
  unknownProfiles?: string
  /**
   * Limits that everything delivered to this instance keeps. Raise them only as far as the instance was raised by Adobe. Default: {segments: 50, attributes: 20, minActivationInterval: 3h, fileNameLength: 255, retention: 168h, sourceFields: 20}.
   */
  limits?: {
    /**
     * Segments activated to the instance, over all its Destinations. Campaign option NmsCdp_Aep_Audience_List_Limit. Default: 50.
     */
    segments?: number
    /**
     * Mapped attributes of an Activation, without the status column. Campaign option NmsCdp_Aep_Destinations_Max_Columns. Default: 20.
     */
    attributes?: number
    /**
     * Shortest time between two activations, a number and s, m or h. Default: 3h.
     */
    minActivationInterval?: string
    /**
     * Characters of a file name after its macros are filled in. Default: 255.
     */
    fileNameLength?: number
    /**
     * How long the landing zone keeps a file, a number and s, m or h. Default: 168h, seven days.
     */
    retention?: string
    /**
     * Mapped fields of each table of a CampaignSource. Campaign option NmsCdp_Aep_Sources_Max_Columns. Default: 20.
     */
    sourceFields?: number
  }
  /**
   * What going over a limit is: an error (Enforce) or a warning (Warn). Every limit is enforced unless this says otherwise.
   */
  enforcement?: {
    /**
     * Too many Segments. Default: Enforce.
     */
    segments?: 'Enforce' | 'Warn'
    /**
     * Too many attributes. Default: Enforce.
     */
    attributes?: 'Enforce' | 'Warn'
    /**
     * Activations that are too frequent. Default: Enforce.
     */
    minActivationInterval?: 'Enforce' | 'Warn'
    /**
     * File names that are too long. Default: Enforce.
     */
    fileNameLength?: 'Enforce' | 'Warn'
    /**
     * Deliveries that may outlive the landing zone. Default: Enforce.
     */
    retention?: 'Enforce' | 'Warn'
    /**
     * Too many fields of a log table. Default: Enforce.
     */
    sourceFields?: 'Enforce' | 'Warn'
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
export interface CampaignInstanceStatus {
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
   * Segments activated to the instance, over all its Destinations.
   */
  segments?: number
  /**
   * Segments that may be activated to it.
   */
  segmentLimit?: number
  /**
   * Segments that are over the limit and not delivered.
   */
  heldSegments?: number
  /**
   * Destinations of the instance.
   */
  destinations?: number
}
