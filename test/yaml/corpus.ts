/** Documents as people and tools write them; the mutants of the fuzz tests are made from these. */
export const corpus: readonly string[] = [
  `apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: {name: gold-members, labels: {team: crm, "tier": 'gold'}}
spec:
  profileStoreRef: {name: retail}
  displayName: Gold members
  evaluation: Streaming
  expression: loyalty.tier = "gold" and not (optOut = true)
`,
  `---
# Owned by CRM
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata:
  name: lapsed-buyers   # not renamed
  annotations:
    convoke.dev/allow: |
      too-many: agreed

      many-segments: agreed
spec:
  profileStoreRef: {name: retail}
  description: >-
    Bought at least three times,
    but nothing

      in the last 90 days.
  expression: |
    homeAddress.countryCode in ["DE", "AT", "CH"]
    and xEvent[eventType = "purchase"].count() >= 3

`,
  `kind: Activation
spec:
  segmentRefs:
  - name: a
  - {name: b}
  -
    name: c
  - - x
    - "y, z"
  schedule: {every: 6h, from: 2026-01-01T10:00:00Z, at: [1, 2.5, -3, 0x1F, 12:30]}
  mapping:
    - {source: customerId, target: external_id, mandatory: true}
    - source: 'it''s'
      target: "tab\\tand \\u00e9"
  suspend: false
  empty:
  none: ~
  count: 5000000
  ratio: .25
  folded: "one
    two

    three"
`,
  `{"apiVersion":"v1","kind":"List","items":[
  {"kind":"Segment","metadata":{"name":"a"},"spec":{"x":[1,true,null,"b"]}},
  {"kind": "Run", "empty": {}, "list": []}
]}
`,
  `name: Zoë 😀
text: >+
  kept

list:
  - [a, b,
     c]
  - {a: 1,
     b: two words, # why
     c: "3"}
  - |-
    last
  # the end
`,
  `description: Bought at least three times,
  but nothing in the last 90 days

  since then
list:
- one that goes
  on below
-   two
  lines, not a key
    but text
nested:
  a:
    text below its key
      deeper still
  b: 12
    13
  c: yes
    sir
last: .5
  and more
`,
  'folded: one\r\n  two\r\n\r\n  three\r\nnext: x\r\n',
  'crlf: one\r\nblock: |\r\n  a\r\n  b\r\nlist:\r\n  - x\r\n  - "y"\r\n',
]

/** Characters that decide something in YAML, and a few that decide nothing. */
const alphabet = [
  ...'\n\n  \t:#-?,[]{}&*!|>\'"%@`\\~<=.+_019oxeynaNO/',
  '\r\n',
  ': ',
  ' #',
  '- ',
  '\n  ',
  '😀',
  'é',
  '---',
  '<<: ',
  '\u00a0',
]

/** A repeatable source of whole numbers below `limit`. */
export function randomOf(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}

/** The text with one to three insertions, deletions, replacements or moved lines. */
export function mutantOf(text: string, random: (limit: number) => number): string {
  let mutant = text
  for (let edits = 1 + random(3); edits > 0; edits -= 1) {
    const at = random(mutant.length + 1)
    const char = alphabet[random(alphabet.length)]!
    const cut = random(4)
    const length = cut === 0 ? 0 : cut === 3 ? 1 + random(6) : 1
    mutant = mutant.slice(0, at) + (cut === 2 ? '' : char) + mutant.slice(at + length)
  }
  return mutant
}
