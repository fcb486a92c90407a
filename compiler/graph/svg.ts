import { drawn, type Graph, type GraphNode, type GuardrailUse, nodeKinds, notableUses, useText } from './graph.ts'
import { type Box, layoutOf, type Point } from './layout.ts'

const margin = 24
const headingHeight = 34

/**
 * A drawing for any browser and SVG tool: no script, no external font, light or dark by the reader's preference. Every node and line has
 * a title, which screen readers read and browsers show under the pointer.
 */
export function svgOf(graph: Graph): string {
  const layout = layoutOf(graph, sizeOf)
  const width = Math.ceil(layout.width + 2 * margin)
  const height = Math.ceil(layout.height + 2 * margin + headingHeight)
  const names = new Map(graph.nodes.map((node) => [node.id, node.name]))
  const headings = layout.columns.flatMap(({ x, nodes }, index) => {
    const kinds = nodeKinds.filter((kind) => nodes.some((node) => node.kind === kind))
    const isContinued = layout.columns[index - 1]?.nodes.some((node) => node.kind === 'Segment')
    if (kinds.length === 0 || (isContinued && kinds[0] === 'Segment')) return []
    return [
      `<text class="heading" x="${round(x)}" y="-16">${kinds.map((kind) => drawn[kind].plural).join(', ')}</text>`,
    ]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="graphics-document" aria-roledescription="flow chart" aria-labelledby="convoke-title convoke-description">`,
    '<title id="convoke-title">What feeds what</title>',
    `<desc id="convoke-description">${escaped(description(graph))}</desc>`,
    `<style>${style}</style>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    `<g transform="translate(${margin} ${margin + headingHeight})">`,
    ...headings,
    ...layout.edges.map(({ edge, points }) => {
      const title = `${names.get(edge.from)} → ${names.get(edge.to)}${edge.returns ? ' (logs)' : ''}`
      return `<path class="edge${edge.returns ? ' returns' : ''}" d="${edge.returns ? roundTrip(points) : curve(points)}"><title>${escaped(title)}</title></path>${arrowHead(points, edge.returns)}`
    }),
    ...graph.nodes.map((node) => box(node, layout.boxOf(node))),
    '</g>',
    '</svg>',
    '',
  ].join('\n')
}

function description(graph: Graph): string {
  const counts = nodeKinds.flatMap((kind) => {
    const count = graph.nodes.filter((node) => node.kind === kind).length
    return count === 0 ? [] : [`${count} ${count === 1 ? kind : `${kind}s`}`]
  })
  const uses = graph.nodes.flatMap((node) =>
    node.uses.filter(({ used }) => used > 0).map((use) => `${node.name} uses ${useText(use)}`),
  )
  return [counts.join(', '), ...uses].join('. ') + '.'
}

const style = `
text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: #59636e }
.page { fill: #ffffff }
.heading { font-weight: 600; letter-spacing: .02em }
.name { font-size: 13px; font-weight: 600; fill: #1f2328 }
.box { fill: #ffffff; stroke: #d1d9e0 }
.box.error { stroke: #d1242f; stroke-width: 2 }
.box.warning { stroke: #bf8700; stroke-width: 2 }
.edge { fill: none; stroke: #afb8c1; stroke-width: 1.5 }
.returns { stroke-dasharray: 5 4 }
.head { fill: #afb8c1 }
.track { fill: #e6eaef }
.used { fill: #1a7f64 }
.used.near { fill: #bf8700 }
.used.over { fill: #d1242f }
${nodeKinds.map((kind) => `.${kind} { fill: ${drawn[kind].stroke} }`).join('\n')}
g:hover > .box { stroke-width: 2 }
.edge:hover { stroke: #0969da; stroke-width: 2.5 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 }
.page { fill: #0d1117 }
.name { fill: #f0f6fc }
.box { fill: #151b23; stroke: #3d444d }
.box.error { stroke: #f85149 }
.box.warning { stroke: #d29922 }
.edge { stroke: #565e68 }
.head { fill: #565e68 }
.track { fill: #2a313c }
}
`

/** Widths of Helvetica's characters, in thousandths of the font size; system fonts differ by a few per cent. */
function textWidth(text: string, size: number): number {
  let width = 0
  for (const character of text)
    width += /[ijl.,:;'|!()[\]/ ]/.test(character)
      ? 0.3
      : /[mwMW@%]/.test(character)
        ? 0.9
        : /[A-Z]/.test(character)
          ? 0.7
          : character.charCodeAt(0) > 0x2e7f
            ? 1
            : 0.57
  return width * size
}

const maxNameWidth = 230
const padding = 14

function sizeOf(node: GraphNode): { width: number; height: number } {
  const uses = notableUses(node)
  const texts = [
    Math.min(maxNameWidth, textWidth(node.name, 13.5)),
    Math.min(maxNameWidth, textWidth(node.detail, 11)),
    ...uses.map((use) => textWidth(useText(use), 11) + barWidth + 8),
  ]
  return { width: Math.max(96, Math.ceil(Math.max(...texts)) + 2 * padding), height: 46 + uses.length * 17 }
}

const barWidth = 44

function box(node: GraphNode, { x, y, width, height }: Box): string {
  const uses = notableUses(node)
  const title = [
    `${node.kind} ${node.name}`,
    node.detail,
    ...node.uses.filter(({ used }) => used > 0).map(useText),
    ...(node.severity ? [`has ${node.severity === 'error' ? 'errors' : 'findings'}`] : []),
  ].join(', ')
  return [
    `<g role="graphics-symbol" aria-label="${escaped(title)}" transform="translate(${round(x)} ${round(y)})">`,
    `<title>${escaped(title)}</title>`,
    `<rect class="box${node.severity ? ` ${node.severity}` : ''}" width="${width}" height="${height}" rx="7"/>`,
    `<rect class="${node.kind}" x="0" y="9" width="4" height="${height - 18}" rx="2"/>`,
    `<text class="name" x="${padding}" y="20">${escaped(shortened(node.name, 13.5))}</text>`,
    `<text x="${padding}" y="36">${escaped(shortened(node.detail, 11))}</text>`,
    ...uses.map((use, index) => bar(use, 53 + index * 17)),
    '</g>',
  ].join('')
}

function bar(use: GuardrailUse, y: number): string {
  const share = use.limit === 0 ? 1 : Math.min(1, use.used / use.limit)
  const state = use.used > use.limit ? ' over' : share > 0.8 ? ' near' : ''
  return `<rect class="track" x="${padding}" y="${y - 7}" width="${barWidth}" height="6" rx="3"/><rect class="used${state}" x="${padding}" y="${y - 7}" width="${round(Math.max(3, barWidth * share))}" height="6" rx="3"/><text x="${padding + barWidth + 8}" y="${y}">${escaped(useText(use))}</text>`
}

function shortened(text: string, size: number): string {
  if (textWidth(text, size) <= maxNameWidth) return text
  let kept = [...text]
  while (textWidth(`${kept.join('')}…`, size) > maxNameWidth) kept = kept.slice(0, -1)
  return `${kept.join('')}…`
}

/** A curve that leaves and arrives horizontally; straight where both points have the same height. */
function curve(points: readonly Point[]): string {
  return points
    .map(({ x, y }, index) => {
      const previous = points[index - 1]
      if (!previous) return `M${round(x)} ${round(y)}`
      const end = index === points.length - 1 ? x - headLength : x
      if (Math.abs(previous.y - y) < 0.5) return `L${round(end)} ${round(y)}`
      const half = (end - previous.x) / 2
      return `C${round(previous.x + half)} ${round(previous.y)} ${round(end - half)} ${round(y)} ${round(end)} ${round(y)}`
    })
    .join('')
}

/** A line that runs down, below everything, and up again, with round corners. */
function roundTrip([start, right, left, end]: readonly Point[]): string {
  if (!start || !right || !left || !end) return ''
  const radius = 10
  return `M${round(start.x)} ${round(start.y)}V${round(right.y - radius)}Q${round(right.x)} ${round(right.y)} ${round(right.x - radius)} ${round(right.y)}H${round(left.x + radius)}Q${round(left.x)} ${round(left.y)} ${round(left.x)} ${round(left.y - radius)}V${round(end.y + headLength)}`
}

const headLength = 6

function arrowHead(points: readonly Point[], upwards: boolean): string {
  const { x, y } = points.at(-1)!
  const [a, b] = upwards
    ? [`${round(x - 4)} ${round(y + 7)}`, `${round(x + 4)} ${round(y + 7)}`]
    : [`${round(x - 7)} ${round(y - 4)}`, `${round(x - 7)} ${round(y + 4)}`]
  return `<path class="head" d="M${round(x)} ${round(y)}L${a}L${b}Z"/>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
