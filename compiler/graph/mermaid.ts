import { type Graph, type GraphNode, nodeKinds, notableUses, useText } from './graph.ts'

/** A Mermaid flowchart, as GitHub and GitLab draw it inside Markdown. */
export function mermaidOf({ nodes, edges }: Graph): string {
  const ids = new Map(nodes.map((node, index) => [node.id, `n${index}`]))
  return [
    'flowchart LR',
    ...nodes.map((node) => `  ${ids.get(node.id)}${shape(node)}:::${node.severity ?? node.kind}`),
    ...edges.map(({ from, to, returns }) => `  ${ids.get(from)} ${returns ? '-.->' : '-->'} ${ids.get(to)}`),
    ...nodeKinds
      .filter((kind) => nodes.some((node) => node.kind === kind))
      .map((kind) => `  classDef ${kind} stroke:${strokes[kind]},stroke-width:2px`),
    '  classDef error stroke:#d1242f,stroke-width:3px',
    '  classDef warning stroke:#bf8700,stroke-width:3px',
    '  classDef info stroke:#0969da,stroke-width:3px',
    '',
  ].join('\n')
}

/** One colour for each kind in every form of the picture; told apart also by those who see few colours. */
export const strokes: Readonly<Record<GraphNode['kind'], string>> = {
  Dataset: '#6e7781',
  CampaignSource: '#8250df',
  ProfileStore: '#0969da',
  Segment: '#1a7f64',
  Activation: '#9a6700',
  Destination: '#bc4c00',
  CampaignInstance: '#bf3989',
}

function shape(node: GraphNode): string {
  const lines = [
    `<b>${escaped(node.name)}</b>`,
    escaped(`${node.kind}: ${node.detail}`),
    ...notableUses(node).map((use) => escaped(useText(use))),
  ]
  const text = `"${lines.join('<br/>')}"`
  switch (node.kind) {
    case 'ProfileStore':
    case 'CampaignInstance':
      return `[(${text})]`
    case 'Segment':
      return `([${text}])`
    default:
      return `[${text}]`
  }
}

function escaped(text: string): string {
  return text.replace(/[&"<>#;]/g, (character) => `#${character.charCodeAt(0)};`)
}
