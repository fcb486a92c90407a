import type { Expr, Span } from '../ast.ts'
import { type PqlFault, replacement } from '../fault.ts'
import type { Token } from '../lexer.ts'
import { leftoverFault } from './leftover.ts'
import { clauseWords, isKeyword, isOperator } from './words.ts'

/** The deepest nesting: no person writes more, and every later phase may recurse. */
const maxDepth = 100

/**
 * A place in the tokens of an expression, with the faults found so far. The grammar is functions over a Reader; `read` is the function
 * that reads an expression, so that each of them can call it.
 */
export class Reader {
  readonly text: string
  readonly tokens: readonly Token[]
  readonly faults: PqlFault[] = []
  /** Whether this region's fault is already reported; reading a token that ends a region clears it. */
  panicking = false
  /** Whether nesting was too deep: nothing behind it is read or reported. */
  abandoned = false
  /** Whether `in` ends the expression, as it ends the value of a `let`. */
  inEnds = false
  private position = 0
  private depth = 0
  private readonly shouted = new Set<number>()
  private readonly read: (reader: Reader, power: number) => Expr

  constructor(text: string, tokens: readonly Token[], read: (reader: Reader, power: number) => Expr) {
    this.text = text
    this.tokens = tokens
    this.read = read
  }

  // ---- tokens

  peek(ahead = 0): Token {
    return this.tokens[Math.min(this.position + ahead, this.tokens.length - 1)]!
  }

  next(): Token {
    const token = this.peek()
    if (this.position < this.tokens.length - 1) this.position += 1
    return token
  }

  /** The last token read; undefined before the first. */
  get previous(): Token | undefined {
    return this.tokens[this.position - 1]
  }

  /** Where the last token read ends. */
  get end(): number {
    return this.previous?.end ?? 0
  }

  isWord(word: string, ahead = 0): boolean {
    const token = this.peek(ahead)
    return token.kind === 'name' && token.text === word
  }

  isMark(mark: string, ahead = 0): boolean {
    const token = this.peek(ahead)
    return token.kind === 'punctuation' && token.text === mark
  }

  isOpening(): boolean {
    return this.isMark('(') || this.isMark('[') || this.isMark('{')
  }

  isClosing(): boolean {
    return this.isMark(')') || this.isMark(']') || this.isMark('}')
  }

  written({ start, end }: Span): string {
    return this.text.slice(start, end)
  }

  /** Whether PQL's word stands here in capitals (`AND`, `Or`, `NOT`): reported once, with a fix, and read as meant. */
  isShouted(word: string): boolean {
    const token = this.peek()
    if (token.kind !== 'name' || token.text === word || token.text.toLowerCase() !== word.toLowerCase()) return false
    if (this.shouted.has(token.start)) return true
    this.shouted.add(token.start)
    this.remark({
      code: 'pql-syntax',
      message: `\`${token.text}\` is written \`${word}\` in PQL`,
      span: spanOf(token),
      help: `Write \`${word}\`.`,
      fixes: [replacement(spanOf(token), word)],
    })
    return true
  }

  // ---- expressions

  /** An expression whose operators bind tighter than `power`. */
  expression(power = 0): Expr {
    if (this.depth >= maxDepth) return this.tooDeep()
    this.depth += 1
    const result = this.read(this, power)
    this.depth -= 1
    return result
  }

  /** Reads what stands in brackets: there `in` is the operator again. */
  bracketed<T>(read: () => T): T {
    const outside = this.inEnds
    this.inEnds = false
    const result = read()
    this.inEnds = outside
    return result
  }

  /** Whether a chain of this many operators or fields is nested too deeply. */
  isTooLong(length: number): boolean {
    return length > maxDepth
  }

  tooDeep(): Expr {
    const span = spanOf(this.peek())
    this.report({
      code: 'pql-syntax',
      message: `The expression is nested more than ${maxDepth} levels deep`,
      span,
      help: 'Split it into several Segments and combine them with inSegment.',
    })
    return this.abandon()
  }

