import type { PqlFault } from './fault.ts'

export type Token = {
  readonly kind: 'name' | 'number' | 'string' | 'punctuation' | 'end'
  /** The text as written; for a string, the text between its quotes with escapes resolved. */
  readonly text: string
  readonly start: number
  readonly end: number
}

const punctuation = [
  '===',
  '!==',
  '=<',
  '≤',
  '≥',
  '≠',
  '=>',
  '!=',
  '<=',
  '>=',
  '==',
  '<>',
  '&&',
  '||',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  ',',
  '.',
  ':',
  '=',
  '<',
  '>',
  '+',
  '-',
  '*',
  '/',
  '%',
  '^',
  '!',
  '$',
]

/** What people write by habit of other languages, and PQL's form of it. */
const foreign: Readonly<Record<string, string>> = {
  '==': '=',
  '===': '=',
  '<>': '!=',
  '!==': '!=',
  '=<': '<=',
  '≤': '<=',
  '≥': '>=',
  '≠': '!=',
  '&&': 'and',
  '||': 'or',
}

/** Nearly every token: a plain name, a text without escapes, a mark that begins no longer one. Other tokens are read with more care. */
const plainPattern =
  /[ \t\r\n]*(?:([A-Za-z_][A-Za-z0-9_]*)(?![\u0080-\uffff])|"([^"\\]*)"|([()[\]{},:+*%^$-]|\.(?!\d)|=(?![=<>])|<=|>=|!=(?!=)|<(?![=>])|>(?!=)))/y
const commentPattern = /(?:#|\/\/).*|\/\*[\s\S]*?(?:\*\/|$)/y
const nameStart = /[A-Za-z_]/
const namePattern = /[\p{L}\p{N}_]+/uy
const numberPattern = /(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?/y

/**
 * All tokens of an expression; the last has the kind `end`. Never throws: a character that belongs to no token is reported and left out,
 * and a foreign operator is reported once and read as PQL's.
 */
export function tokenize(text: string, report: (fault: PqlFault) => void): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    plainPattern.lastIndex = at
    const plain = plainPattern.exec(text)
    if (plain) {
      at = plainPattern.lastIndex
      const [, name, quoted, mark] = plain
      if (name !== undefined) tokens.push({ kind: 'name', text: name, start: at - name.length, end: at })
      else if (quoted !== undefined) {
        if (unwritable.test(quoted)) report(unwritableFault(quoted, at - quoted.length - 2, at))
        tokens.push({ kind: 'string', text: quoted, start: at - quoted.length - 2, end: at })
      } else tokens.push({ kind: 'punctuation', text: mark!, start: at - mark!.length, end: at })
      continue
    }
    const char = text[at]!
    if (/\s/.test(char)) {
      at += 1
      continue
    }
    if (char === '"') {
      at = string(text, at, tokens, report)
      continue
    }
    if (char === "'" || char === '“' || char === '”' || char === '‘' || char === '’') {
      at = foreignString(text, at, tokens, report)
      continue
    }
    if (/\d/.test(char) || (char === '.' && /\d/.test(text[at + 1] ?? '') && !endsOperand(tokens.at(-1)))) {
      numberPattern.lastIndex = at
      const matched = numberPattern.exec(text)![0]
      if (!Number.isFinite(Number(matched)))
        report({
          code: 'pql-unsupported',
          message: 'This number is larger than any that engines can hold',
          span: { start: at, end: at + matched.length },
          help: 'Write one up to 1.7e308.',
        })
      tokens.push({ kind: 'number', text: matched, start: at, end: at + matched.length })
      at += matched.length
      continue
    }
    commentPattern.lastIndex = at
    const remark = commentPattern.exec(text)?.[0]
    if (remark !== undefined) {
      const end = at + remark.length
      report({
        code: 'pql-syntax',
        message: 'PQL has no comments',
        span: { start: at, end },
        help: 'Remove it, or write it as a YAML comment outside the expression.',
        fixes: [{ title: 'Remove the comment', span: { start: at, end }, text: '', safety: 'safe' }],
      })
      at = end
      continue
    }
    namePattern.lastIndex = at
    if (nameStart.test(char) || /\p{L}/u.test(char)) {
      const matched = namePattern.exec(text)?.[0] ?? char
      tokens.push({ kind: 'name', text: matched, start: at, end: at + matched.length })
      at += matched.length
      continue
    }
    const found = punctuation.find((candidate) => text.startsWith(candidate, at))
    if (found) {
      const own = foreign[found]
      const end = at + found.length
      if (own) {
        report({
          code: 'pql-syntax',
          message: `\`${found}\` is not a PQL operator`,
          span: { start: at, end },
          help: `Write \`${own}\`.`,
          fixes: [{ title: `Replace with \`${own}\``, span: { start: at, end }, text: own, safety: 'safe' }],
        })
      }
      tokens.push({ kind: own && /[a-z]/.test(own) ? 'name' : 'punctuation', text: own ?? found, start: at, end })
      at = end
      continue
    }
    const end = at + (text.codePointAt(at)! > 0xffff ? 2 : 1)
    report({
      code: 'pql-syntax',
      message: `\`${text.slice(at, end)}\` has no meaning in PQL`,
      span: { start: at, end },
      help: 'Remove it, or put text in double quotes.',
      fixes: [{ title: 'Remove it', span: { start: at, end }, text: '', safety: text[at] === ';' ? 'safe' : 'review' }],
    })
    at = end
  }
  tokens.push({ kind: 'end', text: '', start: text.length, end: text.length })
  return tokens
}

