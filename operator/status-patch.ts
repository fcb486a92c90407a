/**
 * What a merge patch (RFC 7386) has to say so that `before` shows the fields of `after`; undefined takes a field away. null: nothing.
 * Fields that `after` does not name are left as they are, lists are replaced whole.
 */
export function mergePatchOf(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> | null {
  const changed = Object.entries(after).filter(([field, value]) => !isEqual(before[field], value))
  if (changed.length === 0) return null
  return Object.fromEntries(changed.map(([field, value]) => [field, value ?? null]))
}

/** null and undefined are both absent, and the order of a map's keys is no difference. */
export function isEqual(a: unknown, b: unknown): boolean {
  const [left, right] = [a ?? null, b ?? null]
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (Array.isArray(left) || Array.isArray(right))
    return (
      Array.isArray(left) &&
      Array.isArray(right) &&
      left.length === right.length &&
      left.every((item, index) => isEqual(item, right[index]))
    )
  const [leftFields, rightFields] = [left as Record<string, unknown>, right as Record<string, unknown>] // objects, as just asked
  const fields = new Set([...Object.keys(leftFields), ...Object.keys(rightFields)])
  return [...fields].every((field) => isEqual(leftFields[field], rightFields[field]))
}
