// Generated from crds/ by `npm run generate`. Do not edit.
import type { ObjectMeta } from '../object-meta.ts'
/**
 * A landing zone of a CampaignInstance: where files are put and how they look.
 */
export interface Destination {
  apiVersion: 'convoke.dev/v1alpha1'
  kind: 'Destination'
  metadata: ObjectMeta
  spec: DestinationSpec
  status?: DestinationStatus
}
/**
 * Where files go and how they look.
 */
export interface DestinationSpec {
  /**
   * The instance that reads the files.
   */
  campaignInstanceRef: {
    /**
     * Name of a CampaignInstance of the same namespace.
     */
    name: string
  }
  /**
   * What a file changes in Campaign: the audience's list and the attributes of its members (Audience), or attributes only (Profile, update only). Default: Audience.
   */
  syncType?: 'Audience' | 'Profile'
  /**
   * What Campaign does with these files, a channel of the ProfileStore's consent, for example email. Who may not be sent that way is in no file. Default: none, only the general consent holds.
   */
  channel?: string
  /**
   * The folder for files and their manifests. Exactly one kind of place.
   */
  location: {
    /**
     * A folder of a PersistentVolumeClaim of the same namespace. Jobs on several nodes need ReadWriteMany.
     */
    volume?: {
      /**
       * Name of the PersistentVolumeClaim: lower-case letters, digits, hyphens and dots.
       */
      claimName: string
      /**
       * Folder or file below the root of the claim, for example audiences/de; it may not leave the claim. Default: the root.
       */
      path?: string
    }
    /**
     * A bucket of Amazon S3 or of any server that speaks its protocol.
     */
    s3?: {
      /**
       * Name of the bucket.
       */
      bucket: string
      /**
       * Start of every key, for example audiences. Default: none.
       */
      prefix?: string
      /**
       * Region, for example eu-central-1. Default: what the credentials or the environment of the Pod say.
       */
      region?: string
      /**
       * URL of a server other than Amazon's, for example https://minio.storage.svc:9000.
       */
      endpoint?: string
      /**
       * Bucket in the path instead of in the host name, as most servers other than Amazon's want. Default: false.
       */
      forcePathStyle?: boolean
      /**
       * Secret of the same namespace with the keys accessKeyId and secretAccessKey, and sessionToken where there is one. Default: the identity of the Pod.
       */
      credentialsSecretRef?: {
        /**
         * Name of the Secret.
         */
        name: string
      }
    }
    /**
     * A folder of an SFTP server.
     */
    sftp?: {
      /**
       * Name or address of the server.
       */
      host: string
      /**
       * Port. Default: 22.
       */
      port?: number
      /**
       * Folder on the server. Default: the login folder.
       */
      path?: string
      /**
       * Secret of the same namespace with the key known_hosts; a server that is not in it is refused.
       */
      knownHostsSecretRef?: {
        /**
         * Name of the Secret.
         */
        name: string
      }
      /**
       * Secret of the same namespace with the keys username and password, or username and privateKey (and passphrase where the key has one).
       */
      credentialsSecretRef?: {
        /**
         * Name of the Secret.
         */
        name: string
      }
    }
    /**
     * A container of Azure Blob Storage, for example Adobe's Data Landing Zone.
     */
    azureBlob?: {
      /**
       * Name of the storage account.
       */
      account?: string
      /**
       * Name of the container.
       */
      container: string
      /**
       * Start of every blob name. Default: none.
       */
      prefix?: string
      /**
       * URL of the blob service. Default: https://<account>.blob.core.windows.net.
       */
      endpoint?: string
      /**
       * Secret of the same namespace with one of the keys accountKey, sasToken or connectionString.
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
   * How a file looks.
   */
  file?: {
    /**
     * UTF-8, a header, RFC 4180 quotes, LF line ends, ISO 8601 times in UTC. Default: CSV.
     */
    format?: 'CSV'
    /**
     * Whether files are packed (.csv.gz). Default: None.
     */
    compression?: 'None' | 'GZIP'
    /**
     * Encryption of the file's content. Not supported by the pattern. Default: None, the only value that passes.
     */
    encryption?: string
    /**
     * One character between cells. Default: ",".
     */
    delimiter?: string
    /**
     * What an absent value looks like; the empty text is always written as two quotes. Default: "", nothing at all.
     */
    nullValue?: string
    /**
     * Rows of a file; more are split into name.csv, name_2.csv and so on. Default: 5000000.
     */
    maxRows?: number
    /**
     * Name of a Segment's file, without extension. Macros: {destination}, {activation}, {segment}, {segmentName}, {organization}, {timestamp} (20261201T040000Z, the scheduled time) and {unix}. Default: "{destination}_{segment}_{timestamp}".
     */
    nameTemplate?: string
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
export interface DestinationStatus {
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
   * Activations that deliver here.
   */
  activations?: number
  /**
   * When a delivery manifest was last published here.
   */
  lastDeliveredTime?: string
}
