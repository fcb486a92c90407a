import { commitData, commitMembership, type DataManifest, type MembershipManifest } from '../../jobs/profile-store.ts'

export const evaluatedAt = '2026-12-01T03:00:00Z'

/** Commits what a benchmark has written by hand as the current version of a store; its Segments have the slots of their order. */
export function commitStore(
  root: string,
  {
    profiles,
    segments,
    membersEach,
    ...files
  }: {
    readonly profiles: number
    readonly segments: readonly string[]
    readonly membersEach: number
    /** For each bucket, paths below the root. */
    readonly profileFiles: readonly (readonly string[])[]
    readonly memberFiles: readonly (readonly string[])[]
  },
): void {
  const manifest = { version: 'v1', buckets: files.profileFiles.length } as const
  const data: DataManifest = {
    ...manifest,
    previous: null,
    profiles: files.profileFiles,
    events: [],
    leftOutProfiles: [],
    identities: null,
    normalizesByNamespace: true,
    merged: { records: [], definition: '' },
    profileCount: profiles,
    eventCount: 0,
    sources: {},
    leftOut: { eventsPerProfile: 0, identitiesPerProfile: 0 },
  }
  const membership: MembershipManifest = {
    ...manifest,
    previous: null,
    run: 'bench',
    evaluation: 'Batch',
    evaluatedAt,
    planDigest: '',
    dataVersion: 'v1',
    segments: segments.map((segment, slot) => ({
      segment,
      digest: '',
      slot,
      evaluatedAt,
      members: membersEach,
      entered: 0,
      exited: 0,
    })),
    files: files.memberFiles,
    transitions: [],
  }
  commitData(root, data, false)
  commitMembership(root, membership)
}
