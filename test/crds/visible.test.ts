import { expect, test } from 'vitest'
import { visible } from '#crds'

test.each<[string, string]>([
  ['plain äöü 日本 🎯.csv', 'plain äöü 日本 🎯.csv'],
  ['a\x1b[31mred', 'a\\u{1b}[31mred'],
  ['a\x1b]0;title\x07', 'a\\u{1b}]0;title\\u{7}'],
  ['line\nbreak\r', 'line\\u{a}break\\u{d}'],
  ['c1\x9b2J', 'c1\\u{9b}2J'],
  ['gnp.\u202Evsc', 'gnp.\\u{202e}vsc'],
  ['a\u200Bb\uFEFF', 'a\\u{200b}b\\u{feff}'],
  ['half \uD83C', 'half \\u{d83c}'],
])('%j is shown as %j', (text, shown) => {
  expect(visible(text)).toBe(shown)
})
