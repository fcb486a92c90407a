import { drawn, type Graph, type GraphNode, notableUses, useText } from './graph.ts'

/** The graph in Graphviz' language. */
export function dotOf({ nodes, edges }: Graph): string {
  return [
    'digraph convoke {',
    '  rankdir=LR',
    '  node [shape=box, style=rounded, fontname="Helvetica", fontsize=11, penwidth=1.5]',
    '  edge [color="#8c959f", arrowsize=0.7]',
    ...nodes.map(
      (node) =>
        `  ${quoted(node.id)} [label=${quoted(label(node))}, color="${colour(node)}"${node.severity ? ', penwidth=3' : ''}]`,
    ),
    ...edges.map(
      ({ from, to, returns }) =>
        `  ${quoted(from)} -> ${quoted(to)}${returns ? ' [style=dashed, constraint=false]' : ''}`,
    ),
    '}',
    '',
  ].join('\n')
}

function label(node: GraphNode): string {
  return [node.name, `${node.kind}: ${node.detail}`, ...notableUses(node).map(useText)].join('\n')
}

function colour(node: GraphNode): string {
  return node.severity === 'error' ? '#d1242f' : node.severity === 'warning' ? '#bf8700' : drawn[node.kind].stroke
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
}
