// Numbers of Adobe's guardrails that more than one room measures against; compiler/measured.ts has their pages.

/** Percent of all profiles beyond which Experience Platform's validation warns of an audience. */
export const largeAudiencePercent = 30

export function isLargeAudience(members: number, profiles: number): boolean {
  return members * 100 > profiles * largeAudiencePercent
}

/** Audiences that one ad-hoc activation takes at most. */
export const mostAdHocSegments = 80

/** What Experience Platform recommends for a batch of files, and beyond what it fails it. */
export const batchLimits = {
  files: { recommended: 10_000, most: 25_000 },
  bytes: { recommended: 100e9, most: 1024 ** 4 },
  /** Records of a batch that updates profiles. */
  upserts: 2_000_000,
  perDay: 90,
} as const