/** Whether the token ends an operand: after it `.5` is a faulty field access, not a number. */
function endsOperand(token: Token | undefined): boolean {
  return token !== undefined && (token.kind === 'name' || token.text === ')' || token.text === ']')
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  '"': '"',
  '\\': '\\',
  '/': '/',
  "'": "'",
}

function string(text: string, start: number, tokens: Token[], report: (fault: PqlFault) => void): number {
  let value = ''
  let at = start + 1
  while (at < text.length && text[at] !== '"') {
    const char = text[at]!
    if (char !== '\\') {
      value += char
      at += 1
      continue
    }
    const next = text[at + 1]
    const unicode = /^u([0-9a-fA-F]{4})/.exec(text.slice(at + 1, at + 6))
    if (unicode) {
      value += String.fromCharCode(Number.parseInt(unicode[1]!, 16))
      at += 6
    } else if (next !== undefined && escapes[next] !== undefined) {
      value += escapes[next]
      at += 2
    } else {
      report({
        code: 'pql-syntax',
        message: `\`\\${next ?? ''}\` is not an escape in a PQL string`,
        span: { start: at, end: Math.min(at + 2, text.length) },
        help: 'Double the backslash, as in "\\\\d+" for the regular expression \\d+.',
        fixes: [{ title: 'Double the backslash', span: { start: at, end: at + 1 }, text: '\\\\', safety: 'safe' }],
      })
      value += char
      at += 1
    }
  }
  const end = Math.min(at + 1, text.length)
  if (text[at] !== '"') {
    report({
      code: 'pql-syntax',
      message: 'This text has no closing quote',
      span: { start, end: start + 1 },
      help: 'Close it with a double quote.',
    })
  }
  if (unwritable.test(value)) report(unwritableFault(value, start, end))
  tokens.push({ kind: 'string', text: value, start, end })
  return end
}

/** U+0000 and halves of surrogate pairs: no engine accepts such a text, and no file can hold it. */
const unwritable = /[\0\p{Cs}]/u

function unwritableFault(value: string, start: number, end: number): PqlFault {
  const what = value.includes('\0') ? 'the character U+0000' : 'half a character (a lone surrogate)'
  return {
    code: 'pql-unsupported',
    message: `This text holds ${what}, which no engine can compare`,
    span: { start, end },
    help: 'Remove it; nothing in the data can hold it either.',
  }
}

function foreignString(text: string, start: number, tokens: Token[], report: (fault: PqlFault) => void): number {
  const closing = text[start] === '“' ? '”' : text[start] === '‘' ? '’' : text[start]!
  const found = text.indexOf(closing, start + 1)
  const end = found === -1 ? text.length : found + 1
  const value = text.slice(start + 1, found === -1 ? text.length : found)
  const quoted = JSON.stringify(value)
  report({
    code: 'pql-syntax',
    message: 'Text in PQL stands in double quotes',
    span: { start, end },
    help: `Write ${quoted}.`,
    fixes: found === -1 ? [] : [{ title: 'Use double quotes', span: { start, end }, text: quoted, safety: 'safe' }],
  })
  tokens.push({ kind: 'string', text: value, start, end })
  return end
}
