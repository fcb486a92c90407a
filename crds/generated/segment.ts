// Generated from crds/ by `npm run generate`. Do not edit.
import type { ObjectMeta } from '../object-meta.ts'
/**
 * An audience: the profiles of a store for which a PQL expression is true. Its name is part of file names and is how other Segments refer to it (inSegment).
 */
export interface Segment {
  apiVersion: 'convoke.dev/v1alpha1'
  kind: 'Segment'
  metadata: ObjectMeta
  spec: SegmentSpec
  status?: SegmentStatus
}
/**
 * Who is in, and when that is found out.
 */
export interface SegmentSpec {
  /**
   * The store whose profiles are meant.
   */
  profileStoreRef: {
    /**
     * Name of a ProfileStore of the same namespace.
     */
    name: string
  }
  /**
   * Name for people, and the macro {segmentName} of file names. Campaign takes no & in it. Default: the resource's name.
   */
  displayName?: string
  /**
   * What the audience is for, for people.
   */
  description?: string
  /**
   * When membership is computed: with the store's daily evaluation (Batch) or every few minutes as well (Streaming). Not every expression can stream. Default: Batch.
   */
  evaluation?: 'Batch' | 'Streaming'
  /**
   * Profile Query Language, true for members. Example: loyalty.tier = "gold" and not (optOut = true).
   */
  expression: string
  /**
   * What Campaign keeps when this Segment is deleted: its last list (Retain), or one last file in which every member has exited (ExportExits; needs incremental Activations with the status column). Default: Retain.
   */
  deletionPolicy?: 'Retain' | 'ExportExits'
}
/**
 * What the operator found and did. Not written by hand.
 */
export interface SegmentStatus {
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
   * Digest of the compiled definition; another digest is another definition and is backfilled.
   */
  digest?: string
  /**
   * The latest expression without an error: what is evaluated while spec.expression has one.
   */
  acceptedExpression?: string
  /**
   * Profiles in the Segment at lastEvaluatedTime.
   */
  members?: number
  /**
   * Profiles that entered with the latest evaluation.
   */
  entered?: number
  /**
   * Profiles that exited with the latest evaluation.
   */
  exited?: number
  /**
   * Instant of the latest evaluation.
   */
  lastEvaluatedTime?: string
  /**
   * Membership version the counts are of.
   */
  membershipVersion?: string
  /**
   * Longest time until a change of the data shows in the membership, for example 5m or 24h: that of the slowest Segment referred to.
   */
  effectiveLatency?: string
  /**
   * Activations that deliver this Segment.
   */
  activations?: number
}
