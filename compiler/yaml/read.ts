import { readFull } from './full-reader.ts'
import type { YamlFault, YamlFile, YamlNode } from './node.ts'
import { readSubset } from './subset-reader.ts'

/**
 * Reads all documents of a text. Never throws: each fault of the text is reported with its place, and the documents around a faulty one
 * are read all the same. A document with a syntax fault is given as far as it could be read.
 */
export function readYaml(text: string): YamlFile {
  const begin = text.startsWith('\ufeff') ? 1 : 0
  const characters = unusualCharacter.test(text.slice(begin)) ? characterFaults(text, begin) : []
  const { documents, faults } = readApart(text, begin, characters.length > 0) ?? readSlowly(text, begin, text.length)
  return { documents, faults: [...characters, ...faults].sort((a, b) => a.start - b.start) }
}

/** Where the document that begins at `start` ends: before the next line that begins with `---`. */
export function documentEnd(text: string, start: number): number {
  for (let at = text.indexOf('\n---', start); at !== -1; at = text.indexOf('\n---', at + 1)) {
    const next = text[at + 4]
    if (next === undefined || next === '\n' || next === ' ' || next === '\r' || next === '\t') return at + 1
  }
  return text.length
}

/**
 * A document with more UTF-16 code units than this is left unread if it needs the full reader (1-3 MB/s): Kubernetes stores no object
 * over 1.5 MiB (etcd's limit for a request) either.
 */
const maxSlowLength = 1024 * 1024

/**
 * How much of a whole file the full reader reads, about a second's worth: 10,000 resources of the usual size may need it. Each document
 * counts `slowDocument` more than its length.
 */
const maxSlowTotal = 4_500_000
const slowDocument = 150

const maxCharacterFaults = 20

/** Characters that YAML does not allow, and line breaks of YAML 1.1 that YAML 1.2 no longer has. */
const unusualCharacter =
  /[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]|\r(?!\n)/u

type Read = { readonly documents: YamlNode[]; readonly faults: YamlFault[] }

/** Reads each document by itself; null where one cannot be read without a directive (`%YAML`) before its `---`. */
function readApart(text: string, begin: number, isUnusual: boolean): Read | null {
  const documents: YamlNode[] = []
  const faults: YamlFault[] = []
  let isCutKnown = false
  let slow = 0
  let firstUnread: number | null = null
  for (let start = begin; start < text.length; ) {
    const end = documentEnd(text, start)
    const isOdd = isUnusual && unusualCharacter.test(text.slice(start, end))
    const read = isOdd ? 'handed-on' : readSubset(text, start, end)
    if (read === 'handed-on') {
      if (!isCutKnown && /^%/m.test(text)) return null
      isCutKnown = true
      // A longer document costs nothing, since it is left unread.
      if (end - start <= maxSlowLength) slow += end - start + slowDocument
      if (slow > maxSlowTotal) firstUnread ??= start
      else {
        const slowly = readSlowly(text, start, end)
        for (const document of slowly.documents) documents.push(document)
        for (const fault of slowly.faults) faults.push(fault)
      }
    } else if (read !== 'empty') {
      documents.push(read)
    }
    start = end
  }
  if (firstUnread !== null)
    faults.push({
      code: 'yaml-syntax',
      message: 'Too much of this file is not plain YAML; documents like this one are left unread from here on',
      help: 'Split the file, or write it in plain YAML, without anchors, tags and the like.',
      start: firstUnread,
      end: Math.min(text.length, firstUnread + 3),
    })
  return { documents, faults }
}

function readSlowly(text: string, start: number, end: number): Read {
  if (end - start > maxSlowLength) {
    const fault: YamlFault = {
      code: 'yaml-syntax',
      message: `A document of ${((end - start) / 1_000_000).toFixed(1)} million characters is too large to be read`,
      help: 'Split it, or write it in plain YAML; Kubernetes stores no object over 1.5 MiB.',
      start,
      end: Math.min(end, start + 3),
    }
    return { documents: [], faults: [fault] }
  }
  const source = text.slice(start, end)
  const read = readFull(source, start)
  const behindSeparator = /^---[ \t]*(?=[^\s#])/.exec(source)
  if (behindSeparator) {
    read.faults.push(
      unread(text, start + behindSeparator[0].length, 'Kubernetes does not read what stands behind `---`'),
    )
  }
  const behindEnd = /^\.\.\.(?=\s)[^\n]*\n(?:[ \t]*(?:#[^\n]*)?\r?\n)*(?!---|%|\.\.\.)(?=[^\s#])/m.exec(source)
  if (behindEnd) {
    const at = start + behindEnd.index + behindEnd[0].length
    read.faults.push(unread(text, at, 'Kubernetes does not read what follows `...` without `---`'))
  }
  return read
}

function unread(text: string, start: number, message: string): YamlFault {
  const end = start + /^[^\r\n]*/.exec(text.slice(start, start + 200))![0].length
  return { code: 'yaml-syntax', message, help: 'Begin the document on the line below a `---`.', start, end }
}

function characterFaults(text: string, begin: number): YamlFault[] {
  const faults: YamlFault[] = []
  for (const { 0: char, index } of text.slice(begin).matchAll(new RegExp(unusualCharacter, 'gu'))) {
    if (faults.length === maxCharacterFaults) break
    faults.push(characterFault(char, begin + index))
  }
  return faults
}

function characterFault(char: string, start: number): YamlFault {
  const name = `U+${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
  const place = { start, end: start + 1 }
  if (/[\r\x85\u2028\u2029]/.test(char)) {
    return {
      code: 'ambiguous-scalar',
      message: `${name} ends a line for Kubernetes, but not in YAML 1.2`,
      help: 'Replace it with a line feed or a space, or write it as an escape in double quotes.',
      ...place,
    }
  }
  if (char === '\ufeff') {
    return {
      code: 'yaml-syntax',
      message: `${name} (byte order mark) stands inside the text`,
      help: 'Remove it; it comes from files joined together.',
      ...place,
      fix: { title: 'Remove it', text: '' },
    }
  }
  return {
    code: 'yaml-syntax',
    message: `The character ${name} is not allowed in YAML`,
    help: 'Remove it, or write it as an escape in double quotes.',
    ...place,
  }
}
