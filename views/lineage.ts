// What feeds what, from files to Campaign, with sizes: groups of Segments, never thousands of nodes.
import { type Html, html, named } from './html.ts'
import { count, counted, cut, listed } from './words.ts'

export type LineageNode = {
  readonly id: string
  readonly name: string
  /** Its size, or what it is. */
  readonly detail: string
  readonly state: 'fine' | 'held' | 'bad' | 'off'
  readonly href?: string | null
}

export type Lineage = {
  /** Columns from left to right. */
  readonly columns: readonly { readonly heading: string; readonly nodes: readonly LineageNode[] }[]
  readonly edges: readonly (readonly [from: string, to: string])[]
  /** One sentence that tells what the picture shows. */
  readonly words: string
}

const rowHeight = 64
const nodeHeight = 44
/** How many nodes of a column are drawn; the others are counted. */
const mostNodes = 7

/** A picture on wide pages, a list on narrow ones. */
export function lineagePicture({ columns, edges, words }: Lineage): Html {
  const filled = columns.filter(({ nodes }) => nodes.length > 0)
  const shown = filled.map(({ heading, nodes }) => ({
    heading,
    nodes:
      nodes.length <= mostNodes
        ? nodes
        : [
            ...nodes.slice(0, mostNodes - 1),
            {
              id: `more-${heading}`,
              name: `${nodes.length - mostNodes + 1} more`,
              detail: heading,
              state: 'fine' as const,
            },
          ],
  }))
  const height = Math.max(...shown.map(({ nodes }) => nodes.length), 1) * rowHeight - (rowHeight - nodeHeight)
  const gap = 3.6
  const width = (100 - gap * (shown.length - 1)) / Math.max(1, shown.length)
  const places = new Map<string, { readonly x: number; readonly y: number; readonly node: LineageNode }>()
  for (const [column, { nodes }] of shown.entries()) {
    const top = (height - (nodes.length * rowHeight - (rowHeight - nodeHeight))) / 2
    for (const [row, node] of nodes.entries())
      places.set(node.id, { x: column * (width + gap), y: top + row * rowHeight, node })
  }
  // A node that counts others together has the lines of all that it stands for.
  const drawnOf = new Map(
    filled.flatMap(({ heading, nodes }) =>
      nodes.map(({ id }) => [id, places.has(id) ? id : `more-${heading}`] as const),
    ),
  )
  const drawn = new Set<string>()
  const lines = edges.flatMap(([from, to]): Html[] => {
    const [a, b] = [places.get(drawnOf.get(from) ?? ''), places.get(drawnOf.get(to) ?? '')]
    const key = `${a?.node.id} ${b?.node.id}`
    if (!a || !b || drawn.has(key)) return []
    drawn.add(key)
    const [x1, y1, x2, y2] = [a.x + width, a.y + nodeHeight / 2, b.x, b.y + nodeHeight / 2]
    const middle = (x1 + x2) / 2
    const off = a.node.state === 'off' || b.node.state === 'off'
    return [
      html`<path class="edge path${off && ' off'}" d="M${short(x1)},${short(y1)}C${short(middle)},${short(y1)} ${short(middle)},${short(y2)} ${short(x2)},${short(y2)}"/>`,
    ]
  })
  const most = Math.max(12, Math.floor((width * 11.1 - 20) / 7.4))
  const boxes = [...places.values()].map(({ x, y, node }) => {
    const box = html`<title>${node.name}, ${node.detail}</title><rect class="node${node.state !== 'fine' && ` ${node.state}`}" x="${short(x)}%" y="${short(y)}" width="${short(width)}%" height="${nodeHeight}" rx="6"/><svg x="${short(x)}%" y="${short(y)}" width="${short(width)}%" height="${nodeHeight}"><text class="b" x="10" y="18">${cut(node.name, most)}</text><text class="${node.state === 'bad' ? 't-bad' : node.state === 'held' ? 't-held' : 'k'}" x="10" y="34">${cut(node.detail, most + 3)}</text></svg>`
    return node.href ? html`<a href="${node.href}">${box}</a>` : html`<g>${box}</g>`
  })
  return html`<svg class="chart wide" height="${height}" role="group" aria-label="${words}"><svg width="100%" height="${height}" viewBox="0 0 100 ${height}" preserveAspectRatio="none">${lines}</svg>${boxes}</svg><ol class="lineage narrow">${shown.map(({ heading, nodes }) => html`<li><span class="dim">${heading}</span>${nodes.map(({ name, detail, state, href }) => html`<span>${href ? html`<a href="${href}">${named(name)}</a>` : named(name)}, <span class="${state === 'bad' || state === 'held' ? state : 'soft'}">${detail}</span></span>`)}</li>`)}</ol>`
}

function short(value: number): string {
  return String(Math.round(value * 100) / 100)
}

export function sentenceOf(parts: readonly (readonly [value: number, one: string])[]): string {
  return listed(parts.filter(([value]) => value > 0).map(([value, one]) => counted(value, one)))
}

/** `9 files`, `1.2 M members` */
export function sizeWords(value: number, one: string, many?: string): string {
  return value >= 10_000_000
    ? `${(value / 1e6).toFixed(1)} M ${many ?? `${one}s`}`
    : `${count(value)} ${value === 1 ? one : (many ?? `${one}s`)}`
}
