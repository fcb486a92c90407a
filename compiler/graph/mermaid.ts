import { drawn, type Graph, type GraphNode, nodeKinds, notableUses, useText } from './graph.ts'

/** A Mermaid flowchart, as GitHub and GitLab draw it inside Markdown. */
export function mermaidOf({ nodes, edges }: Graph): string {
  const ids = new Map(nodes.map((node, index) => [node.id, `n${index}`]))
  return [
    'flowchart LR',
    ...nodes.map((node) => `  ${ids.get(node.id)}${shape(node)}:::${node.severity ?? node.kind}`),
    ...edges.map(({ from, to, returns }) => `  ${ids.get(from)} ${returns ? '-.->' : '-->'} ${ids.get(to)}`),
    ...nodeKinds
      .filter((kind) => nodes.some((node) => node.kind === kind))
      .map((kind) => `  classDef ${kind} stroke:${drawn[kind].stroke},stroke-width:2px`),
    '  classDef error stroke:#d1242f,stroke-width:3px',
    '  classDef warning stroke:#bf8700,stroke-width:3px',
    '  classDef info stroke:#0969da,stroke-width:3px',
    '',
  ].join('\n')
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
