// Generated from crds/ by `npm run generate`. Do not edit.
import type { ObjectMeta } from '../object-meta.ts'
import type { Transform } from '../transforms.ts'
/**
 * One source of records for a ProfileStore: files with profiles or events, and how their fields become attributes of the union schema. A file is ingested once; a file whose content changed replaces its earlier records.
 */
export interface Dataset {
  apiVersion: 'convoke.dev/v1alpha1'
  kind: 'Dataset'
  metadata: ObjectMeta
  spec: DatasetSpec
  status?: DatasetStatus
}
/**
 * Where the records are and what they mean.
 */
export interface DatasetSpec {
  /**
   * The store the records go into.
   */
  profileStoreRef: {
    /**
     * Name of a ProfileStore of the same namespace.
     */
    name: string
  }
  /**
   * What one record is: attributes of a profile, or something that happened.
   */
  record: 'Profile' | 'Event'
  /**
   * Format of the files. NDJSON is one JSON object a line; JSON an array of objects, or objects one after another. Text may be packed as .gz, .zst, .bz2 or .zip (of one file).
   */
  format: 'CSV' | 'NDJSON' | 'JSON' | 'Parquet'
  /**
   * How CSV files are written. Default: as RFC 4180 says, with commas and a header, in UTF-8.
   */
  csv?: {
    /**
     * What stands between cells, for example ";" or, for a tab, "\t". Default: a comma.
     */
    delimiter?: string
    /**
     * What stands around a cell that holds delimiters or line breaks; "" where nothing does. Default: a double quote.
     */
    quote?: string
    /**
     * What stands before a quote inside a quoted cell, for example a backslash. Default: the quote itself.
     */
    escape?: string
    /**
     * Encoding of the characters. Default: by the mark a file begins with UTF-16, else UTF-8.
     */
    encoding?:
      | 'UTF-8'
      | 'UTF-16'
      | 'UTF-16LE'
      | 'UTF-16BE'
      | 'windows-1250'
      | 'windows-1251'
      | 'windows-1252'
      | 'windows-1253'
      | 'windows-1254'
      | 'windows-1257'
      | 'ISO-8859-1'
      | 'ISO-8859-2'
      | 'ISO-8859-15'
      | 'macintosh'
      | 'Shift_JIS'
      | 'EUC-JP'
      | 'EUC-KR'
      | 'GB18030'
      | 'Big5'
    /**
     * Whether the first record names the columns; where it does not, `columns` does. Default: it does.
     */
    header?: boolean
    /**
     * Names of the columns, in order; in place of what a header says. Default: the header.
     *
     * @minItems 1
     * @maxItems 2000
     *
     * Items: Name of a column.
     */
    columns?: string[]
    /**
     * Lines before the header that are not read. Default: no line.
     */
    skipLines?: number
    /**
     * Cells that say there is no value, for example NULL or \N. Default: the empty cell only.
     *
     * @maxItems 20
     *
     * Items: Text of a cell.
     */
    nullValues?: string[]
    /**
     * Lines that begin with it are not read. Default: none.
     */
    comment?: string
    /**
     * Whether quotes where RFC 4180 has none are text, short records are filled up and empty cells after the last column left out. Default: no; such records are bad rows.
     */
    lenient?: boolean
  }
  /**
   * Patterns of the names that are read, relative to the location, for example customers-*.csv or ** /part-*. Default: every name with an ending of the format, at any depth.
   *
   * @minItems 1
   * @maxItems 50
   *
   * Items: A pattern: * is any part of a name, ** any folders.
   */
  include?: string[]
  /**
   * Patterns of names that are not read, for example archive/**. Default: none.
   *
   * @minItems 1
   * @maxItems 50
   *
   * Items: A pattern, as in include.
   */
  exclude?: string[]
  /**
   * Keys of folders named key=value, each of which is a column, for example dt; a column of that name in the files is not read. Default: none.
   *
   * @minItems 1
   * @maxItems 20
   *
   * Items: A key.
   */
  partitions?: string[]
  /**
   * When a file may be read. Default: at once.
   */
  ready?: {
    /**
     * Name of a file that must be there first: with {name} one for each file, for example {name}.done; else one in the file's own folder, for example _SUCCESS. Default: none.
     */
    marker?: string
    /**
     * How long ago it was last changed, for example 5m. Default: any time.
     */
    minAge?: string
  }
  /**
   * Append: every file is facts, and one that is taken away keeps its records. Snapshot, for record Profile: the newest whole delivery is the truth, and who is missing in it is gone. Default: Append.
   */
  mode?: 'Append' | 'Snapshot'
  /**
   * For mode Snapshot: what one whole delivery is, a file or a folder right below the location with all files in it. Default: File.
   */
  delivery?: 'File' | 'Folder'
  /**
   * What a file (Snapshot: a delivery) may lack and is taken in all the same. One that lacks more is refused as a whole, and what was there before stays; `convoke approve Dataset/NAME` lets it pass once. One of which nothing can be read is always refused.
   */
  tolerance?: {
    /**
     * Share of its rows that may be bad, counted from 100 rows on. Default: 1%.
     */
    badRows?: string
    /**
     * How much fewer rows it may have than it had before (Snapshot: than the delivery before), counted from 100 rows on; a column that loses all of its values counts as well. Default: 50%. With 100% it may shrink to one row.
     */
    maxShrink?: string
    /**
     * The least rows it has. Default: none.
     */
    minRows?: number
  }
  /**
   * What is left out where a value is none of its type: the row, or the value alone. Without the timestamp and an identity it is always the row. Default: DropRow.
   */
  onBadCell?: 'DropRow' | 'DropCell'
  /**
   * How times and dates are written, tried in order: ISO8601, EpochSeconds, EpochMilliseconds, or a pattern like "%d.%m.%Y %H:%M". Default: as ISO8601, and numbers as EpochMilliseconds.
   *
   * @minItems 1
   * @maxItems 20
   *
   * Items: A format.
   */
  timeFormats?: string[]
  /**
   * Time zone of times that say none, for example Europe/Berlin. Default: that of UTC.
   */
  timeZone?: string
  /**
   * How yes and no are written; case does not matter. Default: by the words true, 1, yes and false, 0, no.
   */
  booleans?: {
    /**
     * What means true.
     *
     * @minItems 1
     * @maxItems 20
     *
     * Items: A text.
     */
    trueValues: string[]
    /**
     * What means false.
     *
     * @minItems 1
     * @maxItems 20
     *
     * Items: A text.
     */
    falseValues: string[]
  }
  /**
   * What stands before the fraction of a number that is written as text. Default: a point.
   */
  decimal?: '.' | ','
  /**
   * Which evaluations read new files; the daily one only (Batch), or the streaming ones too (Streaming). Default: Batch.
   */
  ingestion?: 'Batch' | 'Streaming'
  /**
   * A folder, with all that lies below it, or a file. Exactly one kind of place.
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
   * Source field with the time of the event, or of the last change of a profile's record.
   */
  timestamp: string
  /**
   * Source field that identifies an event; an id that came before is the same event. Default: none, identical records are distinct events.
   */
  eventId?: string
  /**
   * Whose event it is. Required for record Event. A profile's identities are its mapped identity paths.
   */
  identity?: {
    /**
     * Identity namespace of the store, for example CustomerId.
     */
    namespace: string
    /**
     * Source field with the identity's value.
     */
    source: string
  }
  /**
   * Under the merge policy DatasetPrecedence the higher number wins. Default: 0.
   */
  precedence?: number
  /**
   * What must hold of the data that is in, so that it may be delivered. Looked at by every ingestion, over the latest delivery: the files that one ingestion took in. What is taken in at all, tolerance decides. Default: none.
   *
   * @maxItems 50
   *
   * Items: One expectation.
   */
  expectations?: {
    /**
     * What it is called in reports, statuses and metrics: lower-case letters, digits and dashes, at most 63.
     */
    name: string
    /**
     * What follows where it is not met. Warn: it is said, nothing else. HoldActivations: Segments are evaluated, but no Activation of the store delivers; their slots stay due until it is met again. Fail: the store's Run fails, so that nothing is evaluated either. Default: Warn.
     */
    severity?: 'Warn' | 'HoldActivations' | 'Fail'
    /**
     * How old the newest data may be.
     */
    freshness?: {
      /**
       * Greatest age at the time of the Run: a number and s, m or h, for example 26h.
       */
      maxAge: string
      /**
       * Whose age: the latest timestamp of all records (Records), or when an ingestion last took in a file (Deliveries). Default: Records.
       */
      of?: 'Records' | 'Deliveries'
    }
    /**
     * How many records a delivery has, in percent of what is usual, that is the median of the deliveries before it: minPercent, maxPercent or both.
     */
    deliverySize?: {
      /**
       * How many deliveries before it are looked at, as far as there are so many. Default: 7.
       */
      deliveries?: number
      /**
       * Least, in percent of what is usual, for example 50. Default: none.
       */
      minPercent?: number
      /**
       * Most, in percent of what is usual, for example 200. Default: none.
       */
      maxPercent?: number
    }
    /**
     * Fields that have a value.
     */
    requiredColumns?: {
      /**
       * Source fields that this Dataset reads.
       *
       * @minItems 1
       * @maxItems 100
       *
       * Items: A source field of the mapping, or the timestamp, eventId or identity.
       */
      columns: string[]
      /**
       * How many records at least have a value in each of them, in percent. Default: 100.
       */
      minPercent?: number
    }
    /**
     * No two records of a delivery have the same id.
     */
    uniqueIds?: {
      /**
       * Source fields that make up the id; records without a value in one of them do not count. Default: the field of the primary identity for profiles, the eventId for events.
       *
       * @minItems 1
       * @maxItems 20
       *
       * Items: A source field of the mapping, or the timestamp, eventId or identity.
       */
      columns?: string[]
    }
    /**
     * A field has no values but these.
     */
    acceptedValues?: {
      /**
       * A source field that this Dataset reads.
       */
      column: string
      /**
       * The values there may be. A record without a value does not count.
       *
       * @minItems 1
       * @maxItems 1000
       *
       * Items: A value as text, as it is stored: true, 42, 2026-01-31.
       */
      values: string[]
      /**
       * How many of the values at least are among them, in percent. Default: 100.
       */
      minPercent?: number
    }
  }[]
  /**
   * Which source field becomes which attribute. Fields that are not mapped are ignored.
   *
   * @maxItems 5000
   *
   * Items: One field.
   */
  mapping: {
    /**
     * Column (CSV, Parquet) or dotted path (NDJSON), for example first_name.
     */
    source: string
    /**
     * Path in the union schema, for example person.name.firstName.
     */
    target: string
    /**
     * What is done to the value before it gets its type, a step or a list of steps in their order: Lowercase, Uppercase, Trim, SHA256 (in lower-case hexadecimal), {constant: TEXT}, {concat: [{source: FIELD}, TEXT, {value: true}]} of other fields, texts and the value so far, {split: {by: TEXT, index: NUMBER}} (0 is the first piece, -1 the last; without index the pieces are a list), {parseJson: true} or {parseJson: PATH} of a value inside. What is empty then is absent. Default: nothing is done.
     */
    transform?: Transform
    /**
     * For record Profile: whether an empty cell or a JSON null takes the value away that was there before. Default: it says nothing.
     */
    emptyOverwrites?: boolean
  }[]
}
/**
 * What the operator found and did. Not written by hand.
 */
export interface DatasetStatus {
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
   * When a Run last read new or changed files of this Dataset.
   */
  lastIngestedTime?: string
  /**
   * Files that are in the store.
   */
  files?: number
  /**
   * Records that are in the store.
   */
  records?: number
  /**
   * Records the latest ingestion left out, because they were unreadable or over a guardrail.
   */
  rejected?: number
}
