import { drawn, type Graph, type GraphNode, type NodeKind } from './graph.ts'

export type Size = { readonly width: number; readonly height: number }
export type Box = Size & Point
export type Point = { readonly x: number; readonly y: number }

export type Layout = {
  readonly width: number
  readonly height: number
  /** Columns from left to right, each with its nodes. */
  readonly columns: readonly { readonly x: number; readonly width: number; readonly nodes: readonly GraphNode[] }[]
  /** All nodes of a column are as wide as its widest. */
  readonly boxOf: (node: GraphNode) => Box
  /** The points of an edge; between two of them it is a curve, or a straight line across a column. */
  readonly edges: readonly { readonly edge: Graph['edges'][number]; readonly points: readonly Point[] }[]
}

const columnGap = 72
const rowGap = 14
const passageGap = 6

/** A node, or the place where an edge passes through a column in which it neither begins nor ends. */
type Cell = {
  readonly node: GraphNode | null
  readonly column: number
  readonly height: number
  readonly before: Cell[]
  readonly after: Cell[]
  /** The height of its middle. */
  y: number
}

/**
 * A layered drawing (Sugiyama's method): columns by what feeds what, order within a column by the neighbours' middle, then heights so
 * that lines are as straight as the order allows. Edges that return run below everything.
 */
export function layoutOf(graph: Graph, sizeOf: (node: GraphNode) => Size): Layout {
  const forward = graph.edges.filter((edge) => !edge.returns)
  const columnOf = columnsOf(graph, forward)
  const cells = new Map(
    graph.nodes.map((node): [string, Cell] => [
      node.id,
      { node, column: columnOf.get(node.id)!, height: sizeOf(node).height, before: [], after: [], y: 0 },
    ]),
  )
  const columns: Cell[][] = Array.from({ length: Math.max(0, ...columnOf.values()) + 1 }, () => [])
  for (const node of graph.nodes) columns[columnOf.get(node.id)!]!.push(cells.get(node.id)!)
  const routes = forward.map((edge) => {
    const route = [cells.get(edge.from)!]
    for (let column = columnOf.get(edge.from)! + 1; column < columnOf.get(edge.to)!; column += 1) {
      const passage: Cell = { node: null, column, height: 0, before: [], after: [], y: 0 }
      columns[column]!.push(passage)
      route.push(passage)
    }
    route.push(cells.get(edge.to)!)
    for (const [index, cell] of route.entries()) {
      const next = route[index + 1]
      if (!next) continue
      cell.after.push(next)
      next.before.push(cell)
    }
    return { edge, route }
  })

  order(columns)
  place(columns)

  const widths = columns.map((column) =>
    Math.max(0, ...column.map((cell) => (cell.node ? sizeOf(cell.node).width : 0))),
  )
  const lefts = widths.map((_, index) => widths.slice(0, index).reduce((x, width) => x + width + columnGap, 0))
  const top = Math.min(...columns.flat().map((cell) => cell.y - cell.height / 2))
  for (const cell of columns.flat()) cell.y -= top
  const bottom = Math.max(0, ...columns.flat().map((cell) => cell.y + cell.height / 2))
  const portOf = ports(routes.map(({ route }) => route))

  const drawn = routes.map(({ edge, route }) => ({
    edge,
    points: route.flatMap((cell, index): Point[] => {
      const left = lefts[cell.column]!
      const right = left + widths[cell.column]!
      if (cell.node === null)
        return [
          { x: left, y: cell.y },
          { x: right, y: cell.y },
        ]
      if (index === 0) return [{ x: right, y: portOf(cell, route[1]!, 'after') }]
      return [{ x: left, y: portOf(cell, route[index - 1]!, 'before') }]
    }),
  }))
  const returning = graph.edges.filter((edge) => edge.returns)
  const returned = returning.map((edge, index) => {
    const [from, to] = [cells.get(edge.from)!, cells.get(edge.to)!]
    const foot = (cell: Cell): Point => ({
      x: lefts[cell.column]! + widths[cell.column]! / 2,
      y: cell.y + cell.height / 2,
    })
    const [start, end] = [foot(from), foot(to)]
    const below = bottom + 24 + index * 10
    return { edge, points: [start, { x: start.x, y: below }, { x: end.x, y: below }, end] }
  })
  return {
    width: lefts.at(-1)! + widths.at(-1)!,
    height: bottom + (returning.length > 0 ? 24 + returning.length * 10 : 0),
    columns: columns.map((column, index) => ({
      x: lefts[index]!,
      width: widths[index]!,
      nodes: column.flatMap((cell) => cell.node ?? []),
    })),
    boxOf: (node) => {
      const { column, height, y } = cells.get(node.id)!
      return { x: lefts[column]!, y: y - height / 2, width: widths[column]!, height }
    },
    edges: [...drawn, ...returned],
  }
}

/** The column of each node: kinds have their columns, and a Segment stands right of all that it refers to. */
function columnsOf(graph: Graph, forward: Graph['edges']): ReadonlyMap<string, number> {
  const kindOf = new Map(graph.nodes.map((node) => [node.id, node.kind]))
  const referred = Map.groupBy(
    forward.filter(({ from, to }) => kindOf.get(from) === 'Segment' && kindOf.get(to) === 'Segment'),
    ({ to }) => to,
  )
  const depths = new Map<string, number>()
  const depthOf = (id: string): number => {
    const known = depths.get(id)
    if (known !== undefined) return known
    // In a cycle, which is an error, the walk ends where it began.
    depths.set(id, 0)
    const depth = Math.max(-1, ...(referred.get(id) ?? []).map(({ from }) => depthOf(from))) + 1
    depths.set(id, depth)
    return depth
  }
  const deepest = Math.max(0, ...graph.nodes.filter(({ kind }) => kind === 'Segment').map(({ id }) => depthOf(id)))
  const columnOf = (kind: NodeKind): number =>
    drawn[kind].column + (drawn[kind].column > drawn.Segment.column ? deepest : 0)
  return new Map(graph.nodes.map(({ id, kind }) => [id, columnOf(kind) + (kind === 'Segment' ? depthOf(id) : 0)]))
}