  /** Stops reading: nothing of what follows is understood. */
  abandon(): Expr {
    const span = spanOf(this.peek())
    this.position = this.tokens.length - 1
    this.abandoned = true
    return { kind: 'error', span }
  }

  // ---- faults

  /** Reports a fault that makes the rest of the region unclear: no other fault is reported there. */
  report(fault: PqlFault): void {
    if (!this.panicking && !this.abandoned) this.faults.push(fault)
    this.panicking = true
  }

  /** Reports a fault where it is clear what was meant, so that reading goes on. */
  remark(fault: PqlFault): void {
    if (!this.abandoned) this.faults.push(fault)
  }

  /** Skips to where reading can go on; brackets that are opened on the way are skipped whole. */
  recover(): void {
    let open = 0
    while (this.peek().kind !== 'end') {
      if (open === 0 && this.endsRegion(this.peek())) return
      if (this.isOpening()) open += 1
      if (this.isClosing()) open -= 1
      this.next()
    }
  }

  /** Whether the token ends a region: `and`, `or`, a comma, a closing bracket or a clause word. */
  endsRegion(token: Token): boolean {
    if (token.kind === 'end') return true
    if (token.kind === 'punctuation') return endsOperand(token.text) || token.text === ','
    return (
      token.kind === 'name' &&
      (token.text === 'and' || token.text === 'or' || (clauseWords.has(token.text) && this.isMark('(', 1)))
    )
  }

  /** Reports that `what` should stand here. */
  expected(what: string): Extract<Expr, { kind: 'error' }> {
    const token = this.peek()
    const span = spanOf(token)
    if (token.kind === 'end') {
      // The place to point at is the word that wants an operand, not the emptiness after it.
      const last = this.previous
      this.report({
        code: 'pql-syntax',
        message: last
          ? `The expression ends after \`${this.written(last)}\`; ${what} is missing`
          : 'The expression is empty',
        span: last ? spanOf(last) : span,
        help: last ? `Write ${what} after it, or remove it.` : 'Write a condition, for example loyalty.tier = "gold".',
      })
      return { kind: 'error', span }
    }
    const written = this.written(token)
    const ends = endsOperand(written) || written === ','
    const joins = isOperator(token.text) || isKeyword(token.text)
    this.report({
      code: 'pql-syntax',
      message:
        ends || joins ? `${capital(what)} is missing before \`${written}\`` : `Expected ${what}, found \`${written}\``,
      span,
      help: joins
        ? `\`${written}\` needs something on its left; write it or remove \`${written}\`.`
        : ends
          ? `Write ${what} before it.`
          : `Write ${what} here, or remove \`${written}\`.`,
    })
    if (!this.endsRegion(token)) this.recover()
    return { kind: 'error', span }
  }

  /** The fault of a token behind the end of an expression or of a list's item. */
  leftover(inList = false): PqlFault {
    return leftoverFault({
      text: this.text,
      before: this.previous,
      token: this.peek(),
      after: [this.peek(1), this.peek(2)],
      inList,
    })
  }

  /** Reads the closing mark; where it is missing, reports that at the opening one. */
  close(mark: string, opening: Token, isList = false): void {
    if (this.isMark(mark)) {
      this.next()
      this.panicking = false
      return
    }
    if (this.peek().kind === 'end') {
      this.report({
        code: 'pql-syntax',
        message: `\`${opening.text}\` is never closed`,
        span: spanOf(opening),
        help: `Close it with \`${mark}\`.`,
      })
      return
    }
    this.report({ ...this.leftover(isList), related: [{ span: spanOf(opening), message: 'opened here' }] })
    let open = 0
    while (this.peek().kind !== 'end') {
      if (open === 0 && this.isMark(mark)) {
        this.next()
        this.panicking = false
        return
      }
      if (this.isOpening()) open += 1
      else if (this.isClosing()) {
        if (open === 0) return
        open -= 1
      }
      this.next()
    }
  }
}

export function spanOf({ start, end }: Token): Span {
  return { start, end }
}

function endsOperand(written: string): boolean {
  return written === ')' || written === ']' || written === '}'
}

function capital(sentence: string): string {
  return sentence[0]!.toUpperCase() + sentence.slice(1)
}
