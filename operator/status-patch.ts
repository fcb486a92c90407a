/**
 * The merge patch (RFC 7386) that makes `before` show the fields of `after`; a field that is undefined is removed. null: nothing to
 * change. Fields that `after` does not name stay as they are; lists are replaced whole.
 */
export function mergePatchOf(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> | null {
  const changed = Object.entries(after).filter(([field, value]) => !isEqual(before[field], value))
  if (changed.length === 0) return null
  return Object.fromEntries(changed.map(([field, value]) => [field, value ?? null]))
}

/** Whether two values are equal; null and undefined are both absent, and the order of a map's keys does not matter. */
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
  const [leftFields, rightFields] = [left as Record<string, unknown>, right as Record<string, unknown>] // objects, as just checked
  const fields = new Set([...Object.keys(leftFields), ...Object.keys(rightFields)])
  return [...fields].every((field) => isEqual(leftFields[field], rightFields[field]))
}