/** Orders each column by sweeps to and fro: by the mean position of its neighbours in the column that the sweep came from. */
function order(columns: Cell[][]): void {
  let best = columns.map((column) => [...column])
  let fewest = crossings(columns)
  for (let sweep = 0; sweep < 12 && fewest > 0; sweep += 1) {
    const rightwards = sweep % 2 === 0
    const indexes = [...columns.keys()]
    for (const index of rightwards ? indexes.slice(1) : indexes.slice(0, -1).reverse()) {
      const position = new Map(columns[index + (rightwards ? -1 : 1)]!.map((cell, at) => [cell, at]))
      const wish = new Map(
        columns[index]!.map((cell, at) => {
          const near = (rightwards ? cell.before : cell.after).flatMap((other) => position.get(other) ?? [])
          return [cell, near.length > 0 ? near.reduce((sum, each) => sum + each, 0) / near.length : at]
        }),
      )
      columns[index]!.sort((a, b) => wish.get(a)! - wish.get(b)!)
    }
    const found = crossings(columns)
    if (found < fewest) {
      fewest = found
      best = columns.map((column) => [...column])
    }
  }
  for (const [index, column] of best.entries()) columns[index]!.splice(0, column.length, ...column)
}

/** How many pairs of lines cross, over all gaps between columns (inversions, counted in a binary indexed tree). */
function crossings(columns: readonly (readonly Cell[])[]): number {
  let count = 0
  for (const [index, column] of columns.slice(0, -1).entries()) {
    const next = columns[index + 1]!
    const position = new Map(next.map((cell, at) => [cell, at]))
    const tree = new Array<number>(next.length + 1).fill(0)
    let seen = 0
    for (const cell of column) {
      const ends = cell.after.flatMap((other) => position.get(other) ?? []).sort((a, b) => a - b)
      for (const end of ends) {
        let upTo = 0
        for (let at = end + 1; at > 0; at -= at & -at) upTo += tree[at]!
        count += seen - upTo
      }
      for (const end of ends) for (let at = end + 1; at < tree.length; at += at & -at) tree[at]! += 1
      seen += ends.length
    }
  }
  return count
}

/** Sets heights: each cell wants the mean height of its neighbours, and a column grants that as far as order and gaps allow. */
function place(columns: readonly (readonly Cell[])[]): void {
  for (const column of columns) {
    const total = column.reduce((sum, cell) => sum + cell.height + gapOf(cell), 0)
    let y = -total / 2
    for (const cell of column) {
      cell.y = y + cell.height / 2
      y += cell.height + gapOf(cell)
    }
  }
  const passes = 16
  for (let pass = 0; pass < passes; pass += 1) {
    const rightwards = pass % 2 === 0
    for (const column of rightwards ? columns : columns.toReversed()) {
      const wishes = column.map((cell) => {
        const [near, far] = rightwards ? [cell.before, cell.after] : [cell.after, cell.before]
        const of = pass >= passes - 4 ? [...near, ...far] : near.length > 0 ? near : far
        return of.length > 0 ? of.reduce((sum, other) => sum + other.y, 0) / of.length : cell.y
      })
      settle(column, wishes)
    }
  }
}

/**
 * Least squares under minimum distances. With these taken off, the wishes only have to ascend, and neighbours that would not are pooled
 * at their mean (isotonic regression).
 */
function settle(column: readonly Cell[], wishes: readonly number[]): void {
  let offset = 0
  const pools: { sum: number; weight: number; cells: { readonly cell: Cell; readonly offset: number }[] }[] = []
  for (const [index, cell] of column.entries()) {
    const previous = column[index - 1]
    if (previous) offset += (previous.height + cell.height) / 2 + Math.max(gapOf(previous), gapOf(cell))
    // Long edges are made straight before anything else.
    const weight = cell.node ? 1 : 4
    let pool = { sum: (wishes[index]! - offset) * weight, weight, cells: [{ cell, offset }] }
    for (let last = pools.at(-1); last && last.sum / last.weight > pool.sum / pool.weight; last = pools.at(-1)) {
      pools.pop()
      pool = { sum: last.sum + pool.sum, weight: last.weight + pool.weight, cells: [...last.cells, ...pool.cells] }
    }
    pools.push(pool)
  }
  for (const pool of pools) for (const { cell, offset: own } of pool.cells) cell.y = pool.sum / pool.weight + own
}

function gapOf(cell: Cell): number {
  return cell.node ? rowGap : passageGap
}

/** Where lines leave or enter a node: spread over its height, in the order of their other ends, so that they can be told apart. */
function ports(routes: readonly (readonly Cell[])[]): (cell: Cell, other: Cell, side: 'before' | 'after') => number {
  const ranksOf = (cells: readonly Cell[]): ReadonlyMap<Cell, number> =>
    new Map([...cells].sort((a, b) => a.y - b.y).map((cell, rank) => [cell, rank]))
  const ends = new Set(routes.flatMap((route) => [route[0]!, route.at(-1)!]))
  const spread = new Map([...ends].map((cell) => [cell, { before: ranksOf(cell.before), after: ranksOf(cell.after) }]))
  return (cell, other, side) => {
    const ranks = spread.get(cell)![side]
    const step = Math.min(7, (cell.height - 16) / Math.max(1, ranks.size - 1))
    return cell.y + (ranks.get(other)! - (ranks.size - 1) / 2) * step
  }
}
