/** A tree without places, for comparing what was written in two ways; a chain of one operator is compared as a list. */
export function withoutSpans(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutSpans)
  if (typeof node !== 'object' || node === null) return node
  if ('kind' in node && node.kind === 'binary' && 'op' in node && (node.op === 'and' || node.op === 'or')) {
    const operands: unknown[] = []
    let current: unknown = node
    while (
      typeof current === 'object' &&
      current !== null &&
      'op' in current &&
      current.op === node.op &&
      'left' in current &&
      'right' in current
    ) {
      operands.push(current.right)
      current = current.left
    }
    return { op: node.op, operands: [...operands, current].reverse().map(withoutSpans) }
  }
  return Object.fromEntries(
    Object.entries(node).flatMap(([key, part]) =>
      key.toLowerCase().endsWith('span') ? [] : [[key, withoutSpans(part)]],
    ),
  )
}
