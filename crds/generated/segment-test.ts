// Generated from crds/ by `npm run generate`. Do not edit.
/**
 * What Segments mean, on people made up for it: `convoke test` runs it, no cluster knows it. Kept in files that are not applied, `*.test.yaml` by convention.
 */
export interface SegmentTest {
  apiVersion: 'convoke.dev/v1alpha1'
  kind: 'SegmentTest'
  /**
   * Name and namespace as any resource has them; references lead to resources of that namespace.
   */
  metadata: {
    /**
     * Name of the suite.
     */
    name: string
    /**
     * Default: default.
     */
    namespace?: string
    /**
     * For people.
     */
    labels?: {
      [k: string]: string
    }
    /**
     * For people.
     */
    annotations?: {
      [k: string]: string
    }
  }
  /**
   * The people and the cases.
   */
  spec: {
    /**
     * The store whose union schema the people have, and whose Segments the cases name.
     */
    profileStoreRef?: {
      /**
       * Name of a ProfileStore of the same namespace.
       */
      name: string
    }
    /**
     * A union schema of the suite's own, so that it needs no other resource.
     */
    schema?: {
      /**
       * JSON Schema of a profile as a ProfileStore has it.
       */
      profile: {
        [k: string]: unknown
      }
      /**
       * JSON Schema of an event, as in a ProfileStore; every event has a timestamp.
       */
      event?: {
        [k: string]: unknown
      }
    }
    /**
     * The evaluation instant, for example "2026-01-15T10:30:00Z".
     */
    at?: string
    /**
     * The people there are.
     */
    profiles?: TestProfile[]
    /**
     * What is asked of the people, each case by itself.
     *
     * @minItems 1
     */
    cases: TestCase[]
  }
}
export interface TestProfile {
  /**
   * The name results give the profile.
   */
  id: string
  /**
   * The profile as the union schema shapes it; null or a missing property is an absent value.
   */
  attributes?: {
    [k: string]: unknown
  }
  /**
   * The Segments that the profile is or was in before the first instant, by name: what `segmentMembership.get("ups").get("NAME")` reads. In a timeline later instants read what the test found at the instant before.
   */
  segmentMembership?: {
    [k: string]: {
      /**
       * Whether the profile is in the Segment.
       */
      status: 'realized' | 'exited'
      /**
       * The evaluation instant, for example "2026-01-15T10:30:00Z".
       */
      lastQualificationTime: string
    }
  }
  /**
   * The profile's events, in any order.
   */
  events?: {
    /**
     * The evaluation instant, for example "2026-01-15T10:30:00Z".
     */
    timestamp: string
    [k: string]: unknown
  }[]
}
export interface TestCase {
  /**
   * What the case shows, in words of its own.
   */
  name: string
  /**
   * An expression as a Segment would have it.
   */
  expression?: string
  /**
   * The Segment that is tested.
   */
  segmentRef?: {
    /**
     * Name of a Segment of the same store.
     */
    name: string
  }
  /**
   * The evaluation instant, for example "2026-01-15T10:30:00Z".
   */
  at?: string
  /**
   * The people there are.
   */
  profiles?: TestProfile[]
  /**
   * Ids of exactly the profiles that are in.
   *
   * Items: The name results give the profile.
   */
  members?: string[]
  /**
   * The code the expression must be refused with, for example unknown-attribute.
   */
  error?: string
  /**
   * What happens, step by step, and who is in after each; a full and an incremental evaluation must agree on it.
   *
   * @minItems 1
   */
  timeline?: TestStep[]
}
export interface TestStep {
  /**
   * The evaluation instant, for example "2026-01-15T10:30:00Z".
   */
  at: string
  /**
   * New events. Without a timestamp of its own an event happens at the step's instant; with an earlier one it comes late.
   */
  events?: {
    /**
     * Id of the profile it belongs to.
     */
    profile: string
    /**
     * The evaluation instant, for example "2026-01-15T10:30:00Z".
     */
    timestamp?: string
    [k: string]: unknown
  }[]
  /**
   * Profiles whose attributes are replaced as a whole; an id that was not there is a new profile.
   */
  profiles?: {
    /**
     * The name results give the profile.
     */
    id: string
    /**
     * The profile as the union schema shapes it; null or a missing property is an absent value.
     */
    attributes: {
      [k: string]: unknown
    }
  }[]
  /**
   * Ids of exactly the profiles that are in.
   *
   * Items: The name results give the profile.
   */
  members?: string[]
  /**
   * Ids of exactly the profiles that were not in at the step before.
   *
   * Items: The name results give the profile.
   */
  entered?: string[]
  /**
   * Ids of exactly the profiles that are no longer in.
   *
   * Items: The name results give the profile.
   */
  exited?: string[]
}
