// Generated from crds/ by `npm run generate`. Do not edit.
/**
 * Type of a value. Stored as: string VARCHAR, integer BIGINT (within ±(2^53-1)), number DOUBLE, boolean BOOLEAN, date DATE, timestamp TIMESTAMP (UTC, whole milliseconds), items LIST, values MAP(VARCHAR, …), fields STRUCT.
 */
export type DataType =
  | ('string' | 'integer' | 'number' | 'boolean' | 'date' | 'timestamp')
  | {
      items: DataType
    }
  | {
      values: DataType
    }
  | {
      fields: {
        [k: string]: DataType
      }
    }
export type TransformStepPlan =
  | ('Lowercase' | 'Uppercase' | 'Trim' | 'SHA256')
  | {
      constant: string
    }
  | {
      /**
       * Texts, other fields (a profile Column with its type, or a field of a file) and, as null, the value so far.
       */
      concat: (
        | string
        | null
        | {
            source: string
            type?: DataType
          }
      )[]
    }
  | {
      split: {
        by: string
        /**
         * From 0, or from the end with -1; null: all pieces, as a JSON array.
         */
        index: number | null
      }
    }
  | {
      /**
       * Names that lead to the value inside.
       */
      parseJson: string[]
    }

/**
 * What one target's jobs do, compiled and immutable. Made by the compiler, read by jobs; holds no secret and no time. `$now` in its SQL stands for the evaluation instant, which RunInput brings.
 */
export interface JobPlan {
  apiVersion: 'convoke.dev/v1alpha1'
  kind: 'JobPlan'
  /**
   * SHA-256 of the plan's canonical JSON (keys sorted, no whitespace) without this field.
   */
  digest: string
  target: {
    kind: 'ProfileStore' | 'Activation' | 'CampaignSource'
    namespace: string
    name: string
  }
  store?: StorePlan
  ingest?: IngestPlan
  evaluate?: EvaluatePlan
  export?: ExportPlan
  import?: ImportPlan
  extract?: ExtractPlan
}
/**
 * The ProfileStore every step of this plan reads or writes.
 */
export interface StorePlan {
  name: string
  volume: VolumeLocation
  engine: {
    type: 'DuckDB' | 'Spark'
    duckDB: {
      threads: number
      /**
       * Kubernetes quantity, e.g. `1Gi`.
       */
      memoryLimit: string
    }
  }
  profile: Column[]
  /**
   * Always holds `timestamp`. Empty when the store has no event schema.
   */
  event: Column[]
  /**
   * Which columns say whose a record is, in order of priority after the primary one.
   */
  identities: {
    namespace: string
    path: string
    primary: boolean
    /**
     * No profile has two of them. Absent is false.
     */
    unique?: boolean
    /**
     * How values are compared. Absent: by the namespace, where the store's data began with that.
     */
    normalize?: 'None' | 'Email' | 'Phone' | 'Trim'
    /**
     * For Phone: ISO 3166-1 code of the country whose numbers have no country code.
     */
    defaultCountry?: string
    /**
     * Values that stand for nobody, whatever their case. Absent: the usual ones, where the store's data began with that.
     */
    placeholders?: string[]
  }[]
  mergePolicy: {
    attributes: 'TimestampOrdered' | 'DatasetPrecedence'
    stitching: 'None' | 'PrivateGraph'
  }
}
export interface VolumeLocation {
  claimName: string
  path?: string
}
/**
 * One leaf of the union schema. Objects outside arrays and maps are flattened; the column's name is the dotted path.
 */
