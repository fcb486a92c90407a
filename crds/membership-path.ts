/** What an expression or a mapping reads of a Segment's membership. */
export type MembershipPath = { readonly segment: string; readonly part: 'status' | 'since' }

/**
 * What `segmentMembership.get("ups").get("NAME").status` and `….lastQualificationTime` read, also in the form `segmentMembership.ups.NAME.…`;
 * null for any other path.
 */
export function membershipPath(path: string): MembershipPath | null {
  const [, called, dotted, field] =
    /^segmentMembership(?:\.get\("ups"\)\.get\("([^"]+)"\)|\.ups\.(.+))\.(status|lastQualificationTime)$/.exec(path) ??
    []
  const segment = called ?? dotted
  return segment === undefined ? null : { segment, part: field === 'status' ? 'status' : 'since' }
}
