import type { YamlEntry, YamlFault, YamlNode, YamlScalar } from './node.ts'
import { doubleQuoted } from './quote.ts'
import type { TextRange } from './scalar-text.ts'

/**
 * Where Kubernetes's reader (go-yaml v2, which keeps to YAML 1.1) refuses correct YAML 1.2 or understands it differently. `source` begins
 * at offset `base` of the file.
 */
export function kubernetesFaults(source: string, base: number, document: YamlNode): YamlFault[] {
  const faults: YamlFault[] = []
  const seen = new Set<YamlNode>()
  const tabsAllowed: TextRange[] = []
  let previousEnd = base
  const isBlock = document.kind === 'scalar' && (document.style === 'literal' || document.style === 'folded')
  if (isBlock && /\n\S/.test(written(document.start, document.end))) faults.push(blockAtMargin(document))
  visit(document, false)
  // An anchor without a node stands behind the last node, on the same line.
  const rest = /^[^\n]*/.exec(written(document.end, base + source.length))![0]
  between(written(previousEnd, document.end) + rest, previousEnd, false)
  return [...faults, ...tabFaults(source, base, tabsAllowed)]

  function written(start: number, end: number): string {
    return source.slice(Math.max(start, base) - base, Math.max(end, base) - base)
  }

  function visit(node: YamlNode, isInBrackets: boolean): void {
    // An aliased node occurs in the tree more than once.
    if (seen.has(node)) return
    seen.add(node)
    if (node.kind === 'scalar') {
      between(written(previousEnd, node.start), previousEnd, isInBrackets)
      scalar(node, isInBrackets)
      previousEnd = node.end
      return
    }
    const isFlow = /[[{]/.test(written(node.start, node.start + 1))
    if (isFlow) tabsAllowed.push(node)
    if (node.kind === 'sequence') for (const item of node.items) visit(item, isInBrackets || isFlow)
    else for (const entry of node.entries) pair(entry, isInBrackets || isFlow)
  }

  function scalar(node: YamlScalar, isInBrackets: boolean): void {
    const text = written(node.start, node.end)
    if (node.style === 'plain') {
      if (isInBrackets && (text.startsWith(':') || text.includes('?'))) faults.push(indicatorInBrackets(node, text))
    } else if (node.style === 'literal' || node.style === 'folded') {
      // A tab right behind the first line's indentation is taken for indentation.
      const firstLine = /^[^\n]*\n(?:[ \r]*\n)*[^\n]*/.exec(text)
      tabsAllowed.push({ start: node.start + (firstLine?.[0].length ?? 0), end: node.end })
    } else {
      tabsAllowed.push(node)
      const slash = node.style === 'double' && !/^\s*[[{]/.test(source) ? /^(?:[^\\]|\\[^/])*?\\\//.exec(text) : null
      if (slash) faults.push(escapedSlash(node.start + slash[0].length - 2))
    }
  }

  function pair({ key, value }: YamlEntry, isInBrackets: boolean): void {
    visit(key, isInBrackets)
    if (isInBrackets && key.style === 'plain' && /^:\S/.test(written(key.end, key.end + 2)))
      faults.push(gluedColon(key))
    const isColonLate = /^[^\S\n]*\n\s*:/.test(written(key.end, value.start))
    const isBroken =
      isInBrackets && written(key.start, key.end).includes('\n') && /^\s*:/.test(written(key.end, value.start))
    if ((isColonLate || isBroken) && !isExplicit(key)) faults.push(lateColon(key))
    else if (value.start === value.end && isExplicit(key) && !/^\s*:/.test(written(key.end, key.end + 1000)))
      faults.push(lateColon(key))
    visit(value, isInBrackets)
  }

  function isExplicit(key: YamlScalar): boolean {
    return /\?\s*$/.test(written(key.start - 100, key.start))
  }

  /** The text between two scalars: indicators, anchors, aliases, tags, comments. */
  function between(text: string, start: number, isInBrackets: boolean): void {
    for (const match of text.matchAll(/#[^\n]*|[&*][\w-]*([^\w \t\r\n,\]}-]|(?<=&[\w-]+)\r?\n)|!(?=[[{"'\]},])/g)) {
      if (match[0].startsWith('#') || (match[1]?.endsWith('\n') && !isInBrackets)) continue
      faults.push(oddIndicator(match[0], start + match.index))
    }
  }
}

const maxTabFaults = 20

/** Tabs at the beginning of lines, among indentation and dashes. Ranges are sorted by start. */
function tabFaults(source: string, base: number, allowed: readonly TextRange[]): YamlFault[] {
  const faults: YamlFault[] = []
  let next = 0
  let allowedUntil = 0
  for (const match of source.matchAll(/^ *(?:[-?:] +)*[-?:]?(?=\t)/gm)) {
    const start = match.index + match[0].length + base
    for (; next < allowed.length && allowed[next]!.start <= start; next += 1)
      allowedUntil = Math.max(allowedUntil, allowed[next]!.end)
    if (start < allowedUntil) continue
    faults.push({
      code: 'yaml-syntax',
      message: 'Kubernetes takes no tab at the beginning of a line or behind a dash',
      help: 'Use spaces.',
      start,
      end: start + 1,
    })
    if (faults.length === maxTabFaults) break
  }
  return faults
}

function indicatorInBrackets(node: YamlScalar, text: string): YamlFault {
  return {
    code: 'ambiguous-scalar',
    message: `Kubernetes does not take the ${text.startsWith(':') ? ':' : '?'} in \`${text}\` for text inside brackets`,
    help: 'Put the text in quotes.',
    start: node.start,
    end: node.end,
    fix: { title: 'Put it in quotes', text: doubleQuoted(String(node.value)) },
  }
}

function gluedColon(key: YamlScalar): YamlFault {
  return {
    code: 'ambiguous-scalar',
    message: `Kubernetes takes the colon behind \`${String(key.value)}\` for a part of the key`,
    help: 'Put a space behind the colon, and `null` where there is no value.',
    start: key.end,
    end: key.end + 1,
    fix: { title: 'Put a space behind the colon', text: ': ' },
  }
}

function lateColon(key: YamlScalar): YamlFault {
  return {
    code: 'yaml-syntax',
    message: 'A key must stand on one line with its colon',
    help: 'Move the colon up, or look for a missing one.',
    start: key.start,
    end: key.end,
  }
}

function blockAtMargin(document: YamlNode): YamlFault {
  return {
    code: 'yaml-syntax',
    message: 'Kubernetes reads no lines of a text block that are not indented',
    help: 'Indent the text.',
    start: document.start,
    end: document.start + 1,
  }
}

function escapedSlash(start: number): YamlFault {
  return {
    code: 'ambiguous-scalar',
    message: 'Kubernetes does not know the escape `\\/`',
    help: 'Write the slash alone.',
    start,
    end: start + 2,
    fix: { title: 'Write the slash alone', text: '/' },
  }
}

function oddIndicator(text: string, start: number): YamlFault {
  return {
    code: 'yaml-syntax',
    message: `Kubernetes does not understand \`${text}\` here`,
    help: 'Put text in quotes; name anchors with letters, digits, - and _ only.',
    start,
    end: start + text.length,
  }
}
