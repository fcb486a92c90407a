// Generated from crds/ by `npm run generate`. Do not edit.
/**
 * Written after all files of one Segment in one run are complete, as `<first file's name>.manifest.json` (of a name that would be over 255 bytes, its beginning and a hash). Files without a manifest are not delivered; only names listed in a manifest of ours are ever deleted.
 */
export interface DeliveryManifest {
  apiVersion: 'convoke.dev/v1alpha1'
  kind: 'DeliveryManifest'
  run: string
  activation: string
  segment: string
  planDigest: string
  export: 'Full' | 'Incremental'
  /**
   * Incremental: no acknowledged set existed, so the file holds every active member.
   */
  backfill: boolean
  evaluatedAt: string
  membershipVersion: string
  columns: {
    name: string
    source: string
    type: string
  }[]
  files: {
    name: string
    rows: number
    bytes: number
    sha256: string
  }[]
  counts: {
    realized: number
    exited: number
    leftOut: {
      missingMandatory: number
      duplicateKey: number
      /**
       * Absent: everybody may be sent.
       */
      withoutConsent?: number
    }
  }
  /**
   * The circuit breaker holds the Segment: its files name only who leaves because they may no longer be sent. Absent: it does not.
   */
  held?: {
    reason: string
    /**
     * What a file of the whole Segment would say.
     */
    detail: {
      members: number
      entered: number
      exited: number
    }
  }
}
