// An expression to read: as it is written, with colours, and in words made from it.
import { type Phrase, tokenize, type Words } from '#compiler'
import { type Html, html, named } from './html.ts'

const keywords = new Set(
  `and or not in exists forall select from where occurs before after now today yesterday tomorrow this last next between on
  like matches WHAT WHEN WHERE CHAIN COUNT let`.split(/\s+/),
)
const units = /^(?:millisecond|second|minute|hour|day|week|month|year|decade|centur|millenni)/

/** The expression with colours; `start` and `end` enclose what is underlined as wrong. */
export function expressionHtml(
  text: string,
  wrong: readonly { readonly start: number; readonly end: number }[] = [],
): Html {
  const tokens = tokenize(text, () => {})
  const parts: Html[] = []
  let at = 0
  for (const [index, token] of tokens.entries()) {
    if (token.kind === 'end') break
    if (token.start > at) parts.push(html`${text.slice(at, token.start)}`)
    const written = text.slice(token.start, token.end)
    const isCall = tokens[index + 1]?.text === '(' && tokens[index + 1]?.kind === 'punctuation'
    const colour =
      token.kind === 'string'
        ? 'st'
        : token.kind === 'number'
          ? 'nu'
          : token.kind === 'punctuation'
            ? /^[=<>!+\-*/%≤≥≠]/.test(written)
              ? 'op'
              : ''
            : keywords.has(written) || (units.test(written) && tokens[index - 1]?.kind === 'number')
              ? 'kw'
              : isCall
                ? 'fn'
                : ''
    const isWrong = wrong.some(({ start, end }) => token.start < end && token.end > start)
    const classes = [colour, isWrong ? 'wrong' : ''].filter(Boolean).join(' ')
    parts.push(classes === '' ? html`${written}` : html`<span class="${classes}">${written}</span>`)
    at = token.end
  }
  if (at < text.length) parts.push(html`${text.slice(at)}`)
  return html`<pre>${parts}</pre>`
}

/** `link` gives the link for a Segment that an expression names. */
export function phraseHtml(phrase: Phrase, link: (segment: string) => Html): Html {
  return html`${phrase.map((word) =>
    typeof word === 'string'
      ? word
      : 'strong' in word
        ? html`<b>${word.strong}</b>`
        : 'segment' in word
          ? link(word.segment)
          : 'data' in word
            ? html`“${named(word.data)}”`
            : html`<code>${word.code}</code>`,
  )}`
}

/** The words without markup, for a terminal and for charts. */
export function phraseText(phrase: Phrase): string {
  return phrase
    .map((word) =>
      typeof word === 'string'
        ? word
        : 'strong' in word
          ? word.strong
          : 'segment' in word
            ? word.segment
            : 'data' in word
              ? `“${word.data}”`
              : word.code,
    )
    .join('')
}

export function wordsHtml(words: Words, link: (segment: string) => Html): Html {
  return html`<ul class="words">${itemsOf(words, link)}</ul>`
}

function itemsOf(words: Words, link: (segment: string) => Html): Html {
  if (words.kind === 'phrase') return html`<li>${phraseHtml(words.phrase, link)}</li>`
  return html`${words.items.map((item, index) => {
    const joint = index > 0 && html`<li class="join">${words.kind}</li>`
    return item.kind === 'phrase'
      ? html`${joint}${itemsOf(item, link)}`
      : html`${joint}<li class="branch"><ul class="words">${itemsOf(item, link)}</ul></li>`
  })}`
}
