import { readFileSync } from 'node:fs'
import { XMLValidator } from 'fast-xml-parser'
import { describe, expect, test } from 'vitest'
import { compile, type Graph, graphOf, mermaidOf, svgOf } from '#compiler'
import { layoutOf } from '../../compiler/graph/layout.ts'
import { convoke, folderOf } from './command-line.ts'

const bundle = readFileSync(new URL('../fixtures/retail.yaml', import.meta.url), 'utf8')
const graphIn = (text: string): Graph => graphOf(compile([{ file: 'bundle.yaml', text }]))

const edgesOf = (graph: Graph): string[] => {
  const short = (id: string): string => id.split('/')[2]!
  return graph.edges.map((edge) => `${short(edge.from)} ${edge.returns ? '⇠' : '→'} ${short(edge.to)}`)
}

test('everything that feeds something is there, and Campaign feeds back', () => {
  expect(edgesOf(graphIn(bundle))).toEqual([
    'win-back → letter-box',
    'letters ⇠ letter-logs',
    'letter-logs → readers',
    'reader-cards → readers',
    'till-receipts → readers',
    'letter-box → letters',
    'readers → patrons',
    'readers → quiet-buyers',
    'patrons → win-back',
    'patrons → quiet-patrons',
    'quiet-buyers → win-back',
    'quiet-buyers → quiet-patrons',
    'quiet-patrons → win-back',
  ])
})

test('guardrail use stands at the resource that has the limit', () => {
  const uses = graphIn(bundle).nodes.flatMap((node) =>
    node.uses.filter(({ used }) => used > 0).map(({ what, used, limit }) => `${node.name}: ${used}/${limit} ${what}`),
  )
  expect(uses).toEqual([
    'readers: 1/20 profile Datasets',
    'readers: 1/20 event Datasets',
    'readers: 2/4000 Batch Segments',
    'readers: 1/500 Streaming Segments',
    'win-back: 5/20 attributes',
    'letters: 3/50 Segments',
  ])
})

test.each([
  [
    'a Destination that is not there',
    'destinationRef: { name: letter-box }',
    'destinationRef: { name: letter-bax }',
    'letter-box → letters',
  ],
  ['a Segment that does not compile', 'inSegment("patrons")', 'inSegment("patron")', 'quiet-buyers → quiet-patrons'],
])('%s leaves the rest of the picture, with the fault marked', (_, from, to, kept) => {
  const graph = graphIn(bundle.replace(from, to))
  expect(edgesOf(graph)).toContain(kept)
  expect(graph.nodes.some((node) => node.severity === 'error')).toBe(true)
})

test('with two namespaces names say which', () => {
  const other = bundle.replaceAll(/metadata: \{ name: ([\w-]+)/g, 'metadata: { namespace: other, name: $1')
  expect(graphIn(`${bundle}\n---\n${other}`).nodes.map((node) => node.name)).toContain('other/patrons')
})

describe('the drawing', () => {
  /** Chains of Segments, several Activations, a cycle. */
  const many = `${bundle}${Array.from(
    { length: 40 },
    (_, index) => `---
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: { name: s${index}, labels: { team: t${index % 3} } }
spec:
  profileStoreRef: { name: readers }
  expression: ${index < 15 ? `club.credits > ${index}` : `inSegment("s${index === 15 ? 16 : (index * 7) % index}")`}
`,
  ).join('')}${[0, 1, 2]
    .map(
      (index) => `---
apiVersion: convoke.dev/v1alpha1
kind: Activation
metadata: { name: a${index} }
spec:
  destinationRef: { name: letter-box }
  segmentSelector: { matchLabels: { team: t${index} } }
  schedule: { after: Evaluation }
  mapping: [{ source: readerId, target: external_id, deduplicationKey: true, mandatory: true }]
`,
    )
    .join('')}`

  test('no two boxes overlap, and lines run from left to right without crossing a box', () => {
    const graph = graphIn(many)
    const layout = layoutOf(graph, (node) => ({ width: 80 + node.name.length, height: 40 + node.uses.length }))
    const boxes = graph.nodes.map((node) => ({ id: node.id, ...layout.boxOf(node) }))
    for (const a of boxes)
      for (const b of boxes)
        if (a.id < b.id)
          expect(a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y).toBe(
            true,
          )
    for (const { edge, points } of layout.edges.filter((drawn) => !drawn.edge.returns)) {
      for (const [index, point] of points.entries()) {
        expect(point.x).toBeGreaterThanOrEqual(points[index - 1]?.x ?? 0)
        const inside = boxes.filter(
          (box) => point.x > box.x && point.x < box.x + box.width && point.y > box.y && point.y < box.y + box.height,
        )
        expect(inside.map((box) => box.id)).toEqual([])
        // Across a column a line is level, so its two ends stand for all of it.
        const next = points[index + 1]
        const passed =
          next &&
          boxes.filter(
            (box) =>
              box.x === point.x && box.x + box.width === next.x && point.y >= box.y && point.y <= box.y + box.height,
          )
        expect(passed ?? []).toEqual([])
      }
      expect(points[0]!.x, edge.from).toBeLessThan(points.at(-1)!.x)
    }
    expect(Math.min(...boxes.map((box) => box.y))).toBeGreaterThanOrEqual(0)
    expect(Math.max(...boxes.map((box) => box.y + box.height))).toBeLessThanOrEqual(layout.height)
  })

  test('is well-formed, titled and the same on every run', () => {
    const graph = graphIn(bundle)
    const svg = svgOf(graph)
    expect(XMLValidator.validate(svg)).toBe(true)
    expect(svg).toBe(svgOf(graphIn(bundle)))
    expect(svg).toContain('prefers-color-scheme: dark')
    expect(svg).toContain('2 Datasets, 1 CampaignSource, 1 ProfileStore, 3 Segments')
    for (const node of graph.nodes) expect(svg).toContain(`aria-label="${node.kind} ${node.name}, `)
    expect(svg.match(/<title>[^<]* → [^<]*<\/title>/g)).toHaveLength(graph.edges.length)
  })

  test('escapes what Mermaid and XML would read as their own', () => {
    const graph = graphIn(bundle.replace('version: "8.7"', `version: "8.7 <b>\\"x\\"; & #"`))
    expect(XMLValidator.validate(svgOf(graph))).toBe(true)
    expect(mermaidOf(graph)).toContain('Campaign 8.7 #60;b#62;#34;x#34;#59; #38; #35;')
  })
})

test.each(['svg', 'mermaid', 'dot'])('%s goes to standard output alone', async (format) => {
  const { code, out, err } = await convoke(folderOf({ 'bundle.yaml': bundle }), ['graph', '.', '-o', format])
  expect([code, err]).toEqual([0, ''])
  expect(out).toContain('quiet-patrons')
  expect(out).toMatch({ svg: /^<svg /, mermaid: /^flowchart LR\n/, dot: /^digraph convoke \{\n/ }[format]!)
})

test('with errors the picture is printed and the exit code says so', async () => {
  const folder = folderOf({ 'bundle.yaml': bundle.replace('inSegment("patrons")', 'inSegment("patron")') })
  const { code, out, err } = await convoke(folder, ['graph', '.'])
  expect(code).toBe(1)
  expect(out).toContain('class="box error"')
  expect(err).toContain('1 error, 0 warnings in 11 resources')
})
