/**
 * Text from data, in a form that may be shown: what a terminal would act on or hide (control characters, marks that change the direction
 * of writing, characters without width, halves of surrogate pairs) is written as `\u{1b}`. Everything else stays.
 */
export function visible(text: string): string {
  return text.replace(hidden, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

const hidden = /[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\p{Cs}]/gu