export interface Column {
  /**
   * Dotted path, and the column name in Parquet: `person.name.firstName`.
   */
  path: string
  type: DataType
}
export interface IngestPlan {
  datasets: DatasetPlan[]
  /**
   * Record guardrails (domain documents' profile guardrails); what is over is dropped or left out and counted.
   */
  limits: {
    profileRecordBytes: number
    eventBytes: number
    eventsPerProfile: number
    eventArrayLength: number
    profileArrayLength: number
    identitiesPerProfile: number
  }
}
export interface DatasetPlan {
  name: string
  record: 'Profile' | 'Event'
  format: 'CSV' | 'NDJSON' | 'JSON' | 'Parquet'
  /**
   * As the Dataset says it. Absent fields: RFC 4180 with commas and a header, in UTF-8 or, by its mark, UTF-16.
   */
  csv?: {
    delimiter?: string
    quote?: string
    escape?: string
    encoding?: string
    header?: boolean
    columns?: string[]
    skipLines?: number
    nullValues?: string[]
    comment?: string
    lenient?: boolean
  }
  /**
   * Patterns; absent: by the endings of the format.
   */
  include?: string[]
  exclude?: string[]
  /**
   * Keys of `key=value` folders that are columns.
   */
  partitions?: string[]
  ready?: {
    marker?: string
    minAgeSeconds?: number
  }
  /**
   * Absent: Append.
   */
  mode?: 'Append' | 'Snapshot'
  /**
   * Absent: File.
   */
  delivery?: 'File' | 'Folder'
  /**
   * Absent: DropRow.
   */
  onBadCell?: 'DropRow' | 'DropCell'
  /**
   * ISO8601, EpochSeconds, EpochMilliseconds or a strptime pattern. Absent: ISO 8601, numbers are milliseconds.
   */
  timeFormats?: string[]
  /**
   * Absent: UTC.
   */
  timeZone?: string
  booleans?: {
    /**
     * Lower case.
     */
    trueValues: string[]
    /**
     * Lower case.
     */
    falseValues: string[]
  }
  /**
   * Absent: a point.
   */
  decimal?: '.' | ','
  ingestion: 'Batch' | 'Streaming'
  location: DatasetLocation
  /**
   * Source field of the event time or the profile record's time.
   */
  timestamp: string
  /**
   * Source field; events with an id already known to this Dataset are the same event.
   */
  eventId?: string
  /**
   * Higher wins under DatasetPrecedence.
   */
  precedence: number
  /**
   * Events only; whose event it is. A profile's identities are its mapped identity paths.
   */
  identity?: {
    namespace: string
    source: string
  }
  /**
   * What a file or a delivery may lack and is taken in all the same. Absent: 1, 50 and none.
   */
  tolerance?: {
    /**
     * Percent of its rows.
     */
    badRows: number
    /**
     * Percent of the rows it had before.
     */
    maxShrink: number
    minRows?: number
  }
  /**
   * Approvals that somebody wrote on the Dataset; each lets one refused file pass as it is.
   */
  approved?: string[]
  /**
   * What must hold of the latest delivery; each has exactly one of the parts after its severity.
   */
  expectations?: ExpectationPlan[]
  mapping: {
    /**
     * Column name (CSV, Parquet) or dotted path (NDJSON, Parquet structs).
     */
    source: string
    /**
     * Path of a Column of the store.
     */
    target: string
    type: DataType
    constraints?: Constraints
    /**
     * What is done to the text before it gets its type. Absent: nothing.
     */
    transform?: TransformStepPlan[]
    /**
     * Absent: false.
     */
    emptyOverwrites?: boolean
  }[]
}
export interface DatasetLocation {
  volume?: VolumeLocation
  s3?: S3Location
  sftp?: SftpLocation
  azureBlob?: AzureBlobLocation
}
export interface S3Location {
  bucket: string
  prefix?: string
  region?: string
  endpoint?: string
  forcePathStyle: boolean
  credentialsSecretRef?: {
    name: string
  }
}
export interface SftpLocation {
  host: string
  port: number
  path?: string
  knownHostsSecretRef?: {
    name: string
  }
  credentialsSecretRef?: {
    name: string
  }
}
export interface AzureBlobLocation {
  account?: string
  container: string
  prefix?: string
  endpoint?: string
  credentialsSecretRef?: {
    name: string
  }
}
export interface ExpectationPlan {
  name: string
  severity: 'Warn' | 'HoldActivations' | 'Fail'
  freshness?: {
    /**
     * A duration like `26h`.
     */
    maxAge: string
    of: 'Records' | 'Deliveries'
  }
  /**
   * In percent of the median of the deliveries before.
   */
  deliverySize?: {
    deliveries: number
    minPercent?: number
    maxPercent?: number
  }
  requiredColumns?: {
    columns: RecordColumn[]
    minPercent: number
  }
  uniqueIds?: {
    columns: RecordColumn[]
  }
  acceptedValues?: {
    column: RecordColumn
    values: string[]
    minPercent: number
  }
}
/**
 * A source field, and the column of the record files that it becomes.
 */
export interface RecordColumn {
  source: string
  column: string
}
/**
 * What the union schema says of values besides their type, and of what is inside of them.
 */
export interface Constraints {
  enum?: string[]
  format?: 'email' | 'uri'
  minimum?: number
  maximum?: number
  /**
   * Characters.
   */
  minLength?: number
  maxLength?: number
  items?: Constraints
  values?: Constraints
  fields?: {
    [k: string]: Constraints
  }
}
export interface EvaluatePlan {
  /**
   * Every Segment of the store that compiled, ordered by name.
   */
  segments: {
    name: string
    /**
     * SHA-256 over the Segment's typed IR and those it refers to; another digest is another definition.
     */
    digest: string
    evaluation: 'Batch' | 'Streaming'
    /**
     * Whether somebody has allowed it more than 30 % of all profiles, so that a Run does not warn of that.
     */
    mayBeLarge?: boolean
  }[]
  full: MembershipQuery
  streaming?: MembershipQuery
}
/**
 * One SELECT per dialect over three relations that the job provides: `profiles` ("$profile" and the profile columns), `events` ("$profile" and the event columns) and, where `references` is not empty, `members` ("$profile" and one BOOLEAN column named as each reference: the membership at the version before). It yields "$profile" and one BOOLEAN column per name in `segments`, named as the Segment, never null; one row per profile. `$now` is replaced by a TIMESTAMP literal.
 */
