export { dotOf } from './dot.ts'
export { type Graph, graphOf } from './graph.ts'
export { mermaidOf } from './mermaid.ts'
export { svgOf } from './svg.ts'
