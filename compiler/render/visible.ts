/**
 * A text from data or files on one line, without anything that a terminal, a log or a browser would obey: control characters appear as
 * their pictures (`␛`), those that change the direction of writing as `�`.
 */
export function visible(text: string): string {
  return text
    .replaceAll('\t', ' ')
    .replace(/[\x00-\x1f]/g, (character) => String.fromCharCode(0x2400 + character.charCodeAt(0)))
    .replace(/[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu, '\ufffd')
}

/** A message on one line, whatever text it quotes. */
export function oneLine(text: string): string {
  return visible(text.replace(/\s*[\r\n]\s*/g, ' '))
}
