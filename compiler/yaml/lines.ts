/** Both count from 1; columns in UTF-16 code units. */
export type LineColumn = { readonly line: number; readonly column: number }

/** Turns offsets into lines and columns. Lines end with LF or CRLF; an offset beyond the text counts as its end. */
export function lineIndexOf(text: string): (offset: number) => LineColumn {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    const within = Math.min(Math.max(offset, 0), text.length)
    let low = 0
    let high = starts.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (starts[middle]! <= within) low = middle + 1
      else high = middle
    }
    return { line: low, column: within - starts[low - 1]! + 1 }
  }
}