export interface MembershipQuery {
  segments: string[]
  /**
   * Segments whose earlier membership the query reads.
   */
  references: string[]
  /**
   * Segments of which the query reads since when the profile was in them, or out of them, at the version before. Absent: none. For each, `members` has the BOOLEAN column named as the Segment, and a TIMESTAMP column `$since:NAME`, null for a profile that was never in it.
   */
  qualified?: string[]
  /**
   * Paths the query reads; a scan needs no others.
   */
  profileColumns: string[]
  /**
   * Paths the query reads; empty when it reads no event.
   */
  eventColumns: string[]
  duckdb: string
  spark?: string
  /**
   * For DuckDB, over `profiles` and `events`: "$profile" of everybody for whom the query may yield something else at `$now` than at the earlier `$since`, while their data and the members stay as they are. Where it is absent, nobody knows.
   */
  flips?: string
  /**
   * For DuckDB: `duckdb` and `flips` read no event before the lesser of this at `$now` and at `$since`. Absent: they read all.
   */
  earliest?: string
}
export interface ExportPlan {
  activation: string
  /**
   * Name of the Organization, for the macro {organization}.
   */
  organization: string
  destination: {
    name: string
    location: DestinationLocation
    syncType: 'Audience' | 'Profile'
    file: {
      compression: 'None' | 'GZIP'
      delimiter: string
      nullValue: string
      maxRows: number
      /**
       * Without extension; macros {destination} {activation} {segment} {segmentName} {organization} {timestamp} {unix}.
       */
      nameTemplate: string
    }
  }
  export: 'Full' | 'Incremental'
  incrementalOn: 'Membership' | 'MembershipOrAttributes'
  membershipStatus: 'Include' | 'Omit'
  /**
   * Ordered by name.
   */
  segments: {
    name: string
    displayName: string
  }[]
  /**
   * In file order. The status column is not among them; it follows as the last where membershipStatus is Include.
   */
  columns: {
    /**
     * Path of a scalar profile Column.
     */
    source: string
    /**
     * Header in the file and column of the target mapping.
     */
    target: string
    type: DataType
    /**
     * A step without arguments, or several of any kind in their order.
     */
    transform: ('None' | 'Lowercase' | 'Uppercase' | 'Trim' | 'SHA256') | TransformStepPlan[]
    deduplicationKey: boolean
    mandatory: boolean
  }[]
  /**
   * Who may not be sent: members for whom the SQL condition `withoutConsent` over profile columns holds, by the data that the export reads. Absent: everybody may be sent.
   */
  consent?: {
    /**
     * What the condition reads.
     */
    columns: Column[]
    /**
     * For DuckDB; true or false, never null.
     */
    withoutConsent: string
  }
  circuitBreaker?: {
    maxEnteredPercent?: number
    maxExitedPercent?: number
    allowEmpty?: boolean
    /**
     * Changes of fewer people pass, whatever they are in percent.
     */
    minPeople?: number
    /**
     * Entries: whoever has left is named all the same, where files can name exits.
     */
    hold?: 'All' | 'Entries'
  }
  fileNameLength: number
}
export interface DestinationLocation {
  volume?: VolumeLocation
  s3?: S3Location
  sftp?: SftpLocation
  azureBlob?: AzureBlobLocation
}
export interface ImportPlan {
  /**
   * Name of the CampaignInstance.
   */
  instance: string
  database: DatabasePlan
  target: {
    schema: string
    table: string
    columns: {
      name: string
      type: 'Text' | 'Integer' | 'Double' | 'Boolean' | 'Date' | 'DateTime'
    }[]
    /**
     * @minItems 1
     */
    reconciliationKey: string[]
    /**
     * Never written.
     */
    optOutColumns: string[]
  }
  syncType: 'Audience' | 'Profile'
  location: DestinationLocation
  /**
   * How long the landing zone keeps files, e.g. `168h`.
   */
  retention: string
}
/**
 * A PostgreSQL database. The secret has the keys `username` and `password`, that of the CA the key `ca.crt`.
 */
export interface DatabasePlan {
  host: string
  port: number
  database: string
  /**
   * Absent: VerifyFull.
   */
  sslMode?: 'VerifyFull' | 'Require' | 'Disable'
  caSecretRef?: SecretRef
  credentialsSecretRef?: SecretRef
}
export interface SecretRef {
  name: string
}
export interface ExtractPlan {
  instance: string
  /**
   * Name of the CampaignSource; its records lie in the store under this name.
   */
  source: string
  database: DatabasePlan
  identity: {
    namespace: string
    column: string
  }
  /**
   * Read again before the watermark, e.g. `10m`; rows already known are the same events.
   */
  overlap: string
  /**
   * The same for a watermark that is a number. Default: 1000.
   */
  overlapRows?: number
  tables: {
    /**
     * `table` or `schema.table`.
     */
    name: string
    /**
     * Written to the event path `eventType`.
     */
    eventType: string
    /**
     * Column that grows with every change.
     */
    watermark: string
    /**
     * Columns that identify a row; absent: all of them.
     *
     * @minItems 1
     */
    key?: string[]
    /**
     * Empty: every column that names a path of the event schema.
     */
    mapping: {
      source: string
      target: string
      type: DataType
    }[]
  }[]
}
