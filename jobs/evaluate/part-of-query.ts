/** A piece of a query's text. A piece with a name is a column, which other pieces read by that name only. */
type Piece = { readonly text: string; readonly name: string | null }

/** A query for some Segments. */
export type QueryPart = { readonly sql: string; readonly segments: readonly string[] }

/**
 * The query with only the columns of these Segments and the columns that those read; all others are NULL. So a column that the engine does
 * not accept at all can be left out. A column with a quoted name is kept where its name occurs anywhere in a part that is kept, so nothing
 * reads a column that was left out. In a query for Segments, leaving out columns never changes the rows of a SELECT.
 */
export function partOfQuery(sql: string, segments: readonly string[]): string {
  const cut = cutUp(sql)
  const kept = keptOf(cut, segments)
  return cut.pieces
    .map((piece) => (kept.has(piece) ? piece.text : ` NULL AS "${piece.name?.replaceAll('"', '""')}" `))
    .join('')
}

/** The parts of a query for each group of its Segments, without any other column; the query itself for one group. */
export function partsOfQuery(sql: string, groups: readonly (readonly string[])[]): readonly QueryPart[] {
  if (groups.length <= 1) return groups.map((segments) => ({ sql, segments }))
  const cut = cutUp(sql)
  return groups.map((segments) => {
    const kept = keptOf(cut, segments)
    const texts: string[] = []
    for (const piece of cut.pieces) {
      if (kept.has(piece)) texts.push(piece.text)
      // With the comma before it, or it is replaced where it is the only column so far.
      else if (texts.at(-1) === ',') texts.pop()
      else texts.push(` NULL AS "${piece.name?.replaceAll('"', '""')}" `)
    }
    return { sql: texts.join(''), segments }
  })
}

type Cut = {
  readonly pieces: readonly Piece[]
  readonly byName: ReadonlyMap<string | null, readonly Piece[]>
  /** Names that occur in a piece. */
  readonly names: ReadonlyMap<Piece, ReadonlySet<string>>
}

function cutUp(sql: string): Cut {
  const pieces = piecesOf(sql)
  return {
    pieces,
    byName: Map.groupBy(pieces, ({ name }) => name),
    names: new Map(pieces.map((piece) => [piece, namesIn(piece.text)])),
  }
}

function keptOf({ byName, names }: Cut, segments: readonly string[]): ReadonlySet<Piece> {
  const kept = new Set<Piece>()
  const wanted = [
    ...(byName.get(null) ?? []),
    ...['$profile', ...segments].flatMap((segment) => byName.get(keyOf(segment)) ?? []),
  ]
  for (let piece = wanted.pop(); piece !== undefined; piece = wanted.pop()) {
    if (kept.has(piece)) continue
    kept.add(piece)
    for (const name of names.get(piece) ?? []) wanted.push(...(byName.get(name) ?? []))
  }
  return kept
}

/** Tokens: texts (one with a quote in it is two), quoted names, words, and any other single character. */
const token = /'[^']*'|"(?:[^"]|"")*"|[\p{L}_][\p{L}\p{N}_]*|./gsu

/** The name in lower case: the engine ignores the case of names. */
function keyOf(name: string): string {
  return name.toLowerCase()
}

function nameOf(part: string): string {
  return keyOf(part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part)
}

function namesIn(text: string): ReadonlySet<string> {
  return new Set((text.match(token) ?? []).filter((part) => /^["\p{L}_]/u.test(part)).map(nameOf))
}

/** Columns of a SELECT that have a quoted name, each as one piece, and the text between them. */
function piecesOf(sql: string): readonly Piece[] {
  const parts = sql.match(token) ?? []
  const pieces: Piece[] = []
  /** Where the present piece begins. */
  let start = 0
  const cut = (end: number, name: string | null) => {
    if (end > start) pieces.push({ text: parts.slice(start, end).join(''), name })
    start = end
  }
  /** How many brackets are open in the present column of a SELECT; null: outside of any column. */
  let depth: number | null = null
  const endColumn = (end: number) => cut(end, nameOfColumn(parts, start, end))
  for (const [index, part] of parts.entries()) {
    const word = part.toUpperCase()
    if (depth === null) {
      if (word !== 'SELECT') continue
      cut(index + 1, null)
      depth = 0
    } else if (depth === 0 && (part === ',' || part === ')' || part === ';' || word === 'FROM')) {
      endColumn(index)
      if (part === ',') cut(index + 1, null)
      else depth = null
    } else if (/^[([{]$/.test(part)) depth += 1
    else if (/^[)\]}]$/.test(part)) depth -= 1
  }
  if (depth === null) cut(parts.length, null)
  else endColumn(parts.length)
  return pieces
}

/** The name of a column that is `… AS "name"` or `relation."name"`; null: it has none. */
function nameOfColumn(parts: readonly string[], start: number, end: number): string | null {
  const column = parts.slice(start, end).filter((part) => part.trim() !== '')
  const [before, name] = column.slice(-2)
  const isNamed = before?.toUpperCase() === 'AS' || (before === '.' && column.length === 3)
  return isNamed && name?.startsWith('"') === true && name.length > 2 ? nameOf(name) : null
}
